//! The composition refers to nothing that is not there, and lets nothing do more than it must.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{deploy, is_pinned, members, prepared, text, texts, yaml};

/// The faults of one service as such.
fn faults(name: &str, service: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{name}: {what}"));
        }
    };
    let user = service["user"].as_str().unwrap_or("0");
    must(user.split(':').next().is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "runs as root");
    must(service["privileged"].is_null() && service["cap_add"].is_null(), "has privileges");
    must(service["network_mode"].is_null() && service["pid"].is_null(), "is not by itself");
    must(service["read_only"] == true, "writes to its image");
    must(texts(&service["cap_drop"]) == ["ALL"], "keeps capabilities");
    must(texts(&service["security_opt"]).contains(&"no-new-privileges:true"), "may gain privileges");
    must(service["restart"] == "unless-stopped", "stays down");
    must(service["image"].as_str().is_some_and(is_pinned), "its image may change");
    must(service["deploy"]["resources"]["limits"]["memory"].is_string(), "has no limit of memory");
    let is_checked = service["healthcheck"]["test"]
        .as_array()
        .is_some_and(|test| test.first().is_some_and(|how| how == "CMD"));
    must(is_checked, "nobody asks whether it is well");
    faults
}

#[test]
fn a_service_that_may_do_more_than_it_must_is_found() {
    let good = serde_json::json!({
        "user": "65532:65532", "read_only": true, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped", "image": "a:1.2.3", "deploy": {"resources": {"limits": {"memory": "1G"}}},
        "healthcheck": {"test": ["CMD", "x"]},
    });
    assert_eq!(faults("x", &good), [""; 0]);
    for (key, value) in [
        ("user", serde_json::json!("0:0")),
        ("user", serde_json::json!("root")),
        ("user", Value::Null),
        ("privileged", serde_json::json!(true)),
        ("cap_add", serde_json::json!(["NET_ADMIN"])),
        ("network_mode", serde_json::json!("host")),
        ("read_only", serde_json::json!(false)),
        ("cap_drop", serde_json::json!([])),
        ("security_opt", Value::Null),
        ("restart", serde_json::json!("no")),
        ("image", serde_json::json!("a:latest")),
        ("deploy", Value::Null),
        ("healthcheck", Value::Null),
        ("healthcheck", serde_json::json!({"disable": true})),
    ] {
        let mut service = good.clone();
        service[key] = value;
        assert_eq!(faults("x", &service).len(), 1, "{key}");
    }
}

#[test]
fn every_service_is_confined_and_asked_whether_it_is_well() {
    let compose = yaml("compose.yaml");
    let found: Vec<_> =
        members(&compose["services"]).flat_map(|(name, service)| faults(name, service)).collect();
    assert_eq!(found, [""; 0]);
    let names: BTreeSet<_> = members(&compose["services"]).map(|(name, _)| name).collect();
    let due = [
        "nats-1",
        "nats-2",
        "nats-3",
        "registrar-1",
        "registrar-2",
        "notary",
        "outcomes",
        "safety",
        "console",
        "witness",
        "prometheus",
        "grafana",
    ];
    assert_eq!(names, due.into_iter().collect());
}

#[test]
fn what_a_service_refers_to_is_there() {
    let compose = yaml("compose.yaml");
    let Some(prepared) = prepared("what_a_service_refers_to_is_there") else { return };
    let mut used = BTreeSet::new();
    for (name, service) in members(&compose["services"]) {
        for volume in texts(&service["volumes"]) {
            let (source, target) = volume.split_once(':').unwrap();
            if let Some(path) = source.strip_prefix("./") {
                let is_there = deploy(path).exists() || prepared.path().join(path).exists();
                assert!(is_there, "{name}: {source}");
                assert!(target.ends_with(":ro"), "{name} may write to {source}");
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name}: volume {source}");
                used.insert(format!("volume {source}"));
            }
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            let source = secret["source"].as_str().unwrap();
            assert!(compose["secrets"].get(source).is_some(), "{name}: secret {source}");
            used.insert(format!("secret {source}"));
        }
        for network in texts(&service["networks"]) {
            assert!(compose["networks"].get(network).is_some(), "{name}: network {network}");
            used.insert(format!("network {network}"));
        }
        for (other, _) in members(&service["depends_on"]) {
            let on = &compose["services"][other];
            assert!(!on["healthcheck"].is_null(), "{name} waits for the health of {other}");
            assert!(on["profiles"].is_null() || on["profiles"] == service["profiles"], "{name}: {other}");
        }
    }
    for (kind, declared) in [("volume", "volumes"), ("secret", "secrets"), ("network", "networks")] {
        for (name, _) in members(&compose[declared]) {
            assert!(used.contains(&format!("{kind} {name}")), "nobody uses the {kind} {name}");
        }
    }
}

#[test]
fn every_secret_is_a_file_that_is_made_and_goes_to_those_it_is_of() {
    let compose = yaml("compose.yaml");
    let Some(prepared) = prepared("every_secret_is_a_file_that_is_made_and_goes_to_those_it_is_of") else {
        return;
    };
    for (name, secret) in members(&compose["secrets"]) {
        let path = secret["file"].as_str().unwrap().strip_prefix("./").unwrap();
        assert!(prepared.path().join(path).is_file(), "prepare.sh makes no {path} for {name}");
    }
    for (name, service) in members(&compose["services"]) {
        for secret in service["secrets"].as_array().into_iter().flatten() {
            let source = secret["source"].as_str().unwrap();
            let is_own = source.starts_with(&format!("{name}."));
            let kind = source.rsplit('.').next().unwrap();
            let is_of_another = ["key", "seed"].contains(&kind) && source != "system.seed";
            assert!(is_own || !is_of_another, "{name} is given {source}");
        }
    }
    // The way in that is for two people together is mounted nowhere.
    assert!(!text("compose.yaml").contains("break-glass"));
}

#[test]
fn who_is_not_on_the_log_cannot_reach_its_servers_and_nothing_is_published_but_the_pages() {
    let compose = yaml("compose.yaml");
    for (name, service) in members(&compose["services"]) {
        let on_log = texts(&service["networks"]).contains(&"log");
        let due = !["console", "witness", "prometheus", "grafana"].contains(&name);
        assert_eq!(on_log, due, "{name}");
        let ports = texts(&service["ports"]);
        match name {
            "console" => assert_eq!(ports, ["443:7878"]),
            "grafana" => assert_eq!(ports, ["127.0.0.1:3000:3000"]),
            _ => assert_eq!(ports, [""; 0], "{name}"),
        }
    }
    assert_eq!(compose["networks"]["log"]["internal"], true);
    assert_eq!(compose["networks"]["services"]["internal"], true);
}

#[test]
fn each_process_runs_its_own_command_by_its_own_configuration() {
    let compose = yaml("compose.yaml");
    for (name, command) in [
        ("registrar-1", vec!["registrar"]),
        ("registrar-2", vec!["registrar"]),
        ("notary", vec!["notary"]),
        ("outcomes", vec!["projector", "outcomes"]),
        ("safety", vec!["projector", "safety"]),
        ("console", vec!["console"]),
        ("witness", vec!["witness"]),
    ] {
        let service = &compose["services"][name];
        let due = [command, vec!["--config", "/etc/trialbook/trialbook.toml"]].concat();
        assert_eq!(texts(&service["command"]), due);
        let mounted = format!("./config/{name}.toml:/etc/trialbook/trialbook.toml:ro");
        assert!(texts(&service["volumes"]).contains(&&*mounted), "{name}");
        assert_eq!(service["hostname"], name);
    }
}

/// The images are built in stages, and the last word of each is a user that is not root.
#[test]
fn the_images_end_with_a_user_who_is_not_root_and_start_from_named_versions() {
    let file = text("Dockerfile");
    let mut stages: Vec<(&str, &str, Option<&str>)> = Vec::new();
    for line in file.lines().map(str::trim) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["FROM", image, "AS", stage] => stages.push((stage, image, None)),
            ["USER", user] => stages.last_mut().unwrap().2 = Some(user),
            _ => {}
        }
    }
    let names: Vec<_> = stages.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["build", "nats", "trialbook"]);
    for (name, image, user) in stages {
        // Given by name when the image is built; see the file.
        assert!(image == "${RUNTIME}" || is_pinned(image), "{image}");
        assert!(name == "build" || user == Some("65532:65532"), "{name}");
    }
    let compose = yaml("compose.yaml");
    for (name, service) in members(&compose["services"]) {
        if let Some(target) = service["build"]["target"].as_str() {
            assert!(names.contains(&target), "{name}: {target}");
            assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile");
        }
    }
    // The version that is proven before the first write, and the compiler that the workspace asks for.
    assert!(file.contains("FROM nats:2.15.1-alpine"));
    let manifest = std::fs::read_to_string(crate::files::root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("rust-version = \"1.92\"") && file.contains("FROM rust:1.92."));
}

#[test]
fn no_secret_gets_into_an_image_or_into_git() {
    let ignored = std::fs::read_to_string(crate::files::root().join(".dockerignore")).unwrap();
    let untracked = std::fs::read_to_string(crate::files::root().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "deploy/generated"));
    assert!(untracked.lines().any(|line| line == "/deploy/generated"));
    for data in ["target", ".git", "trialbook-data"] {
        assert!(ignored.lines().any(|line| line == data), "{data}");
    }
}
