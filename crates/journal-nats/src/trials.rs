//! Which trials have a log on the servers.

use serde::Deserialize;
use serde_json::json;

use crate::api::{self, ApiError};
use crate::cluster::Cluster;
use crate::engine::patiently;
use crate::{log_subject, stream_name};

/// One page of the list of streams.
#[derive(Deserialize)]
struct Names {
    total: usize,
    /// Absent or null where there is none.
    streams: Option<Vec<String>>,
}

impl Cluster {
    /// The trials that have a log, in the servers' order. Blocks; asks again while the servers choose a leader.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn trials(&self) -> Result<Vec<String>, ApiError> {
        let links = std::sync::Arc::clone(&self.links);
        let prefix = stream_name("");
        self.run(async move {
            let mut trials = Vec::new();
            let mut asked = 0;
            loop {
                let question = json!({"offset": asked, "subject": log_subject("*")});
                let subject = "$JS.API.STREAM.NAMES".to_owned();
                let asked_once = || api::ask(&links.log, subject.clone(), Some(&question));
                let page: Names = patiently(&links, asked_once, ApiError::is_transient).await?;
                let streams = page.streams.unwrap_or_default();
                asked += streams.len();
                let is_last = streams.is_empty() || asked >= page.total;
                trials
                    .extend(streams.iter().filter_map(|name| name.strip_prefix(&*prefix)).map(str::to_owned));
                if is_last {
                    return Ok(trials);
                }
            }
        })
    }

    /// The connection, for what is not the log: submissions by request and reply.
    pub fn client(&self) -> async_nats::Client {
        self.links.log.clone()
    }
}
