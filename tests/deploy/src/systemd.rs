//! The units say only what systemd knows, and confine what they start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::config::known;
use crate::files::{below, deploy, has, text};

/// Every key that the units use, by section.
const KEYS: &[(&str, &[&str])] = &[
    ("Unit", &["After", "Description", "Wants"]),
    (
        "Service",
        &[
            "AmbientCapabilities",
            "BindPaths",
            "BindReadOnlyPaths",
            "CapabilityBoundingSet",
            "DynamicUser",
            "Environment",
            "EnvironmentFile",
            "ExecReload",
            "ExecStart",
            "Group",
            "KillSignal",
            "LimitNOFILE",
            "LockPersonality",
            "MemoryDenyWriteExecute",
            "MemoryHigh",
            "MemoryMax",
            "NoNewPrivileges",
            "PrivateDevices",
            "PrivateTmp",
            "ProcSubset",
            "ProtectClock",
            "ProtectControlGroups",
            "ProtectHome",
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelModules",
            "ProtectKernelTunables",
            "ProtectProc",
            "ProtectSystem",
            "RemoveIPC",
            "Restart",
            "RestartSec",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "StateDirectory",
            "StateDirectoryMode",
            "SystemCallArchitectures",
            "SystemCallErrorNumber",
            "SystemCallFilter",
            "TasksMax",
            "TimeoutStopSec",
            "Type",
            "UMask",
            "User",
        ],
    ),
    ("Install", &["WantedBy"]),
];

/// What each unit confines its process by.
const CONFINED: &[(&str, &str)] = &[
    ("CapabilityBoundingSet", ""),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("NoNewPrivileges", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectHome", "yes"),
    ("ProtectSystem", "strict"),
    ("Restart", "on-failure"),
    ("RestrictNamespaces", "yes"),
    ("StateDirectoryMode", "0700"),
    ("UMask", "0077"),
];

/// The lines of a unit: section, key, value.
fn lines(unit: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in unit.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line} is no setting"));
            found.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    found
}

/// What a unit says that there is not to say, and what it leaves open.
fn faults(unit: &str) -> Vec<String> {
    let lines = lines(unit);
    let mut faults = Vec::new();
    for (section, key, _) in &lines {
        let keys = KEYS.iter().find(|(known, _)| known == section).map_or(&[][..], |(_, keys)| keys);
        if !keys.contains(&key.as_str()) {
            faults.push(format!("[{section}] {key}"));
        }
    }
    for (key, value) in CONFINED {
        if !lines.iter().any(|(section, set, to)| section == "Service" && set == key && to == value) {
            faults.push(format!("lacks {key}={value}"));
        }
    }
    if !lines
        .iter()
        .any(|(_, key, value)| key == "User" && value != "root" || key == "DynamicUser" && value == "yes")
    {
        faults.push("runs as root".to_owned());
    }
    faults
}

#[test]
fn a_unit_that_is_misspelt_or_open_is_found() {
    let unit = text("systemd/trialbook@.service");
    assert_eq!(faults(&unit), [""; 0]);
    assert_eq!(faults(&unit.replace("RestartSec=", "RestartSecs=")), ["[Service] RestartSecs"]);
    assert_eq!(faults(&unit.replace("PrivateTmp=yes", "PrivateTmp=no")), ["lacks PrivateTmp=yes"]);
    assert_eq!(faults(&unit.replace("User=trialbook-%i", "User=root")), ["runs as root"]);
}

#[test]
fn every_unit_says_what_systemd_knows_and_is_confined() {
    let units = below("systemd", "service");
    assert_eq!(units.len(), 3);
    for unit in units {
        assert_eq!(faults(&std::fs::read_to_string(&unit).unwrap()), [""; 0], "{}", unit.display());
    }
}

/// systemd's own reading of them, and its measure of how open they are, where the machine has it.
#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for unit in below("systemd", "service") {
        // The programs are not installed here.
        let text = std::fs::read_to_string(&unit).unwrap();
        let text = text
            .replace("/usr/local/bin/trialbook", "/bin/true")
            .replace("/usr/local/bin/nats-server", "/bin/true");
        let path = dir.path().join(unit.file_name().unwrap());
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
        let said = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let name = path.file_name().unwrap().to_str().unwrap().split('@').next().unwrap().to_owned();
        let about: Vec<_> = said.lines().filter(|line| line.contains(&name)).collect();
        assert_eq!(about, [""; 0]);
    }
}

/// The variables of a process's environment file.
fn environment(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

#[test]
fn each_process_has_a_user_a_place_for_its_secrets_and_an_environment() {
    let (users, places) = (text("systemd/sysusers.conf"), text("systemd/tmpfiles.conf"));
    let mut names: BTreeSet<String> = ["nats-1", "nats-2", "nats-3"].map(str::to_owned).into();
    for config in below("config", "toml") {
        let name = config.file_stem().unwrap().to_str().unwrap().to_owned();
        let environment = environment(&deploy(&format!("systemd/env/{name}.env")));
        let command = match name.as_str() {
            "outcomes" | "safety" => format!("projector {name}"),
            name => name.trim_end_matches(['-', '1', '2']).to_owned(),
        };
        assert_eq!(environment["TRIALBOOK_COMMAND"], command, "{name}");
        // What else it sets are settings.
        let known: BTreeSet<String> =
            known().keys().map(|key| format!("TRIALBOOK_{}", key.replace('.', "_").to_uppercase())).collect();
        for variable in environment.keys().filter(|variable| *variable != "TRIALBOOK_COMMAND") {
            assert!(known.contains(variable), "{name}: {variable}");
        }
        names.insert(name);
    }
    for name in &names {
        assert!(users.contains(&format!("u trialbook-{name} - ")), "{name}");
        assert!(
            places.contains(&format!("d /etc/trialbook/secrets/{name} 0750 root trialbook-{name} -")),
            "{name}"
        );
    }
    assert_eq!(users.lines().filter(|line| line.starts_with("u ")).count(), names.len());
}

/// Where a process listens elsewhere than its file says, who asks it is told.
#[test]
fn the_console_finds_the_projectors_where_they_listen() {
    let console = environment(&deploy("systemd/env/console.env"));
    for name in ["outcomes", "safety"] {
        let listen = &environment(&deploy(&format!("systemd/env/{name}.env")))["TRIALBOOK_LISTEN"];
        let port = listen.rsplit(':').next().unwrap();
        let url = &console[&format!("TRIALBOOK_SERVICES_{}", name.to_uppercase())];
        assert_eq!(url, &format!("https://{name}:{port}"));
    }
}
