//! A bare client of the servers: what the journal would never do, and what it is compared with.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Request};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::TRIAL_USER;

/// A connection to one server as the user of the logs, for code that is not asynchronous.
pub struct Raw {
    runtime: Runtime,
    client: Client,
}

impl Raw {
    /// Connects to the server at this port.
    pub fn connect(port: u16) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = ConnectOptions::with_user_and_password(TRIAL_USER.into(), TRIAL_USER.into());
        let client = runtime.block_on(options.connect(format!("nats://127.0.0.1:{port}"))).unwrap();
        Self { runtime, client }
    }

    /// Asks and reads the answer as JSON.
    pub fn ask(&self, subject: &str, body: &Value) -> Value {
        self.publish(subject, &[], body.to_string().as_bytes())
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
}
