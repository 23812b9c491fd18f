//! Servers on loopback, alone or as a cluster of three, each with a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use journal_nats::{Cluster, Login, Options};

use crate::{Proxy, Raw};

/// The user whose account has the logs; its password is the same.
pub const TRIAL_USER: &str = "trial";

/// The user of the system account.
const SYSTEM_USER: &str = "system";

/// How long servers are given to come up and choose their leader.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a server may take to catch up: one that was cut off was seen to take more than a minute.
const WHOLE_PATIENCE: Duration = Duration::from_mins(4);

/// Some servers. Killed when dropped.
pub struct Servers {
    program: PathBuf,
    nodes: Vec<Node>,
    /// The way from each server to each other one, where they were asked for: by both.
    routes: BTreeMap<(usize, usize), Proxy>,
    /// Last: the servers end before their files.
    _directory: tempfile::TempDir,
}

struct Node {
    config: PathBuf,
    log: PathBuf,
    store: PathBuf,
    port: u16,
    process: Option<Process>,
}

/// A server that runs, and a shell that kills it should this process end without doing so.
struct Process {
    server: Child,
    guard: Child,
    /// The guard acts when this ends.
    _leash: ChildStdin,
}

impl Servers {
    /// Starts `count` servers, a cluster if more than one, that sync always. Waits until they can be used.
    pub fn start(program: &Path, count: usize) -> Self {
        Self::start_with(program, count, |_| "sync_interval: always".to_owned())
    }

    /// Starts three servers that reach each other through proxies, so that one can be cut off.
    pub fn start_divisible(program: &Path) -> Self {
        Self::start_as(program, 3, |_| "sync_interval: always".to_owned(), true, &[], "")
    }

    /// Starts one server with further users beside that of the logs, in its account: `users` as they stand in the
    /// server's configuration.
    pub fn start_for(program: &Path, users: &str) -> Self {
        Self::start_as(program, 1, |_| "sync_interval: always".to_owned(), false, &[], users)
    }

    /// Starts a server on each of these directories.
    pub fn start_on(program: &Path, stores: &[PathBuf]) -> Self {
        Self::start_as(program, stores.len(), |_| "sync_interval: always".to_owned(), false, stores, "")
    }

    /// As [`Servers::start`], with what else to say in the `jetstream` block of each.
    pub fn start_with(program: &Path, count: usize, jetstream: impl Fn(usize) -> String) -> Self {
        Self::start_as(program, count, jetstream, false, &[], "")
    }

    fn start_as(
        program: &Path,
        count: usize,
        jetstream: impl Fn(usize) -> String,
        is_divisible: bool,
        stores: &[PathBuf],
        users: &str,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports(count * 2);
        let (clients, routes) = ports.split_at(count);
        let mut nodes = Vec::new();
        let mut proxies = BTreeMap::new();
        for index in 0..count {
            let name = format!("n{}", index + 1);
            let dir = directory.path().join(&name);
            fs::create_dir(&dir).unwrap();
            let (config, log) = (dir.join("nats.conf"), dir.join("nats.log"));
            let store = stores.get(index).cloned().unwrap_or_else(|| dir.join("store"));
            let mut others = Vec::new();
            for other in (0..count).filter(|other| *other != index) {
                let mut port = routes[other];
                if is_divisible {
                    let proxy = Proxy::to(port);
                    port = proxy.port();
                    proxies.insert((index, other), proxy);
                }
                others.push(format!("nats://127.0.0.1:{port}"));
            }
            let mut text = format!(
                "server_name: {name}\nlisten: \"127.0.0.1:{}\"\nlog_file: \"{}\"\n\
                 jetstream {{ store_dir: \"{}\", {} }}\n\
                 accounts {{\n  SYS {{ users: [{{ user: {SYSTEM_USER}, password: {SYSTEM_USER} }}] }}\n  \
                 TRIALS {{ jetstream: enabled, users: [{{ user: {TRIAL_USER}, password: {TRIAL_USER} }}, \
                 {users}] }}\n}}\n\
                 system_account: SYS\n",
                clients[index],
                log.display(),
                store.display(),
                jetstream(index),
            );
            if count > 1 {
                // Servers tell each other where the others listen, and would find a way past the proxies.
                let elsewhere = if is_divisible { "advertise: \"127.0.0.1:1\"," } else { "" };
                text += &format!(
                    "cluster {{ name: suite, listen: \"127.0.0.1:{}\", {elsewhere} no_advertise: true, routes: [{}] }}\n",
                    routes[index],
                    others.join(", ")
                );
            }
            write(&config, &text);
            nodes.push(Node { config, log, store, port: clients[index], process: None });
        }
        let program = program.to_owned();
        let mut servers = Self { program, nodes, routes: proxies, _directory: directory };
        for index in 0..count {
            servers.start_node(index);
        }
        servers.await_usable();
        servers
    }

    /// Starts a server that does not run.
    pub fn start_node(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        assert!(node.process.is_none(), "it runs");
        let mut server = Command::new(&self.program)
            .arg("-c")
            .arg(&node.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let guard = Command::new("sh")
            .args(["-c", "cat > /dev/null; kill -9 \"$0\"", &server.id().to_string()])
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut guard) = guard else {
            server.kill().unwrap();
            panic!("no shell");
        };
        let leash = guard.stdin.take().unwrap();
        node.process = Some(Process { server, guard, _leash: leash });
    }

    /// Kills a server with SIGKILL.
    pub fn kill(&mut self, index: usize) {
        if let Some(mut process) = self.nodes[index].process.take() {
            // The guard first: it must not kill whoever gets the number next.
            process.guard.kill().unwrap();
            process.guard.wait().unwrap();
            // It may have ended by itself.
            let _ = process.server.kill();
            process.server.wait().unwrap();
        }
    }

    /// Has a server end by itself: it puts its house in order first.
    pub fn stop(&mut self, index: usize) {
        self.signal(index, "TERM");
        let process = self.nodes[index].process.as_mut().expect("it runs");
        process.server.wait().unwrap();
        self.kill(index);
    }

    /// Sends a server a signal: `STOP`, `CONT`.
    pub fn signal(&self, index: usize, signal: &str) {
        let process = self.nodes[index].process.as_ref().expect("it runs");
        let pid = process.server.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    /// Cuts a server off from the others, but not from its clients. Only for servers that are divisible.
    pub fn isolate(&self, index: usize) {
        self.routes_of(index).for_each(Proxy::cut);
    }

    /// Lets a server reach the others again.
    pub fn rejoin(&self, index: usize) {
        self.routes_of(index).for_each(Proxy::pass);
    }

    fn routes_of(&self, index: usize) -> impl Iterator<Item = &Proxy> {
        assert!(!self.routes.is_empty(), "started with start_divisible");
        self.routes
            .iter()
            .filter(move |((from, to), _)| *from == index || *to == index)
            .map(|(_, proxy)| proxy)
    }

    /// The name of the server that leads a stream.
    pub fn leader(&self, raw: &Raw, stream: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = raw.try_ask(&format!("$JS.API.STREAM.INFO.{stream}"), &serde_json::json!({}));
            if let Some(leader) = info.as_ref().and_then(|info| info["cluster"]["leader"].as_str()) {
                return leader.to_owned();
            }
            assert!(Instant::now() < deadline, "no leader: {info:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until every server that holds a stream has all of it.
    pub fn await_whole(&self, stream: &str) {
        assert!(self.is_whole_within(stream, WHOLE_PATIENCE), "a server does not catch up");
    }

    /// Whether every server that holds a stream comes to have all of it within `time`.
    pub fn is_whole_within(&self, stream: &str, time: Duration) -> bool {
        self.await_usable();
        let raw = Raw::connect(self.port(0));
        let deadline = Instant::now() + time;
        loop {
            let info = raw.try_ask(&format!("$JS.API.STREAM.INFO.{stream}"), &serde_json::json!({}));
            let cluster = info.as_ref().map(|info| &info["cluster"]);
            let followers = cluster.and_then(|cluster| cluster["replicas"].as_array()).into_iter().flatten();
            let current = followers.filter(|follower| follower["current"] == true).count();
            let has_leader = cluster.is_some_and(|cluster| cluster["leader"].is_string());
            if has_leader && current + 1 == self.count() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The block files of a stream on a server.
    pub fn blocks(&self, index: usize, stream: &str) -> Vec<PathBuf> {
        let dir = self.stream_dir(index, stream).join("msgs");
        let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "blk"));
        paths.sort();
        paths
    }

    /// Where a server keeps a stream.
    pub fn stream_dir(&self, index: usize, stream: &str) -> PathBuf {
        self.store(index).join("jetstream/TRIALS/streams").join(stream)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Where a server listens for clients.
    pub fn port(&self, index: usize) -> u16 {
        self.nodes[index].port
    }

    /// Where a server keeps its streams.
    pub fn store(&self, index: usize) -> &Path {
        &self.nodes[index].store
    }

    /// Which server has this name.
    pub fn index_of(&self, name: &str) -> usize {
        let number: usize =
            name.strip_prefix('n').and_then(|number| number.parse().ok()).expect("n1, n2, n3");
        number - 1
    }

    /// A way to all servers, with proof.
    pub fn options(&self) -> Options {
        let ports: Vec<u16> = self.nodes.iter().map(|node| node.port).collect();
        Self::options_by(&ports)
    }

    /// A way to what listens on these ports.
    pub fn options_by(ports: &[u16]) -> Options {
        let login = |user: &str| Login::Password { user: user.into(), password: user.into() };
        let servers = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        Options::new(servers, login(TRIAL_USER), Some(login(SYSTEM_USER)))
    }

    /// A connection to all servers.
    pub fn connect(&self) -> Arc<Cluster> {
        Cluster::connect(&self.options()).unwrap()
    }

    /// What a server has logged.
    pub fn log(&self, index: usize) -> String {
        fs::read_to_string(&self.nodes[index].log).unwrap_or_default()
    }

    /// Waits until every server takes connections and, in a cluster, has heard of a leader for all of them.
    pub fn await_usable(&self) {
        let deadline = Instant::now() + PATIENCE;
        let is_usable = |node: &Node| {
            let log = fs::read_to_string(&node.log).unwrap_or_default();
            let has_leader = log.contains("cluster new metadata leader")
                || log.contains("new JetStream cluster metadata leader");
            TcpStream::connect(("127.0.0.1", node.port)).is_ok() && (self.nodes.len() == 1 || has_leader)
        };
        for (index, node) in self.nodes.iter().enumerate() {
            while !is_usable(node) {
                assert!(Instant::now() < deadline, "server {index} does not come up:\n{}", self.log(index));
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            self.kill(index);
        }
    }
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Writes a file of a directory that is thrown away.
#[expect(clippy::disallowed_methods, reason = "nothing of it need outlive the test")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
