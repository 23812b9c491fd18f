//! The servers of the log read their configuration, find each other by it, and let each do what it may and no more.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::files::{below, deploy, nats_server, prepare, prepared, run, text};

/// How long servers are given to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The servers' files beside what prepare.sh has made, as they lie in a container, with each text of `changes` put in the
/// place of another; all of them must be there. Returns the directory of the files.
fn lay_out(prepared: &Path, changes: &[(&str, String)]) -> PathBuf {
    let dir = prepared.join("nats");
    fs::create_dir_all(&dir).unwrap();
    let mut met = vec![false; changes.len()];
    for file in below("nats", "conf") {
        let mut text = fs::read_to_string(&file).unwrap();
        for ((from, to), met) in changes.iter().zip(&mut met) {
            *met |= text.contains(from);
            text = text.replace(from, to);
        }
        write(&dir.join(file.file_name().unwrap()), &text);
    }
    assert!(met.iter().all(|met| *met), "{changes:?}: {met:?}");
    dir
}

fn write(path: &Path, text: &str) {
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Where the files of server `name` are here, instead of in its container.
fn places(prepared: &Path, name: &str) -> Vec<(&'static str, String)> {
    let made = prepared.join("generated");
    vec![
        ("/run/secrets/tls.", format!("{}/tls/{name}.", made.display())),
        ("/run/secrets/ca.crt", format!("{}/ca/ca.crt", made.display())),
        ("\"/data\"", format!("\"{}\"", prepared.join(format!("data-{name}")).display())),
    ]
}

#[test]
fn each_server_reads_its_configuration() {
    let Some(program) = nats_server("each_server_reads_its_configuration") else { return };
    for name in ["nats-1", "nats-2", "nats-3"] {
        let Some(prepared) = prepared("each_server_reads_its_configuration") else { return };
        let dir = lay_out(prepared.path(), &places(prepared.path(), name));
        let said = run(Command::new(&program).arg("-t").arg("-c").arg(dir.join(format!("{name}.conf"))));
        assert!(said.contains("is valid"), "{said}");
        assert!(text(&format!("nats/{name}.conf")).contains(&format!("server_name: {name}\n")));
        // And a setting that there is not would be noticed.
        let wrong = dir.join("wrong.conf");
        write(&wrong, &format!("{}\nno_such_setting: 1\n", text(&format!("nats/{name}.conf"))));
        assert!(!Command::new(&program).arg("-t").arg("-c").arg(wrong).output().unwrap().status.success());
    }
}

/// What must not be changed unnoticed, also where there is no server to read it.
#[test]
fn the_servers_sync_always_and_tell_others_nothing() {
    let conf = text("nats/nats.conf");
    for due in ["sync_interval: always", "http: \"127.0.0.1:8222\"", "verify: true", "min_version: \"1.2\""] {
        assert!(conf.contains(due), "{due}");
    }
    for server in ["nats-1", "nats-2", "nats-3"] {
        assert!(conf.contains(&format!("\"tls://{server}:6222\"")), "{server}");
    }
    let accounts = text("nats/accounts.conf");
    assert!(!conf.contains("no_auth_user") && !accounts.contains("no_auth_user"));
    assert!(!accounts.contains("password"), "secrets of clients do not stand on the servers");
    assert!(deploy("nats/accounts.conf").is_file());
}

/// A running server; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(program: &Path, config: &Path) -> Server {
    let child =
        Command::new(program).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Server(child.unwrap())
}

/// Ports that nobody uses just now.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    // All at once, or one could be given twice.
    let held = std::array::from_fn::<_, COUNT, _>(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// Asks until `answer` has one.
fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "{what} in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What the monitoring port at 127.0.0.1 answers.
fn monitored(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn three_servers_find_each_other_by_their_certificates_and_sync_always() {
    let test = "three_servers_find_each_other_by_their_certificates_and_sync_always";
    let Some(program) = nats_server(test) else { return };
    let ports = free_ports::<9>();
    let Some(prepared) = prepared("three_servers_find_each_other_by_their_certificates_and_sync_always")
    else {
        return;
    };
    let mut servers = Vec::new();
    for index in 0..3 {
        let name = format!("nats-{}", index + 1);
        let mut changes = places(prepared.path(), &name);
        changes.push(("0.0.0.0:4222", format!("127.0.0.1:{}", ports[index])));
        changes.push(("0.0.0.0:6222", format!("127.0.0.1:{}", ports[3 + index])));
        changes.push(("127.0.0.1:8222", format!("127.0.0.1:{}", ports[6 + index])));
        for (other, route) in ["nats-1:6222", "nats-2:6222", "nats-3:6222"].into_iter().zip(&ports[3..6]) {
            changes.push((other, format!("127.0.0.1:{route}")));
        }
        let config = lay_out(prepared.path(), &changes).join(format!("{name}.conf"));
        servers.push(start(&program, &config));
        // The next server's files take the place of these.
        wait_for("a server", || monitored(ports[6 + index], "/varz"));
    }
    for port in &ports[6..] {
        let found = wait_for("a cluster with a leader", || {
            let found = monitored(*port, "/jsz")?;
            let has_all =
                found["meta_cluster"]["cluster_size"] == 3 && !found["meta_cluster"]["leader"].is_null();
            has_all.then_some(found)
        });
        assert_eq!(found["config"]["sync_always"], true, "{found}");
    }
}

/// A client that knows as much of the protocol as is needed to be told what it may do.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Shows the server the nkey whose seed prepare.sh wrote for `name`; the error is the server's.
    fn connect(port: u16, prepared: &Path, name: &str) -> Result<Self, String> {
        let seed = fs::read_to_string(prepared.join(format!("generated/nkeys/{name}.seed"))).unwrap();
        let public = fs::read_to_string(prepared.join(format!("generated/nkeys/{name}.public"))).unwrap();
        let bytes = base32(&seed);
        let (bytes, sum) = bytes.split_at(34);
        assert_eq!(crc16(bytes).to_le_bytes(), sum, "{name}");
        let key = SigningKey::from_bytes(bytes[2..].try_into().unwrap());
        assert_eq!(&base32(&public)[1..33], key.verifying_key().as_bytes(), "{name}");
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        let info: Value = serde_json::from_str(client.line().strip_prefix("INFO ").unwrap()).unwrap();
        let signature = key.sign(info["nonce"].as_str().unwrap().as_bytes());
        let hello = json!({
            "verbose": false, "pedantic": false, "tls_required": false, "lang": "test", "version": "1", "protocol": 1,
            "headers": true, "no_responders": true, "nkey": public, "sig": URL_SAFE_NO_PAD.encode(signature.to_bytes()),
        });
        client.send(&format!("CONNECT {hello}\r\n"));
        let said = client.said();
        if said.is_empty() { Ok(client) } else { Err(said.join("\n")) }
    }

    fn send(&mut self, text: &str) {
        // A server that has said goodbye hears no more; what it said is read.
        drop(self.stream.get_mut().write_all(text.as_bytes()));
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        drop(self.stream.read_line(&mut line));
        line.trim_end().to_owned()
    }

    /// What the server has said up to the answer to a question that is asked now.
    fn said(&mut self) -> Vec<String> {
        self.send("PING\r\n");
        let mut said = Vec::new();
        loop {
            let line = self.line();
            match line.as_str() {
                // Nothing: the connection is closed.
                "PONG" | "" => return said,
                "PING" => self.send("PONG\r\n"),
                _ if line.starts_with("INFO ") => {}
                _ => said.push(line),
            }
        }
    }

    /// Whether the server lets the client publish on `subject`.
    fn may_publish(&mut self, subject: &str) -> bool {
        self.send(&format!("PUB {subject} 2\r\n{{}}\r\n"));
        !self.said().iter().any(|line| line.contains("Permissions Violation for Publish"))
    }

    /// Whether the server lets the client subscribe to `subject`.
    fn may_subscribe(&mut self, subject: &str) -> bool {
        self.send(&format!("SUB {subject} 9\r\nUNSUB 9\r\n"));
        !self.said().iter().any(|line| line.contains("Permissions Violation for Subscription"))
    }

    /// The next message: its subject, where its answer is to go, and its body.
    fn message(&mut self) -> (String, String, String) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the server has closed the connection");
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let number = |index: usize| words[words.len() - index].parse::<usize>().unwrap();
            let (headers, bytes) = match words[0].as_str() {
                "MSG" => (0, number(1)),
                "HMSG" => (number(2), number(1)),
                _ => continue,
            };
            let mut message = vec![0; bytes + 2];
            self.stream.read_exact(&mut message).unwrap();
            let body = String::from_utf8(message[headers..bytes].to_vec()).unwrap();
            return (words[1].clone(), words[3].clone(), body);
        }
    }
}

/// Base32 (RFC 4648) without padding.
fn base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
        held = held << 5 | u32::try_from(value).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    bytes
}

/// The checksum at the end of an nkey.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 },
        )
    })
}

/// One server with the accounts of `deploy/`, without TLS: what it lets whom do does not depend on it.
fn accounts_alone(program: &Path, prepared: &Path) -> (Server, u16) {
    let dir = lay_out(prepared, &[]);
    let [port, monitor] = free_ports();
    let config = dir.join("alone.conf");
    write(
        &config,
        &format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\ninclude \"accounts.conf\"\n",
            prepared.join("data").display()
        ),
    );
    let server = start(program, &config);
    wait_for("a server", || monitored(monitor, "/healthz").filter(|health| health["status"] == "ok"));
    (server, port)
}

#[test]
fn each_may_do_on_the_servers_what_its_role_needs_and_no_more() {
    let test = "each_may_do_on_the_servers_what_its_role_needs_and_no_more";
    let Some(program) = nats_server(test) else { return };
    let Some(prepared) = prepared("each_may_do_on_the_servers_what_its_role_needs_and_no_more") else {
        return;
    };
    let (_server, port) = accounts_alone(&program, prepared.path());
    let reading = [
        "$JS.API.STREAM.INFO.s",
        "$JS.API.STREAM.NAMES",
        "$JS.API.DIRECT.GET.s",
        "$JS.API.STREAM.MSG.GET.s",
        "$JS.API.CONSUMER.CREATE.s",
        "$JS.API.CONSUMER.MSG.NEXT.s.c",
        "$JS.API.CONSUMER.DELETE.s.c",
    ];
    let writing = ["trialbook.t.log", "trialbook.t.head", "$JS.API.STREAM.CREATE.s"];
    let never = [
        "$JS.API.STREAM.DELETE.s",
        "$JS.API.STREAM.PURGE.s",
        "$JS.API.STREAM.UPDATE.s",
        "$JS.API.STREAM.MSG.DELETE.s",
        "$JS.API.STREAM.RESTORE.s",
        "$JS.API.STREAM.LEADER.STEPDOWN.s",
        "$JS.API.META.LEADER.STEPDOWN",
        "trialbook.t.submit.S",
    ];
    for (name, may_write, may_all) in [
        ("registrar-1", true, false),
        ("registrar-2", true, false),
        ("notary", false, false),
        ("outcomes", false, false),
        ("safety", false, false),
        ("operator", false, false),
        ("break-glass", true, true),
    ] {
        let mut client = Client::connect(port, prepared.path(), name).unwrap();
        for (subjects, due) in [(&reading[..], true), (&writing, may_write), (&never, may_all)] {
            for subject in subjects {
                assert_eq!(client.may_publish(subject), due, "{name} on {subject}");
            }
        }
        assert!(client.may_subscribe("_INBOX.x.>") && client.may_subscribe("trialbook.*.head"), "{name}");
        let takes = name.starts_with("registrar") || may_all;
        assert_eq!(client.may_subscribe("trialbook.*.submit.*"), takes, "{name}");
        assert_eq!(client.may_subscribe(">"), may_all, "{name}");
    }
    let mut system = Client::connect(port, prepared.path(), "system").unwrap();
    assert!(system.may_publish("$SYS.REQ.SERVER.PING.JSZ"));
    assert!(!system.may_publish("$SYS.REQ.SERVER.x.RELOAD"));
    assert!(!system.may_subscribe("$SYS.>"));
}

#[test]
fn whom_the_servers_do_not_know_they_turn_away() {
    let Some(program) = nats_server("whom_the_servers_do_not_know_they_turn_away") else { return };
    let (Some(prepared), Some(stranger)) = (
        prepared("whom_the_servers_do_not_know_they_turn_away"),
        prepared("whom_the_servers_do_not_know_they_turn_away"),
    ) else {
        return;
    };
    let (_server, port) = accounts_alone(&program, prepared.path());
    let refused = Client::connect(port, stranger.path(), "registrar-1").err().unwrap();
    assert!(refused.contains("Authorization Violation"), "{refused}");
}

#[test]
fn a_site_submits_at_its_own_place_and_reaches_nothing_else() {
    let Some(program) = nats_server("a_site_submits_at_its_own_place_and_reaches_nothing_else") else {
        return;
    };
    let Some(prepared) = prepared("a_site_submits_at_its_own_place_and_reaches_nothing_else") else { return };
    run(prepare(prepared.path()).args(["site", "lupus-msct", "CN-SH"]));
    let (_server, port) = accounts_alone(&program, prepared.path());
    let mut registrar = Client::connect(port, prepared.path(), "registrar-1").unwrap();
    registrar.send("SUB trialbook.*.submit.* 1\r\n");
    assert_eq!(registrar.said(), [""; 0]);
    let mut site = Client::connect(port, prepared.path(), "site.lupus-msct.CN-NJ").unwrap();
    let mut eavesdropper = Client::connect(port, prepared.path(), "site.lupus-msct.CN-SH").unwrap();
    eavesdropper.send("SUB > 3\r\n");
    assert_eq!(eavesdropper.said(), [""; 0]);

    // What it sends elsewhere reaches nobody: the next thing that the registrar hears is what was sent to the right place.
    site.send("SUB _INBOX.one 2\r\n");
    for subject in
        ["trialbook.lupus-msct.submit.CN-SH", "trialbook.other.submit.CN-NJ", "trialbook.lupus-msct.log"]
    {
        site.send(&format!("PUB {subject} _INBOX.one 5\r\nwrong\r\n"));
    }
    site.send("PUB trialbook.lupus-msct.submit.CN-NJ _INBOX.one 5\r\nright\r\n");
    let (subject, answer_to, body) = registrar.message();
    assert_eq!((subject.as_str(), body.as_str()), ("trialbook.lupus-msct.submit.CN-NJ", "right"));

    // The answer comes back, once; the site was told before that nobody hears what it sent elsewhere. An inbox that did not
    // ask cannot be written to.
    registrar.send(&format!("PUB {answer_to} 6\r\nanswer\r\n"));
    while site.message().2 != "answer" {}
    assert!(!registrar.may_publish(&answer_to));
    assert!(!registrar.may_publish("_INBOX.one"));
    // Another site sees neither question nor answer, even by asking for everything.
    let overheard = eavesdropper.said();
    assert!(!overheard.iter().any(|line| line.starts_with("MSG")), "{overheard:?}");
}
