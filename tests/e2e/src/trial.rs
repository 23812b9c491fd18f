//! A small trial of two sites, opened by the commands its people would use.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{Run, run, run_with_input};
use crate::files::{copy_dir, write};
use crate::person::Person;

/// Holder, organisation, role, site.
const PEOPLE: [(&str, &str, &str, Option<&str>); 5] = [
    ("sponsor.one", "Sponsor", "sponsor", None),
    ("an.li", "Hospital 1", "principal_investigator", Some("S01")),
    ("bo.wang", "Hospital 1", "investigator", Some("S01")),
    ("dan.sun", "Hospital 2", "principal_investigator", Some("S02")),
    ("nan.monitor", "Trial Office", "monitor", None),
];

/// A trial `small` with the sites S01 and S02 and nobody enrolled, in a directory of its own.
///
/// `an.li` is principal investigator of S01 and `bo.wang` its investigator, `dan.sun` is principal investigator of
/// S02, `nan.monitor` a monitor, `sponsor.one` the sponsor.
#[derive(Debug)]
pub struct SmallTrial {
    dir: TempDir,
    /// The log's genesis.
    pub genesis: String,
}

impl SmallTrial {
    /// The trial's id.
    pub const ID: &str = "small";

    /// Records of the trial before anything is submitted: the opening, the receipt key, two sites, four grants.
    pub const RECORDS: u64 = 8;

    /// A trial of one's own: a copy of one that was opened once in this process.
    ///
    /// # Panics
    /// It cannot be opened.
    pub fn new() -> Self {
        static OPENED: OnceLock<SmallTrial> = OnceLock::new();
        let opened = OPENED.get_or_init(Self::open);
        let dir = tempfile::tempdir().unwrap();
        copy_dir(opened.dir.path(), dir.path());
        Self { dir, genesis: opened.genesis.clone() }
    }

    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("people")).unwrap();
        let mut trial = Self { dir, genesis: String::new() };
        for (holder, organisation, role, _) in PEOPLE {
            let key = trial.key(holder);
            let arguments = ["keys", "new", "--holder", holder, "--organisation", organisation];
            let more = ["--role", role, "--zone", "Asia/Shanghai", "--out", key.to_str().unwrap()];
            run(arguments.into_iter().chain(more)).ends_with(0);
        }
        let opening = trial.dir.path().join("opening.json");
        write(&opening, opening_statement().to_string());
        let opened = run([
            "open".as_ref(),
            opening.as_os_str(),
            "--trial".as_ref(),
            Self::ID.as_ref(),
            "--key".as_ref(),
            trial.key("sponsor.one").as_os_str(),
            "--data".as_ref(),
            trial.data().as_os_str(),
        ])
        .ends_with(0);
        let genesis = opened.out.lines().find_map(|line| line.strip_prefix("genesis "));
        genesis.unwrap().clone_into(&mut trial.genesis);
        let grant = |holder: &str, site: Option<&str>| {
            let key = trial.key(holder);
            let request = ["keys", "request", "--genesis", &trial.genesis, "--key", key.to_str().unwrap()];
            let site = site.into_iter().flat_map(|site| ["--site", site]);
            run(request.into_iter().chain(site)).ends_with(0).out
        };
        let mut by_sponsor: Vec<String> = ["S01", "S02"].map(|site| site_statement(site).to_string()).into();
        for (holder, _, role, site) in PEOPLE {
            if role != "sponsor" && role != "investigator" {
                by_sponsor.push(grant(holder, site));
            }
        }
        trial.submit("sponsor.one", &by_sponsor.join("\n")).ends_with(0);
        trial.submit("an.li", &grant("bo.wang", Some("S01"))).ends_with(0);
        trial
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The trial's directory in it.
    pub fn trial_dir(&self) -> PathBuf {
        self.data().join("trials").join(Self::ID)
    }

    /// A place for files beside the data directory.
    pub fn beside(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves everything in place, to be looked at; where it is.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    /// A person's key file.
    pub fn key(&self, holder: &str) -> PathBuf {
        self.dir.path().join("people").join(format!("{holder}.key"))
    }

    /// A person.
    pub fn person(&self, holder: &str) -> Person {
        Person::read(&self.key(holder))
    }

    /// A signed submission of a statement without texts.
    pub fn submission(&self, holder: &str, statement: &Value) -> Vec<u8> {
        self.person(holder).sign(Self::ID, &self.genesis, statement).submission()
    }

    /// Runs a command on the trial's data directory.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Run {
        let arguments = arguments.into_iter().map(OsString::from);
        run(arguments.chain(["--data".into(), self.data().into_os_string()]))
    }

    /// Runs `submit` with these statements on standard input.
    pub fn submit(&self, holder: &str, statements: &str) -> Run {
        self.submit_with(holder, statements, &[])
    }

    /// As [`SmallTrial::submit`], with options.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn submit_with(&self, holder: &str, statements: &str, options: &[&str]) -> Run {
        let (key, data) = (self.key(holder), self.data());
        let arguments = ["submit", "-", "--key", key.to_str().unwrap(), "--data", data.to_str().unwrap()];
        run_with_input(arguments.into_iter().chain(options.iter().copied()), statements.as_bytes())
    }

    /// How many records the log has, as `doctor` says.
    ///
    /// # Panics
    /// It does not say.
    pub fn records(&self) -> u64 {
        let doctor = self.run(["doctor", "--json"]).ends_with(0).json();
        doctor["trials"][0]["covers"]["records"].as_u64().unwrap()
    }
}

impl Default for SmallTrial {
    fn default() -> Self {
        Self::new()
    }
}

fn opening_statement() -> Value {
    json!({"kind": "trial_opened", "data": {
        "definitions": {
            "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
            "relapse": "relapse-1", "remission": "ccr-registry-1"
        },
        "profile": {"mandatory": {"visit": ["/pga"]}},
        "rule_set": 1,
        "schedule": [{"day": 365, "name": "M12", "window_after": 60, "window_before": 60}],
        "synthetic": true,
        "title": "SYNTHETIC: a small trial",
        "zone": "Asia/Shanghai"
    }})
}

fn site_statement(site: &str) -> Value {
    let data = json!({"country": "CN", "name": format!("Hospital {site}"), "zone": "Asia/Shanghai"});
    json!({"kind": "site_activated", "site": site, "data": data})
}
