//! A bare client of the servers: what the journal would never do, and what it is compared with.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Request};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::TRIAL_USER;

/// A connection to one server as the user of the logs, for code that is not asynchronous.
pub struct Raw {
    runtime: Runtime,
    client: Client,
    /// What the server has complained of.
    refusals: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    /// Connects to the server at this port.
    pub fn connect(port: u16) -> Self {
        Self::connect_as(port, TRIAL_USER)
    }

    /// Connects as another user, whose password is its name, and whose answers come to `_INBOX_` and its name.
    pub fn connect_as(port: u16, user: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let refusals = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&refusals);
        let options = ConnectOptions::with_user_and_password(user.into(), user.into())
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    heard.lock().unwrap().push(error.to_string().to_lowercase());
                }
                std::future::ready(())
            });
        let client = runtime.block_on(options.connect(format!("nats://127.0.0.1:{port}"))).unwrap();
        Self { runtime, client, refusals }
    }

    /// Asks and reads the answer as JSON.
    pub fn ask(&self, subject: &str, body: &Value) -> Value {
        self.publish(subject, &[], body.to_string().as_bytes())
    }

    /// Asks as [`ask`](Self::ask) does; `None` if nothing answers in two seconds. A server that knows of no leader, or is
    /// about to change it, lets a question go without a word.
    pub fn try_ask(&self, subject: &str, body: &Value) -> Option<Value> {
        let request = Request::new().payload(body.to_string().into()).timeout(Some(Duration::from_secs(2)));
        let answer = self.runtime.block_on(self.client.send_request(subject.to_owned(), request)).ok()?;
        Some(serde_json::from_slice(&answer.payload).unwrap())
    }

    /// Publishes with headers and waits for the answer.
    pub fn publish(&self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let request = Request::new()
            .headers(map)
            .payload(payload.to_vec().into())
            .timeout(Some(Duration::from_secs(20)));
        let answer = self.runtime.block_on(self.client.send_request(subject.to_owned(), request)).unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }

    /// Submits as a site does: the answer's header `Status`, and its bytes.
    pub fn submit(&self, subject: &str, submission: &[u8]) -> (u16, Vec<u8>) {
        self.try_submit(subject, submission).expect("somebody answers")
    }

    /// Submits as [`submit`](Self::submit) does; `None` if nobody is there, or nobody answers in time.
    pub fn try_submit(&self, subject: &str, submission: &[u8]) -> Option<(u16, Vec<u8>)> {
        let request =
            Request::new().payload(submission.to_vec().into()).timeout(Some(Duration::from_secs(30)));
        let answer = self.runtime.block_on(self.client.send_request(subject.to_owned(), request)).ok()?;
        let headers = answer.headers.expect("an answer has headers");
        Some((headers.get("Status").unwrap().as_str().parse().unwrap(), answer.payload.to_vec()))
    }

    /// Publishes where the server is to refuse it; what the server said.
    pub fn refused_publish(&self, subject: &str, payload: &[u8]) -> String {
        let published = self.client.publish_with_reply(
            subject.to_owned(),
            self.client.new_inbox(),
            payload.to_vec().into(),
        );
        self.runtime.block_on(published).unwrap();
        self.refusal()
    }

    /// Subscribes where the server is to refuse it; what the server said.
    pub fn refused_subscribe(&self, subject: &str) -> String {
        let _subscription = self.runtime.block_on(self.client.subscribe(subject.to_owned())).unwrap();
        self.refusal()
    }

    /// The next complaint of the server.
    fn refusal(&self) -> String {
        self.runtime.block_on(self.client.flush()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(refusal) = self.refusals.lock().unwrap().pop() {
                return refusal;
            }
            assert!(Instant::now() < deadline, "the server does not refuse it");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
