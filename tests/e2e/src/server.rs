//! A server that serves a data directory until it is dropped, and a plain HTTP client.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::DEADLINE;
use crate::binary::trialbook;

/// A running `trialbook serve` and a client of it; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    http: Http,
}

impl Deref for Server {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}

/// A plain HTTP client of one address.
#[derive(Debug)]
pub struct Http {
    /// Such as `http://127.0.0.1:41234`.
    pub address: String,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The header Content-Type; empty if there was none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// The other headers, under their names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Server {
    /// Serves `data` on a free port of the loopback interface.
    ///
    /// # Panics
    /// It does not begin to serve.
    pub fn start(data: &Path) -> Self {
        Self::try_start(&trialbook(), data).unwrap()
    }

    /// As [`Server::start`], with the binary at `binary`.
    ///
    /// # Errors
    /// What the server printed instead of its address.
    ///
    /// # Panics
    /// It cannot be started at all.
    pub fn try_start(binary: &Path, data: &Path) -> Result<Self, String> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // A kill leaves read models that are made anew, with a warning each; errors are worth reading.
        command.env("TRIALBOOK_LOG", "error");
        Self::spawn(command, None)
    }

    /// Runs `serve` with these options beside `--data`, logs everything there is to log to a file, and knows the server
    /// by the authority `ca` (PEM) if it speaks TLS.
    ///
    /// # Panics
    /// It does not begin to serve.
    pub fn start_with(data: &Path, options: &[&str], log: &Path, ca: Option<&str>) -> Self {
        let mut command = Command::new(trialbook());
        command.arg("serve").args(options).arg("--data").arg(data);
        command.env("TRIALBOOK_LOG", "trace").stderr(std::fs::File::create(log).unwrap());
        Self::spawn(command, ca).unwrap()
    }

    /// Runs a command that says where it listens, and logs what it warns of to a file.
    ///
    /// # Errors
    /// It ended, or said no address.
    ///
    /// # Panics
    /// It cannot be started at all.
    pub fn run(arguments: &[&str], log: &Path) -> Result<Self, String> {
        let mut command = Command::new(trialbook());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.args(arguments).stderr(log);
        Self::spawn(command, None)
    }

    fn spawn(mut command: Command, ca: Option<&str>) -> Result<Self, String> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Reads on to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let is_address = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
        let (begun, mut said) = (Instant::now(), String::new());
        let address = loop {
            // What a demonstration prints before it serves names no address.
            let Ok(line) = lines.recv_timeout(DEADLINE.saturating_sub(begun.elapsed())) else {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the server did not begin to serve; it said: {said:?}"));
            };
            if let Some(address) = line.split_whitespace().find(is_address) {
                break address.to_owned();
            }
            said = line;
        };
        Ok(Self { child, http: Http::believing(&address, ca) })
    }

    /// Kills it without warning, as a power cut would.
    ///
    /// # Panics
    /// The system refuses.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has; its exit status.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // Of one that a signal ended, the signal's number below zero.
                return status.code().or(status.signal().map(|signal| -signal)).unwrap_or(i32::MIN);
            }
            assert!(begun.elapsed() < DEADLINE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Http {
    /// A client of `address`.
    ///
    /// # Panics
    /// The system refuses.
    pub fn new(address: &str) -> Self {
        Self::believing(address, None)
    }

    /// A client of `address` that believes no certificate but those that the authority `ca` (PEM) has signed. It follows
    /// no redirection.
    ///
    /// # Panics
    /// The system refuses, or `ca` is no certificate.
    pub fn believing(address: &str, ca: Option<&str>) -> Self {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = ca {
            roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE);
        let client = client.tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none());
        let client = client.build().unwrap();
        Self { address: address.to_owned(), runtime, client }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new())
    }

    /// `POST` with a content type.
    pub fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send(Method::POST, path, &[("content-type", content_type)], body.into())
    }

    /// Any request.
    ///
    /// # Panics
    /// There is no answer.
    pub fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.try_send(method, path, headers, body).unwrap()
    }

    /// `GET`, of a server that may die.
    ///
    /// # Errors
    /// No answer came, or not the whole of it.
    pub fn try_get(&self, path: &str) -> Result<Reply, String> {
        self.try_send(Method::GET, path, &[], Vec::new())
    }

    /// `POST`, to a server that may die.
    ///
    /// # Errors
    /// No answer came, or not the whole of it.
    pub fn try_post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Reply, String> {
        self.try_send(Method::POST, path, &[("content-type", content_type)], body)
    }

    fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let mut request = self.client.request(method, format!("{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
            let mut headers: BTreeMap<String, String> = headers.collect();
            Ok(Reply {
                status: response.status().as_u16(),
                content_type: headers.remove("content-type").unwrap_or_default(),
                headers,
                body: response.bytes().await?.to_vec(),
            })
        });
        answered.map_err(|error: reqwest::Error| error.to_string())
    }

    /// What `path` answers, all of it, when something happens once the answer has begun.
    ///
    /// # Panics
    /// There is no answer, or it does not end in time.
    pub fn get_while(&self, path: &str, headers: &[(&str, &str)], happens: impl FnOnce()) -> String {
        let mut request = self.client.get(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let mut response = request.send().await.unwrap();
            let mut bytes = response.chunk().await.unwrap().unwrap_or_default().to_vec();
            happens();
            while let Some(chunk) = response.chunk().await.unwrap() {
                bytes.extend_from_slice(&chunk);
            }
            String::from_utf8(bytes).unwrap()
        })
    }

    /// The first `count` server-sent events of `path`, as `(id, data)`.
    ///
    /// # Panics
    /// They do not come in time.
    pub fn events(&self, path: &str, headers: &[(&str, &str)], count: usize) -> Vec<(u64, String)> {
        let mut request = self.client.get(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let mut response = request.send().await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut bytes = Vec::new();
            loop {
                // A chunk may end inside a character; the events before it are whole.
                let text = String::from_utf8_lossy(&bytes);
                let events: Vec<_> = text.split_inclusive("\n\n").filter_map(event).take(count).collect();
                if events.len() == count {
                    return events;
                }
                let chunk = response.chunk().await.unwrap().expect("the feed does not end by itself");
                bytes.extend_from_slice(&chunk);
            }
        })
    }
}

/// A whole server-sent event: id and data. Keep-alive comments are none.
fn event(text: &str) -> Option<(u64, String)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    text.ends_with("\n\n").then_some(())?;
    Some((field("id: ")?.parse().ok()?, field("data: ")?.to_owned()))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as text.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Status, code and pointer of the problem document that the answer must be.
    ///
    /// # Panics
    /// It is none, or one whose members contradict the answer.
    #[track_caller]
    pub fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.content_type, "application/problem+json", "{} {:?}", self.status, self.text());
        let problem = self.json();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(problem["status"], self.status);
        assert_eq!(text("type"), format!("urn:trialbook:problem:{}", text("code")));
        assert!(!text("title").is_empty() && !text("detail").is_empty(), "{problem}");
        (self.status, text("code"), text("pointer"))
    }
}
