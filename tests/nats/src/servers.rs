//! Servers on loopback, alone or as a cluster of three, each with a directory of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use journal_nats::{Cluster, Login, Options};

/// The user whose account has the logs; its password is the same.
pub const TRIAL_USER: &str = "trial";

/// The user of the system account.
const SYSTEM_USER: &str = "system";

/// How long servers are given to come up and choose their leader.
const PATIENCE: Duration = Duration::from_mins(1);

/// Some servers. Killed when dropped.
pub struct Servers {
    program: PathBuf,
    nodes: Vec<Node>,
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

    /// As [`Servers::start`], with what else to say in the `jetstream` block of each.
    pub fn start_with(program: &Path, count: usize, jetstream: impl Fn(usize) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports(count * 2);
        let (clients, routes) = ports.split_at(count);
        let mut nodes = Vec::new();
        for index in 0..count {
            let name = format!("n{}", index + 1);
            let dir = directory.path().join(&name);
            fs::create_dir(&dir).unwrap();
            let (config, log, store) = (dir.join("nats.conf"), dir.join("nats.log"), dir.join("store"));
            let others: Vec<String> = (0..count)
                .filter(|other| *other != index)
                .map(|other| format!("nats://127.0.0.1:{}", routes[other]))
                .collect();
            let mut text = format!(
                "server_name: {name}\nlisten: \"127.0.0.1:{}\"\nlog_file: \"{}\"\n\
                 jetstream {{ store_dir: \"{}\", {} }}\n\
                 accounts {{\n  SYS {{ users: [{{ user: {SYSTEM_USER}, password: {SYSTEM_USER} }}] }}\n  \
                 TRIALS {{ jetstream: enabled, users: [{{ user: {TRIAL_USER}, password: {TRIAL_USER} }}] }}\n}}\n\
                 system_account: SYS\n",
                clients[index],
                log.display(),
                store.display(),
                jetstream(index),
            );
            if count > 1 {
                text += &format!(
                    "cluster {{ name: suite, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
                    routes[index],
                    others.join(", ")
                );
            }
            write(&config, &text);
            nodes.push(Node { config, log, store, port: clients[index], process: None });
        }
        let mut servers = Self { program: program.to_owned(), nodes, _directory: directory };
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
            process.server.kill().unwrap();
            process.server.wait().unwrap();
        }
    }

    /// Sends a server a signal: `STOP`, `CONT`.
    pub fn signal(&self, index: usize, signal: &str) {
        let process = self.nodes[index].process.as_ref().expect("it runs");
        let pid = process.server.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
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
