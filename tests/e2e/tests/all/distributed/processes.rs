//! A registry of processes on real servers: started, killed, stopped, and where each of its files is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::{Http, Reply, Run, Server, SmallTrial, copy_dir, run, write};
use nats_suite::Servers;
use serde_json::Value;
use tempfile::TempDir;

use super::event_id;
use crate::evidence::text;
use crate::statements::with_subject;

/// How long anything that is waited for may take: a server that was cut off takes its time, on a busy machine more.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// The processes and the commands they are started by; the console last, since it asks the others.
const PROCESSES: [(&str, &[&str]); 6] = [
    ("registrar-1", &["registrar"]),
    ("registrar-2", &["registrar"]),
    ("notary", &["notary"]),
    ("outcomes", &["projector", "outcomes"]),
    ("safety", &["projector", "safety"]),
    ("console", &["console"]),
];

/// Servers and processes on them. What runs is killed when dropped.
pub(super) struct Registry {
    running: BTreeMap<&'static str, Server>,
    /// Where each has listened from its first start on.
    addresses: BTreeMap<&'static str, String>,
    pub(super) servers: Servers,
    /// Whether the servers are not asked to prove that they sync.
    is_for_play: bool,
    dir: TempDir,
}

impl Registry {
    /// On these servers; no process yet.
    pub(super) fn new(servers: Servers) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (running, addresses) = (BTreeMap::new(), BTreeMap::new());
        let registry = Self { running, addresses, servers, is_for_play: false, dir };
        write(&registry.path("nats.toml"), registry.nats());
        registry
    }

    /// On these servers, which are not asked to prove that they sync.
    pub(super) fn for_play(servers: Servers) -> Self {
        let registry = Self { is_for_play: true, ..Self::new(servers) };
        write(&registry.path("nats.toml"), registry.nats());
        registry
    }

    /// On these servers the trial with a subject, brought there from files, and its keys at each process; none runs yet.
    pub(super) fn moved(servers: Servers) -> (SmallTrial, Self) {
        let (trial, registry) = (with_subject(), Self::new(servers));
        registry.take_over(&trial);
        (trial, registry)
    }

    /// Brings a trial here from files, and its keys to each process.
    pub(super) fn take_over(&self, trial: &SmallTrial) {
        self.migrate(text(&trial.data()), &self.url()).ends_with(0);
        self.carry_keys(trial);
    }

    /// From now on everything is on other servers, of which there is nothing yet. Nothing runs.
    pub(super) fn go_to(&mut self, servers: Servers) {
        assert!(self.running.is_empty(), "they would write to servers that are gone");
        self.servers = servers;
        write(&self.path("nats.toml"), self.nats());
    }

    /// A place for files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The addresses of the servers, with commas between them.
    pub(super) fn url(&self) -> String {
        let addresses = (0..self.servers.count()).map(|index| self.servers.port(index));
        addresses.map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    fn nats(&self) -> String {
        let (urls, replicas) = (self.url().replace(',', "\", \""), self.servers.count());
        let play = self.is_for_play;
        format!(
            "[nats]\nservers = [\"{urls}\"]\nreplicas = {replicas}\nplay = {play}\nuser = \"trial\"\n\
             password = \"trial\"\nsubmit = true\n[nats.system]\nuser = \"system\"\npassword = \"system\"\n"
        )
    }

    /// `trialbook migrate`.
    pub(super) fn migrate(&self, from: &str, to: &str) -> Run {
        self.command(&["migrate", "--from", from, "--to", to])
    }

    /// A command that works on the servers.
    pub(super) fn command(&self, arguments: &[&str]) -> Run {
        let (config, data) = (self.path("nats.toml"), self.path("operator"));
        run([arguments, &["--config", text(&config), "--data", text(&data)]].concat())
    }

    /// Gives each process the keys of a trial that was served from files.
    pub(super) fn carry_keys(&self, trial: &SmallTrial) {
        for (name, _) in PROCESSES {
            copy_keys(&trial.data(), &self.path(name));
        }
    }

    /// Starts every process.
    pub(super) fn start_all(&mut self) {
        for (name, _) in PROCESSES {
            self.start(name);
        }
    }

    /// Starts a process, where it listened before.
    pub(super) fn start(&mut self, name: &'static str) {
        let mut config = format!("data = \"{}\"\n", self.path(name).display());
        let listen = self
            .addresses
            .get(name)
            .map_or("127.0.0.1:0", |address| address.strip_prefix("http://").expect("it speaks plain HTTP"));
        writeln!(config, "listen = \"{listen}\"").unwrap();
        let address = |of: &str| self.addresses.get(of).cloned().unwrap_or_default();
        match name {
            "console" => {
                config += "[services]\n";
                writeln!(config, "registrar = \"{}\"", address("registrar-1")).unwrap();
                for of in ["notary", "outcomes", "safety"] {
                    writeln!(config, "{of} = \"{}\"", address(of)).unwrap();
                }
            }
            "registrar-2" => {
                config += &self.nats();
                writeln!(config, "[services]\nregistrar = \"{}\"", address("registrar-1")).unwrap();
            }
            _ => config += &self.nats(),
        }
        let path = self.path(&format!("{name}.toml"));
        write(&path, config);
        let (_, command) = PROCESSES.into_iter().find(|(known, _)| *known == name).unwrap();
        let arguments = [command, &["--config", text(&path)]].concat();
        let started = Server::run(&arguments, &self.path(&format!("{name}.log")));
        let server = started.map_err(|error| format!("{name}: {error}\n{}", self.log(name))).unwrap();
        self.addresses.insert(name, server.address.clone());
        self.running.insert(name, server);
    }

    /// Kills a process with SIGKILL.
    pub(super) fn kill(&mut self, name: &str) {
        self.running.remove(name).expect("it runs").kill();
    }

    /// Stops a process. It ends with status 0.
    pub(super) fn stop(&mut self, name: &str) {
        let status = self.running.remove(name).expect("it runs").stop();
        assert_eq!(status, 0, "{name}\n{}", self.log(name));
    }

    /// Stops every process as whoever runs it would: the console first. Each ends with status 0.
    pub(super) fn stop_all(&mut self) {
        for (name, _) in PROCESSES.into_iter().rev() {
            if self.running.contains_key(name) {
                self.stop(name);
            }
        }
    }

    /// What a process has said on standard error.
    pub(super) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// A process that runs.
    pub(super) fn http(&self, name: &str) -> &Server {
        &self.running[name]
    }

    /// Where a process listens.
    pub(super) fn address(&self, name: &str) -> String {
        self.addresses[name].clone()
    }

    /// Waits until what the console answers covers `size` records.
    pub(super) fn covering(&self, size: u64) {
        for kind in ["outcomes", "safety"] {
            report_of(self.http("console"), kind, size);
        }
        let is_sealed = |answer: &Value| answer["checkpoint"]["size"].as_u64() >= Some(size);
        awaited(self.http("console"), "/v1/trials/small/log", is_sealed);
    }
}

/// How many of these events are not in a log of `size` records, and how many more than once.
pub(super) fn lost_and_doubled(http: &Http, size: u64, submissions: &[Vec<u8>]) -> (usize, usize) {
    awaited(http, "/v1/trials/small", |answer| answer["covers"]["records"] == size);
    let mut times = BTreeMap::<String, usize>::new();
    for (_, record) in http.events("/v1/trials/small/feed", &[], usize::try_from(size).unwrap()) {
        *times.entry(event_id(record.as_bytes())).or_default() += 1;
    }
    let found = |one: &Vec<u8>| times.get(&event_id(one)).copied().unwrap_or_default();
    let lost = submissions.iter().filter(|one| found(one) == 0).count();
    (lost, submissions.iter().filter(|one| found(one) > 1).count())
}

/// Copies the registry's own keys from one data directory to another.
pub(super) fn copy_keys(from: &Path, to: &Path) {
    copy_dir(&from.join("keys"), &to.join("keys"));
}

/// Head and root as `migrate`, `backup` and `restore` print them.
pub(super) fn head_and_root(said: &str) -> (String, String) {
    let word = |after: &str| {
        let (_, rest) = said.split_once(after).unwrap();
        rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>()
    };
    (word("head "), word("root "))
}

/// The bytes of a report once it covers `size` records, without what is said about it.
pub(super) fn report_of(http: &Http, kind: &str, size: u64) -> String {
    let path = format!("/v1/trials/small/reports/{kind}?cutoff=2022-12-31");
    let reply = awaited(http, &path, |answer| answer["covers"]["records"] == size);
    reply.text().split_once("\"report\":").unwrap().1.to_owned()
}

/// What `path` answers once it is answered as it is to be.
pub(super) fn awaited(http: &Http, path: &str, is_due: impl Fn(&Value) -> bool) -> Reply {
    let begun = Instant::now();
    loop {
        let reply = http.try_get(path);
        match &reply {
            Ok(reply) if reply.status == 200 && is_due(&reply.json()) => return reply.clone(),
            _ => assert!(begun.elapsed() < PATIENCE, "{path}: {reply:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
