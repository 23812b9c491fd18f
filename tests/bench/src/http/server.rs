//! The server that is measured: a child process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::client::{self, Request};
use crate::measure::write;

/// `trialbook serve`, or one of the processes, on a new data directory; ended when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

/// How many records of the log are not covered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    /// By the read model that is furthest behind.
    pub(super) read_models: u64,
    /// By the last signed checkpoint.
    pub(super) checkpoint: u64,
}

impl Lag {
    pub(super) const NONE: Self = Self { read_models: 0, checkpoint: 0 };
}

/// Builds the binary where this one was built, and says where it is.
pub(super) fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let profile = own.parent().context("this program lies in a directory")?;
    let target = profile.parent().context("it is built into a target directory")?;
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "trialbook", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("cannot start cargo; --server PATH names a built trialbook")?;
    ensure!(built.success(), "trialbook could not be built");
    Ok(target.join("release").join("trialbook"))
}

impl Server {
    /// Finds its own `keys` (file and content) in its data directory, as after `trialbook open`.
    pub(super) fn start(binary: &Path, directory: &Path, keys: &[(String, String)]) -> Result<Self> {
        let data = directory.join("data");
        for (name, content) in keys {
            write(&data.join(name), content)?;
        }
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::spawn(command)
    }

    /// Runs a command that says where it listens.
    pub(super) fn spawn(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("the child's output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_whitespace().next());
        let address = address.with_context(|| format!("the server said {line:?}"))?.parse()?;
        Ok(Self { child, address })
    }

    /// How far what follows the log is behind, in records.
    pub(super) async fn lag(&self) -> Result<Lag> {
        lag_at(self.address).await
    }

    /// Mebibytes that the server has in memory.
    pub(super) fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most it ever had.
    pub(super) fn memory_most(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        Ok(value.with_context(|| format!("the system does not say {name}"))?.parse::<f64>()? / 1024.0)
    }

    /// What the server has used of the processors so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }
}

/// As [`Server::lag`], of the server at an address.
pub(super) async fn lag_at(address: SocketAddr) -> Result<Lag> {
    let request = Arc::new(vec![Request::get("/metrics")]);
    let answered = client::send(address, &request, 1).await?;
    let text = std::str::from_utf8(&answered.first().context("an answer")?.body)?;
    let most = |name: &str| -> Result<u64> {
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| Ok(line.rsplit(' ').next().context("a value")?.parse()?));
        let values: Vec<u64> = values.collect::<Result<_>>()?;
        values.into_iter().max().with_context(|| format!("the server tells no {name}"))
    };
    ensure!(most("trialbook_notary_stopped{")? == 0, "nothing is sealed");
    Ok(Lag {
        read_models: most("trialbook_projector_lag_records{")?,
        checkpoint: most("trialbook_checkpoint_lag_records{")?,
    })
}

/// What a process has used of the processors, in user and system mode.
pub(super) fn cpu_of(process: &str) -> Result<Duration> {
    /// Of `/proc/PID/stat`: Linux shows a hundredth of a second to every program, whatever its own clock.
    const TICK_MS: u64 = 10;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything; the 14th and 15th fields are counted from before it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * TICK_MS))
}

impl Drop for Server {
    fn drop(&mut self) {
        // A read model is closed cleanly only on request; whether it works out does not matter here.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
