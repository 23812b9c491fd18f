//! `health`: whether a process of a registry can do its work, for whoever runs it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::print;
use crate::cli::Credentials;
use crate::reach::service_client;
use crate::status;

/// Longer than a process that is ready takes to say so.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the process at `url`, without a token: only whether it is ready, never why not.
pub(super) async fn run(url: &str, ca: Option<&Path>) -> Result<u8> {
    let credentials = Credentials { token_file: None, ca: ca.map(Path::to_owned) };
    let http = service_client(url, &credentials, None)?.timeout(TIMEOUT).build()?;
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    let answer = http.get(&url).send().await;
    let answer =
        answer.map_err(reqwest::Error::without_url).with_context(|| format!("{url} does not answer"))?;
    if answer.status().is_success() {
        print("ready")?;
        Ok(0)
    } else {
        print(&format!("not ready: {}", answer.status()))?;
        Ok(status::ENVIRONMENT)
    }
}
