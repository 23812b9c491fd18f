//! The configuration of each process says nothing that there is not to say, and names places that it is given.

use std::collections::{BTreeMap, BTreeSet};

use chain::policy::Policy;

use crate::files::{below, deploy, members, root, text, yaml};

/// Every setting that a process has, with the type of its value in TOML: the guide's list, which the product's own tests
/// hold against the code.
pub(crate) fn known() -> BTreeMap<String, &'static str> {
    let guide = std::fs::read_to_string(root().join("docs/guide/configuration.md")).unwrap();
    // The file about an organisation has a list of its own, under a heading.
    let settings = guide.split("\n## ").next().unwrap_or_default();
    let rows = settings.lines().filter_map(|line| line.strip_prefix("| `"));
    let known: BTreeMap<_, _> = rows
        .map(|row| {
            let (name, rest) = row.split_once("` | ").unwrap();
            let form = match rest.split(" | ").next().unwrap() {
                "a text" => "string",
                "a list of texts" => "array",
                "a whole number" => "integer",
                "true or false" => "boolean",
                other => panic!("{name}: {other}"),
            };
            (name.to_owned(), form)
        })
        .collect();
    assert!(known.len() > 30, "{}", known.len());
    known
}

/// The settings that a text in TOML sets, by their whole names.
fn settings(text: &str) -> BTreeMap<String, toml::Value> {
    fn gather(prefix: &str, table: toml::Table, found: &mut BTreeMap<String, toml::Value>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(table) => gather(&name, table, found),
                value => drop(found.insert(name, value)),
            }
        }
    }
    let mut found = BTreeMap::new();
    gather("", text.parse().unwrap_or_else(|error| panic!("{error}")), &mut found);
    found
}

/// What a set of settings sets that is no setting, or in another form than the setting's.
fn faults(settings: &BTreeMap<String, toml::Value>) -> Vec<String> {
    let known = known();
    settings
        .iter()
        .filter(|(name, value)| known.get(*name).copied() != Some(value.type_str()))
        .map(|(name, value)| format!("{name} ({})", value.type_str()))
        .collect()
}

/// The names of the processes, and their settings.
fn processes() -> Vec<(String, BTreeMap<String, toml::Value>)> {
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let read = |path: &std::path::PathBuf| settings(&std::fs::read_to_string(path).unwrap());
    below("config", "toml").iter().map(|path| (name(path), read(path))).collect()
}

#[test]
fn a_setting_that_is_none_or_of_another_form_is_found() {
    assert_eq!(faults(&settings("data = \"x\"\n[nats]\nsubmit = true\n")), [""; 0]);
    assert_eq!(faults(&settings("[nats]\nserver = []\n")), ["nats.server (array)"]);
    assert_eq!(faults(&settings("listen = 7878\n")), ["listen (integer)"]);
}

#[test]
fn every_configuration_sets_only_what_there_is() {
    let processes = processes();
    assert_eq!(processes.len(), 7);
    for (process, settings) in &processes {
        assert_eq!(faults(settings), [""; 0], "{process}");
        // Beyond loopback a process starts only with these.
        for needed in ["data", "listen", "hosts", "tls.cert", "tls.key"] {
            assert!(settings.contains_key(needed), "{process} lacks {needed}");
        }
        assert!(
            settings["hosts"].as_array().unwrap().iter().any(|host| host.as_str() == Some(process)),
            "{process}"
        );
        // A secret stands in a file of its own, not in a configuration that is shown around.
        assert!(
            !settings.keys().any(|name| name.ends_with("password") || name == "services.token"),
            "{process}"
        );
        assert!(!settings.contains_key("nats.play"), "{process} would accept what is not durable");
    }
}

#[test]
fn who_writes_or_reads_the_log_can_prove_its_durability_on_all_three_servers() {
    for (process, settings) in processes() {
        let on_log = !["console", "witness"].contains(&process.as_str());
        for needed in ["nats.servers", "nats.ca", "nats.nkey", "nats.system.nkey"] {
            assert_eq!(settings.contains_key(needed), on_log, "{process}: {needed}");
        }
        if on_log {
            let servers: Vec<_> =
                settings["nats.servers"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
            assert_eq!(servers, ["tls://nats-1:4222", "tls://nats-2:4222", "tls://nats-3:4222"], "{process}");
        }
    }
}

#[test]
fn each_address_of_a_service_is_one_at_which_that_process_listens() {
    let processes: BTreeMap<_, _> = processes().into_iter().collect();
    let mut addresses = 0;
    for (process, settings) in &processes {
        for (_, url) in settings.iter().filter(|(name, _)| {
            name.starts_with("services.") && !name.ends_with("file") && !name.ends_with("ca")
        }) {
            let (host, port) =
                url.as_str().unwrap().strip_prefix("https://").unwrap().split_once(':').unwrap();
            let listen = processes[host]["listen"].as_str().unwrap();
            assert!(listen.ends_with(&format!(":{port}")), "{process} asks {host} at {port}");
            addresses += 1;
        }
    }
    // The console asks four, the further registrar one.
    assert_eq!(addresses, 5);
}

/// Every file that a process's configuration names is one that its container is given.
#[test]
fn what_a_configuration_names_is_mounted_where_it_says() {
    let compose = yaml("compose.yaml");
    for (process, settings) in processes() {
        let service = &compose["services"][&process];
        let mut given: BTreeSet<String> = BTreeSet::new();
        for secret in service["secrets"].as_array().unwrap() {
            given.insert(format!("/run/secrets/{}", secret["target"].as_str().unwrap()));
        }
        for volume in service["volumes"].as_array().unwrap() {
            given.insert(volume.as_str().unwrap().split(':').nth(1).unwrap().to_owned());
        }
        let is_path = |value: &&str| value.starts_with('/');
        for path in settings.values().filter_map(toml::Value::as_str).filter(is_path) {
            let is_given = given.contains(path) || path.starts_with("/var/lib/trialbook/");
            assert!(is_given, "{process} names {path}, and is given {given:?}");
        }
        // And the other way round: no process holds a secret that it has no use for.
        for secret in given.iter().filter(|path| path.starts_with("/run/secrets/")) {
            assert!(
                settings.values().any(|value| value.as_str() == Some(secret))
                    || secret == "/run/secrets/ca.crt",
                "{process} is given {secret}"
            );
        }
    }
    assert!(members(&compose["services"]).count() >= 12);
}

#[test]
fn the_policy_of_witnesses_is_one() {
    Policy::parse(text("config/witnesses.policy").as_bytes()).unwrap();
    assert!(deploy("config/witnesses.policy").is_file());
}
