//! A registry's services as processes of their own, on logs that are kept on NATS.

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::{Client, Registry};
use journal_nats::{Cluster, Durability, Login, Options, Tls};

use super::serve::{self, Listening, Served};
use super::{Table, print, read_bytes};
use crate::cli::{Credentials, ProcessOptions};
use crate::configuration::Configuration;
use crate::data::{Data, Lock};
use crate::deployment::{Deployment, Engine, Sealing, Services};
use crate::routed::Routed;
use crate::{logging, nats_submissions, reach, telemetry, tls};

/// How often it is looked whether another process has opened a trial, and whether the clock is that of the servers.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Longest seed file read.
const SEED_BYTES_MAX: usize = 1024;

/// Runs the services in this process, as what `service` is called, until it is told to stop.
pub(super) async fn run(services: Services, service: &str, options: &ProcessOptions) -> Result<u8> {
    let configuration = start(options, service)?;
    let (data, lock) = own_directory(&configuration)?;
    let listening = listening(&configuration)?;
    let engine = engine(configuration.texts("nats.servers").to_vec(), &configuration).await?;
    let sealing = Sealing {
        policy: configuration.path("witnesses.policy").map(|path| serve::read_policy(&path)).transpose()?,
        ca: configuration.path("witnesses.ca"),
    };
    let opening = engine.clone();
    let deployment =
        tokio::task::spawn_blocking(move || Deployment::open_with(data, lock, opening, services)).await??;
    if services.notary {
        let deployment = deployment.clone();
        tokio::task::spawn_blocking(move || deployment.seal(sealing)).await?;
    }
    let audited_every = configuration.number("nats.audit_minutes").unwrap_or_default();
    if services.notary && audited_every > 0 {
        deployment.audit_replicas(Duration::from_secs(60 * u64::from(audited_every)))?;
    }
    if let Some(keeper) = configuration.text("services.registrar").filter(|_| services.registrar) {
        deployment.keep_text_keys_at(client(keeper, &configuration)?);
    }
    let submissions = match &engine {
        Engine::Nats { cluster, .. } if services.registrar && configuration.flag("nats.submit") => {
            Some(nats_submissions::start(cluster.client(), deployment.clone()).await?)
        }
        _ => None,
    };
    let looking = tokio::spawn(look_now_and_then(deployment.clone()));
    let failure = Box::pin(failure(deployment.clone()));
    let served = Served { failure, ..Served::of(&deployment) };
    let ended = serve::serve(served, listening, None).await;
    looking.abort();
    if let Some(submissions) = submissions {
        submissions.drain().await;
    }
    ended.map(|()| 0)
}

/// Runs the pages, and the API, over the processes that answer.
pub(super) async fn console(options: &ProcessOptions) -> Result<u8> {
    let configuration = start(options, "trialbook-console")?;
    let (data, lock) = own_directory(&configuration)?;
    let listening = listening(&configuration)?;
    let ask = |key: &str| client(configuration.required(key)?, &configuration);
    let registry = Routed {
        registrar: ask("services.registrar")?,
        notary: ask("services.notary")?,
        outcomes: ask("services.outcomes")?,
        safety: ask("services.safety")?,
        metrics: logging::metrics(),
    };
    let registry = Arc::new(registry) as Arc<dyn Registry>;
    let shown = configuration.shown().into_iter().map(|line| console::Setting {
        key: line.key.to_owned(),
        meaning: line.meaning.to_owned(),
        origin: line.origin,
        value: line.value,
    });
    let settings = console::Settings { configuration: shown.collect(), ..console::Settings::default() };
    let (failure, looks) = (Box::pin(pending()), Vec::new());
    let served = Served { registry, data: &data, lock: &lock, deployment: None, failure, looks };
    serve::serve(served, listening, Some(settings)).await?;
    Ok(0)
}

/// Prints the effective configuration.
pub(super) fn show(options: &ProcessOptions, json: bool) -> Result<u8> {
    let shown = options.load()?.shown();
    if json {
        print(&serde_json::to_string_pretty(&shown)?)?;
        return Ok(0);
    }
    let mut table = Table::new(["setting", "value", "from"]);
    for line in shown {
        table.row([line.key.to_owned(), line.value.unwrap_or_default(), line.origin]);
    }
    print(&table.to_string())?;
    Ok(0)
}

/// Reads the configuration and begins to log by it.
fn start(options: &ProcessOptions, service: &str) -> Result<Configuration> {
    let configuration = options.load()?;
    start_logging(&configuration, service)?;
    Ok(configuration)
}

/// Begins to log as the configuration says, and to send spans as those of `service`.
pub(super) fn start_logging(configuration: &Configuration, service: &str) -> Result<()> {
    let json = match configuration.text("log.format") {
        Some("json") => true,
        Some("text") | None => false,
        Some(other) => bail!("log.format is text or json, not {other}"),
    };
    let spans = configuration.text("telemetry.otlp").map(|url| telemetry::start(url, service)).transpose()?;
    logging::start(json, configuration.text("log.filter"), spans)
}

fn own_directory(configuration: &Configuration) -> Result<(Data, Lock)> {
    let data = Data::new(Path::new(configuration.required("data")?));
    data.create()?;
    let lock = data.lock()?.with_context(|| format!("another process uses {}", data.root().display()))?;
    Ok((data, lock))
}

pub(super) fn listening(configuration: &Configuration) -> Result<Listening> {
    let listen: SocketAddr = configuration.required("listen")?.parse().context("listen is no address")?;
    let tls = configuration.paths_together("tls.cert", "tls.key")?;
    let tls = tls.map(|(certificate, key)| tls::Files { certificate, key });
    let (hosts, oidc) = (configuration.texts("hosts").to_vec(), configuration.path("oidc"));
    Ok(Listening { listen, tls, hosts, oidc })
}

/// A client of another process of the registry.
fn client(url: &str, configuration: &Configuration) -> Result<Client> {
    let credentials = Credentials {
        token_file: configuration.path("services.token_file"),
        ca: configuration.path("services.ca"),
    };
    let token = configuration.text("services.token");
    let http = reach::service_client(url, &credentials, token)?;
    Ok(Client::new(http.build().with_context(|| format!("cannot reach {url}"))?, url))
}

/// Connects to the servers of the log of record, as the configuration says who asks and how.
pub(super) async fn engine(servers: Vec<String>, configuration: &Configuration) -> Result<Engine> {
    if servers.is_empty() {
        bail!(
            "set nats.servers: services run as processes of their own on NATS; on files `trialbook serve` runs all in one"
        );
    }
    let durability = if configuration.flag("nats.play") { Durability::Play } else { Durability::Proven };
    let options = Options {
        tls: nats_tls(configuration)?,
        name: "trialbook".to_owned(),
        durability,
        ..Options::new(
            servers,
            login(configuration, "nats")?.unwrap_or(Login::Anonymous),
            login(configuration, "nats.system")?,
        )
    };
    let cluster = tokio::task::spawn_blocking(move || Cluster::connect(&options)).await?;
    let cluster = cluster.context("cannot connect to the servers of the log")?;
    let replicas = usize::try_from(configuration.number("nats.replicas").unwrap_or(3))?;
    if durability == Durability::Play {
        tracing::warn!("nats.play is set: what is acknowledged need not be durable");
    }
    Ok(Engine::Nats { cluster, replicas })
}

/// How the process shows itself to an account, by the settings under `prefix`.
fn login(configuration: &Configuration, prefix: &str) -> Result<Option<Login>> {
    let key = |name: &str| format!("{prefix}.{name}");
    let (user, password) = (configuration.text(&key("user")), configuration.text(&key("password")));
    let ways = (configuration.path(&key("nkey")), configuration.path(&key("credentials")), user, password);
    Ok(match ways {
        (None, None, None, None) => None,
        (Some(seed), None, None, None) => {
            let bytes = read_bytes(&seed, SEED_BYTES_MAX)?;
            let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
            Some(Login::Nkey { seed: text.with_context(|| format!("{} holds no seed", seed.display()))? })
        }
        (None, Some(path), None, None) => Some(Login::Credentials { path }),
        (None, None, Some(user), Some(password)) => {
            Some(Login::Password { user: user.to_owned(), password: password.to_owned() })
        }
        _ => bail!("under {prefix} give one of nkey, credentials, or user with password"),
    })
}

fn nats_tls(configuration: &Configuration) -> Result<Option<Tls>> {
    let ca = configuration.path("nats.ca");
    let identity = configuration.paths_together("nats.cert", "nats.key")?;
    Ok((ca.is_some() || identity.is_some()).then_some(Tls { ca, identity }))
}

/// Ends when a registrar has given up: its log could not be reached for minutes, or cannot be read.
async fn failure(deployment: Deployment) -> anyhow::Error {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Some(why) = deployment.failed_registrar() {
            return anyhow::anyhow!("nothing more can be recorded until this process is started anew: {why}");
        }
    }
}

async fn look_now_and_then(deployment: Deployment) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let deployment = deployment.clone();
        let looked = tokio::task::spawn_blocking(move || {
            deployment.compare_clocks();
            deployment.look_for_trials()
        });
        let looked = looked.await;
        let said = match looked {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "looking for trials failed".to_owned(),
        };
        if said != told && !said.is_empty() {
            tracing::warn!("it cannot be found out which trials there are: {said}");
        }
        told = said;
    }
}
