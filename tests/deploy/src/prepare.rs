//! What prepare.sh makes is good, is nobody else's to read, and stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{prepare, prepared, run};

/// Every file below `dir`, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn run_again_it_keeps_what_is_there_and_makes_what_is_missing() {
    let Some(prepared) = prepared("run_again_it_keeps_what_is_there_and_makes_what_is_missing") else {
        return;
    };
    let made = prepared.path().join("generated");
    let first = files(&made);
    run(&mut prepare(prepared.path()));
    assert_eq!(files(&made), first);
    for kind in ["seed", "public"] {
        fs::remove_file(made.join(format!("nkeys/registrar-1.{kind}"))).unwrap();
    }
    run(&mut prepare(prepared.path()));
    let second = files(&made);
    let changed: Vec<_> = first.iter().filter(|(path, bytes)| second.get(*path) != Some(bytes)).collect();
    let names: Vec<_> = changed.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["keys.conf", "registrar-1.public", "registrar-1.seed"]);
}

#[test]
fn what_is_secret_nobody_else_can_read() {
    let Some(prepared) = prepared("what_is_secret_nobody_else_can_read") else { return };
    let made = files(&prepared.path().join("generated"));
    assert!(made.len() > 40, "{}", made.len());
    for path in made.keys() {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        // Prometheus and Grafana are in the owner's group and read these.
        let is_shared =
            path.ends_with("ca.crt") || path.ends_with("grafana-password") || extension == "token";
        assert_eq!(mode, if is_shared { 0o640 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn a_certificate_is_the_authoritys_and_for_its_names_alone() {
    let Some(prepared) = prepared("a_certificate_is_the_authoritys_and_for_its_names_alone") else { return };
    let made = prepared.path().join("generated");
    let verify = |name: &str, host: &str| {
        let mut command = Command::new("openssl");
        command.arg("verify").arg("-x509_strict").arg("-CAfile").arg(made.join("ca/ca.crt"));
        command.args(["-purpose", "sslserver", "-verify_hostname", host]);
        command.arg(made.join(format!("tls/{name}.crt"))).output().unwrap().status.success()
    };
    for name in ["nats-1", "registrar-2", "notary", "console", "witness"] {
        assert!(verify(name, name), "{name}");
        assert!(!verify(name, "elsewhere.example"), "{name}");
    }
    assert!(verify("console", "registry.example") && !verify("notary", "registry.example"));
}

#[test]
fn a_site_whose_keys_are_deleted_is_shut_out_and_a_name_that_is_none_is_refused() {
    let test = "a_site_whose_keys_are_deleted_is_shut_out_and_a_name_that_is_none_is_refused";
    let Some(prepared) = prepared(test) else { return };
    let sites = || fs::read_to_string(prepared.path().join("generated/nats/sites.conf")).unwrap();
    assert!(sites().contains("trialbook.lupus-msct.submit.CN-NJ"));
    for kind in ["seed", "public"] {
        fs::remove_file(prepared.path().join(format!("generated/nkeys/site.lupus-msct.CN-NJ.{kind}")))
            .unwrap();
    }
    run(&mut prepare(prepared.path()));
    assert!(!sites().contains("submit"), "{}", sites());
    // What would reach more than one subject, or another file.
    for (trial, site) in
        [("*", "CN-NJ"), ("lupus-msct", ">"), ("a.b", "S"), ("lupus-msct", "../S"), ("", "S")]
    {
        let refused = prepare(prepared.path()).args(["site", trial, site]).output().unwrap();
        assert!(!refused.status.success(), "{trial} {site}");
    }
    assert!(!prepare(prepared.path()).args(["--name", "nobody=x"]).output().unwrap().status.success());
}
