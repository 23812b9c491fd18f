//! The connections to the servers, and the threads that serve them.
//!
//! Not a pool: one connection carries the logs of all trials, a second one asks the servers about themselves.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ReconnectToServer, Server, ServerAddr};
use chain::RECORD_BYTES_MAX;
use tokio::runtime::{Builder, Runtime};

/// A connection without a sign of life for three of these is given up. A partition that drops packets is found out by
/// this alone.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Longest pause between two tries to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What headers may take beside a record's bytes: names and values of five headers, the longest some 60 bytes each.
const HEADERS_BYTES_MAX: usize = 512;

/// Whether writes need the proof that they are on disk when acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing is written without it.
    #[default]
    Proven,
    /// Acknowledged records may be lost when the power fails. For trying out; whoever shows anything of such a journal has
    /// to say so.
    Play,
}

/// Who one is to the servers.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// The seed of an nkey, `SU…`.
    Nkey {
        /// The seed.
        seed: String,
    },
    /// A file with a JWT and its seed.
    Credentials {
        /// Where it lies.
        path: PathBuf,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Nkey { .. } => f.debug_struct("Nkey").finish_non_exhaustive(),
            Self::Credentials { path } => f.debug_struct("Credentials").field("path", path).finish(),
        }
    }
}

/// Whom to believe and who to be on an encrypted connection.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificates that vouch for the servers, PEM; the system's own if not given.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How to reach the servers.
#[derive(Debug, Clone)]
pub struct Options {
    /// `nats://HOST:PORT`; one is enough to find the others.
    pub servers: Vec<String>,
    /// Who writes and reads logs.
    pub login: Login,
    /// Who asks the servers about themselves: a user of the system account. Without, nothing is proven.
    pub system: Option<Login>,
    /// Encryption; without, only what the URLs say.
    pub tls: Option<Tls>,
    /// What the servers' lists of connections show.
    pub name: String,
    /// Whether writes need proof.
    pub durability: Durability,
    /// How long one append is sent again before it answers that its outcome is unknown, and one read is tried.
    pub settle_within: Duration,
}

impl Options {
    /// Proven, as `trialbook`, 30 s to settle: a stream chooses a new leader within some 10 s.
    pub fn new(servers: Vec<String>, login: Login, system: Option<Login>) -> Self {
        Self {
            servers,
            login,
            system,
            tls: None,
            name: "trialbook".to_owned(),
            durability: Durability::Proven,
            settle_within: Duration::from_secs(30),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system gives no threads.
    #[error("cannot start the threads that serve the connections")]
    Threads(#[source] io::Error),
    /// A server's address cannot be read.
    #[error("{address} is no address of a server")]
    Address {
        /// As given.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The file of credentials cannot be read.
    #[error("cannot read credentials from {path}")]
    Credentials {
        /// Where it lies.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No server took the connection.
    #[error("no server takes the {whose} connection")]
    Refused {
        /// Which of the two.
        whose: &'static str,
        /// What the last one said.
        source: async_nats::ConnectError,
    },
    /// Records can be longer than the server takes.
    #[error("the server takes messages of {bytes} bytes, and {needed} are needed: set max_payload")]
    Payload {
        /// The server's limit.
        bytes: usize,
        /// The longest message of a log.
        needed: usize,
    },
}

/// The connections, for tasks.
pub(crate) struct Links {
    pub(crate) log: Client,
    pub(crate) system: Option<Client>,
    pub(crate) durability: Durability,
    pub(crate) settle_within: Duration,
}

impl Links {
    /// How often the connections were made: what was proven before the last time is not proven any more.
    pub(crate) fn connects(&self) -> u64 {
        self.log.statistics().connects.load(Ordering::Acquire)
    }
}

/// The servers that keep the logs of trials. Cheap to clone as an [`Arc`]; the connections end with the last one.
pub struct Cluster {
    pub(crate) links: Arc<Links>,
    /// `None` once ending.
    runtime: Option<Runtime>,
}

impl Cluster {
    /// Connects. Blocks.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(options: &Options) -> Result<Arc<Self>, ConnectError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("journal-nats")
            .enable_all()
            .build()
            .map_err(ConnectError::Threads)?;
        let wanted = options.clone();
        let links = run(&runtime, async move { links(&wanted).await });
        let cluster = Self { links: Arc::new(links?), runtime: Some(runtime) };
        Ok(Arc::new(cluster))
    }

    /// Whether writes need proof.
    pub fn durability(&self) -> Durability {
        self.links.durability
    }

    /// Runs `work` on the connections' threads and waits for its end. Blocks.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        run(self.runtime(), work)
    }

    /// Runs `work` on the connections' threads.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime().spawn(work)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("only dropping takes it")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed where an async task drops the last handle.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("durability", &self.links.durability).finish_non_exhaustive()
    }
}

/// Not `Runtime::block_on`: that panics where the caller is itself a task of some runtime.
fn run<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        let _ = sender.send(work.await);
    });
    receiver.recv().expect("a task ends with an answer unless it panics, which is passed on here")
}

async fn links(options: &Options) -> Result<Links, ConnectError> {
    let log = connect(options, &options.login, "log's").await?;
    let (bytes, needed) = (log.max_payload(), RECORD_BYTES_MAX + HEADERS_BYTES_MAX);
    if bytes < needed {
        return Err(ConnectError::Payload { bytes, needed });
    }
    let system = match &options.system {
        Some(login) => Some(connect(options, login, "system account's").await?),
        None => None,
    };
    let Options { durability, settle_within, .. } = *options;
    Ok(Links { log, system, durability, settle_within })
}

async fn connect(options: &Options, login: &Login, whose: &'static str) -> Result<Client, ConnectError> {
    let addresses = options.servers.iter().map(|address| {
        address
            .parse::<ServerAddr>()
            .map_err(|source| ConnectError::Address { address: address.clone(), source })
    });
    let addresses: Vec<_> = addresses.collect::<Result<_, _>>()?;
    let mut connecting = match login {
        Login::Anonymous => ConnectOptions::new(),
        Login::Password { user, password } => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        Login::Nkey { seed } => ConnectOptions::with_nkey(seed.clone()),
        Login::Credentials { path } => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(|source| ConnectError::Credentials { path: path.clone(), source })?,
    };
    if let Some(tls) = &options.tls {
        connecting = connecting.require_tls(true);
        if let Some(ca) = &tls.ca {
            connecting = connecting.add_root_certificates(ca.clone());
        }
        if let Some((certificate, key)) = &tls.identity {
            connecting = connecting.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    let last = Mutex::new(None);
    let connecting = connecting
        .reconnect_to_server_callback(move |servers, _| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = another(&servers, last.as_ref());
            let target = last.clone().map(|addr| ReconnectToServer { addr, delay: None });
            std::future::ready(target)
        })
        .name(&options.name)
        .ping_interval(PING_EVERY)
        .reconnect_delay_callback(|tries| {
            let pause = Duration::from_millis(50).saturating_mul(u32::try_from(tries).unwrap_or(u32::MAX));
            pause.min(RECONNECT_PAUSE_MAX)
        })
        .event_callback(move |event| async move {
            match event {
                Event::Connected => tracing::info!(connection = whose, "connected"),
                event => tracing::warn!(connection = whose, %event, "connection"),
            }
        });
    connecting.connect(addresses).await.map_err(|source| ConnectError::Refused { whose, source })
}

/// Which server to try after the one that was `last` chosen here; `None` before the first connection, for which the client
/// tries them all. Left to itself the client prefers the server that has never failed it, which may be the one that is cut
/// off from the others, over one that was away once.
fn another(servers: &[Server], last: Option<&ServerAddr>) -> Option<ServerAddr> {
    let is_last = |server: &Server| last.map_or(server.did_connect, |last| server.addr == *last);
    let left = servers.iter().position(is_last)?;
    servers.get((left + 1) % servers.len()).map(|server| server.addr.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_connects_again_tries_one_server_after_another() {
        let server = |(number, did_connect): (u32, bool)| Server {
            addr: format!("nats://server-{number}").parse().unwrap(),
            failed_attempts: 0,
            did_connect,
            is_discovered: false,
            last_error: None,
        };
        let never: Vec<_> = [(0, false), (1, false), (2, false)].map(server).into();
        assert_eq!(another(&never, None), None);
        let servers: Vec<_> = [(0, false), (1, true), (2, false)].map(server).into();
        let mut last = None;
        for due in [2, 0, 1, 2] {
            last = another(&servers, last.as_ref());
            assert_eq!(last.as_ref(), Some(&servers[due].addr));
        }
        assert_eq!(another(&servers[1..2], None).as_ref(), Some(&servers[1].addr), "there is no other");
    }
}
