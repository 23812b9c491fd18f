//! What is watched is there: each metric in the code, each alert in the guide, each panel in its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::files::{deploy, has, prepared, root, run, text, texts, yaml};

/// Words in `text` that begin with `trialbook_` and go on as a metric's name does.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c: char| !is_part(c))
        .filter(|word| word.starts_with("trialbook_"))
        .map(str::to_owned)
        .collect()
}

/// Every `"trialbook_…"` in the sources of the crates that is more than described.
fn in_code() -> BTreeSet<String> {
    fn gather(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(set_in(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeSet::new();
    gather(&root().join("crates"), &mut found);
    found
}

/// The metrics that a source names elsewhere than in their descriptions.
fn set_in(source: &str) -> BTreeSet<String> {
    let parts: Vec<_> = source.split('"').collect();
    let is_described = |before: &str| {
        let before = before.trim_end();
        ["counter", "gauge", "histogram"].iter().any(|kind| before.ends_with(&format!("describe_{kind}!(")))
    };
    let named = parts.windows(2).filter(|pair| metrics(pair[1]).contains(pair[1]) && !is_described(pair[0]));
    named.map(|pair| pair[1].to_owned()).collect()
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/guide/operator.md")).unwrap()
}

/// The rules of alerts.
fn alerts() -> Vec<Value> {
    let file = yaml("prometheus/alerts.yaml");
    file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

/// The panels' and the variable's questions.
fn questions(dashboard: &Value) -> Vec<String> {
    let targets =
        dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut found: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    found.extend(variables.map(|variable| variable["query"].as_str().unwrap().to_owned()));
    found
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/dashboard.json")).unwrap()
}

#[test]
fn a_metrics_name_is_found_wherever_it_stands() {
    let found = metrics("sum(rate(trialbook_a_total{x=\"1\"}[5m])) / trialbook_b unless my_trialbook_c");
    assert_eq!(found, ["trialbook_a_total", "trialbook_b"].map(str::to_owned).into());
}

#[test]
fn a_metric_that_is_only_described_is_not_in_the_code() {
    let source = "describe_gauge!(\n    \"trialbook_a\", \"A\");\nset(\"trialbook_b\", 1);";
    assert_eq!(set_in(source), ["trialbook_b"].map(str::to_owned).into());
}

#[test]
fn every_metric_that_is_drawn_or_alerted_on_is_in_the_code_and_in_the_guide() {
    let (code, guide) = (in_code(), guide());
    let mut named: BTreeSet<String> =
        questions(&dashboard()).iter().flat_map(|question| metrics(question)).collect();
    assert!(named.len() >= 10, "{named:?}");
    for alert in alerts() {
        named.extend(metrics(alert["expr"].as_str().unwrap()));
    }
    for metric in named {
        assert!(code.contains(&metric), "no code has {metric}");
        assert!(guide.contains(&format!("`{metric}")), "the guide does not say what {metric} is");
    }
    assert!(!code.contains("trialbook_no_such_metric"));
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_section_in_the_guide() {
    let guide = guide();
    let alerts = alerts();
    assert!(alerts.len() >= 10);
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        assert!(!alert["annotations"]["summary"].as_str().unwrap().is_empty(), "{name}");
        let for_so_long = alert["for"].as_str().unwrap();
        assert!(for_so_long.trim_end_matches(['s', 'm']).parse::<u32>().is_ok(), "{name}: {for_so_long}");
        let anchor = alert["annotations"]["runbook"].as_str().unwrap();
        assert_eq!(anchor, format!("docs/guide/operator.md#{}", name.to_lowercase()));
        assert_eq!(guide.lines().filter(|line| *line == format!("#### {name}")).count(), 1, "{name}");
    }
    // And no section is about an alert that there is not.
    let sections = guide.lines().filter_map(|line| line.strip_prefix("#### "));
    for section in sections {
        assert!(alerts.iter().any(|alert| alert["alert"] == section), "no alert {section}");
    }
}

#[test]
fn the_dashboards_panels_have_a_title_a_meaning_and_a_place_of_their_own() {
    let dashboard = dashboard();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(
            !panel["title"].as_str().unwrap().is_empty()
                && !panel["description"].as_str().unwrap().is_empty()
        );
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < 24 && places.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
    }
    let source = yaml("grafana/provisioning/datasources/prometheus.yaml");
    assert_eq!(dashboard["panels"][0]["datasource"]["uid"], source["datasources"][0]["uid"]);
    let provider = yaml("grafana/provisioning/dashboards/trialbook.yaml");
    let dir = provider["providers"][0]["options"]["path"].as_str().unwrap().to_owned();
    let compose = yaml("compose.yaml");
    let mounted = texts(&compose["services"]["grafana"]["volumes"]).join(" ");
    assert!(mounted.contains(&format!("./grafana/dashboard.json:{dir}/")), "{mounted}");
}

#[test]
fn prometheus_asks_every_process_over_tls_with_the_token_it_is_given() {
    let (file, compose) = (yaml("prometheus/prometheus.yml"), yaml("compose.yaml"));
    let given: BTreeSet<String> = compose["services"]["prometheus"]["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| format!("/run/secrets/{}", secret["target"].as_str().unwrap()))
        .collect();
    let mut jobs = BTreeSet::new();
    for job in file["scrape_configs"].as_array().unwrap() {
        let name = job["job_name"].as_str().unwrap();
        jobs.insert(name);
        assert_eq!(job["scheme"], "https", "{name}");
        assert_eq!(job["static_configs"][0]["targets"][0], format!("{name}:7878"));
        assert_eq!(job["tls_config"]["server_name"], name);
        assert!(job["tls_config"]["insecure_skip_verify"].is_null(), "{name}");
        for path in [&job["authorization"]["credentials_file"], &job["tls_config"]["ca_file"]] {
            assert!(given.contains(path.as_str().unwrap()), "{name}: {path}");
        }
    }
    let due = ["registrar-1", "registrar-2", "notary", "outcomes", "safety", "console"];
    assert_eq!(jobs, due.into_iter().collect());
    assert_eq!(texts(&file["rule_files"]), ["/etc/prometheus/alerts.yaml"]);
}

/// Prometheus's own reading, where the machine has its tool.
#[test]
fn promtool_has_nothing_to_say_against_the_rules() {
    if !has("promtool") {
        return;
    }
    run(Command::new("promtool").args(["check", "rules"]).arg(deploy("prometheus/alerts.yaml")));
    let Some(prepared) = prepared("promtool_has_nothing_to_say_against_the_rules") else { return };
    let made = prepared.path().join("generated");
    let config = text("prometheus/prometheus.yml")
        .replace("/run/secrets/ca.crt", &format!("{}/ca/ca.crt", made.display()))
        .replace("/run/secrets/", &format!("{}/tokens/", made.display()))
        .replace("/etc/prometheus/", &format!("{}/", deploy("prometheus").display()));
    let path = prepared.path().join("prometheus.yml");
    std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), config.as_bytes()).unwrap();
    run(Command::new("promtool").args(["check", "config"]).arg(path));
    // Each panel's question is one.
    for question in questions(&dashboard()).iter().filter(|question| !question.starts_with("label_values")) {
        let question = question.replace("$trial", "t");
        let rule = format!("groups: [{{name: q, rules: [{{record: 'q:q', expr: '{question}'}}]}}]\n");
        let path = prepared.path().join("question.yaml");
        std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), rule.as_bytes()).unwrap();
        run(Command::new("promtool").args(["check", "rules"]).arg(path));
    }
}
