//! `serve`: HTTP and the console.

use std::future::IntoFuture as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::{Cookies, Gate, Problem, Registry, TokenHash};
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use chain::policy::Policy;

use super::{print, read_bytes, takeaway};
use crate::data::{Data, Lock};
use crate::deployment::{Deployment, Sealing};
use crate::doorkeeper::{Doorkeeper, Look};
use crate::organisation::Organisation;
use crate::peer::{self, Peer};
use crate::tls::{self, TlsListener};
use crate::{accounts, configuration, spans, tokens};

/// How often the whole log is verified again in the background.
const VERIFY_EVERY: Duration = Duration::from_hours(1);

/// How long what is under way may take once the server is to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Longest policy read: some thousand witnesses.
const POLICY_BYTES_MAX: usize = 1 << 20;

/// Where a server listens, and under which names it answers.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    pub(crate) listen: SocketAddr,
    /// Its certificate, if it speaks TLS.
    pub(crate) tls: Option<tls::Files>,
    /// Names that it is reached by, beside those of this machine.
    pub(crate) hosts: Vec<String>,
    /// The file that says how people of an organisation sign in to the pages, if they do.
    pub(crate) oidc: Option<PathBuf>,
}

/// What `serve` works by beside where it listens.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The file of the witness policy.
    pub(super) policy: Option<PathBuf>,
    /// The authorities that witnesses' certificates are signed by.
    pub(super) ca: Option<PathBuf>,
    /// Whether logs are written as JSON; `main` has begun them.
    pub(super) log_json: bool,
    /// The collector that spans are sent to; `main` has begun that too.
    pub(super) otlp: Option<String>,
}

pub(super) async fn run(data: &Path, listening: Listening, beside: Beside) -> Result<u8> {
    let policy = beside.policy.as_deref().map(read_policy).transpose()?;
    let data = Data::new(data);
    data.create()?;
    let lock = data.lock()?.with_context(|| {
        format!("another process serves {}: {}", data.root().display(), data.address().unwrap_or_default())
    })?;
    let deployment = Deployment::open(data, lock)?;
    let configuration = effective(deployment.data(), &listening, &beside);
    deployment.seal(Sealing { policy, ca: beside.ca });
    let settings = console::Settings { configuration, ..console::Settings::default() };
    serve(Served::of(&deployment), listening, Some(settings)).await?;
    Ok(0)
}

/// What `serve` works by: its command line, by the names that the settings of other processes have.
pub(super) fn effective(data: &Data, listening: &Listening, beside: &Beside) -> Vec<console::Setting> {
    let path = |path: &Path| path.display().to_string();
    let tls = listening.tls.as_ref();
    let given = [
        ("data", Some(path(data.root()))),
        ("listen", Some(listening.listen.to_string())),
        ("hosts", (!listening.hosts.is_empty()).then(|| listening.hosts.join(","))),
        ("tls.cert", tls.map(|files| path(&files.certificate))),
        ("tls.key", tls.map(|files| path(&files.key))),
        ("oidc", listening.oidc.as_deref().map(path)),
        ("witnesses.policy", beside.policy.as_deref().map(path)),
        ("witnesses.ca", beside.ca.as_deref().map(path)),
        ("log.format", Some(if beside.log_json { "json" } else { "text" }.to_owned())),
        ("telemetry.otlp", beside.otlp.clone()),
    ];
    given
        .into_iter()
        .map(|(key, value)| console::Setting {
            key: key.to_owned(),
            meaning: configuration::setting(key).map_or("", |setting| setting.meaning).to_owned(),
            origin: if value.is_some() { "command line, environment, or default" } else { "not set" }
                .to_owned(),
            value,
        })
        .collect()
}

/// What is served, and from where.
pub(crate) struct Served<'a> {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) data: &'a Data,
    pub(crate) lock: &'a Lock,
    /// The logs that are verified now and then; `None` where they are other processes'.
    pub(crate) deployment: Option<Deployment>,
    /// Ends when the process can do its work no more, with the reason: it then ends, to be started anew by whoever runs it.
    pub(crate) failure: Pin<Box<dyn Future<Output = anyhow::Error> + Send>>,
    /// Whom a demonstration may be looked at as.
    pub(crate) looks: Vec<Look>,
}

impl<'a> Served<'a> {
    /// A deployment in this process.
    pub(crate) fn of(deployment: &'a Deployment) -> Self {
        Self {
            registry: Arc::new(deployment.clone()),
            data: deployment.data(),
            lock: deployment.lock(),
            deployment: Some(deployment.clone()),
            failure: Box::pin(std::future::pending()),
            looks: Vec::new(),
        }
    }
}

pub(super) fn read_policy(path: &Path) -> Result<Policy> {
    let bytes = read_bytes(path, POLICY_BYTES_MAX)?;
    Policy::parse(&bytes).with_context(|| format!("{} is not a policy", path.display()))
}

/// Serves until told to stop, with pages if there are `settings` for them; then answers what is under way and closes
/// everything cleanly.
pub(crate) async fn serve(
    served: Served<'_>,
    listening: Listening,
    settings: Option<console::Settings>,
) -> Result<()> {
    let Served { registry, data, lock, deployment, failure, looks } = served;
    let Listening { listen, tls, hosts, oidc } = listening;
    // Without pages there is nothing to sign in to.
    let organisation =
        oidc.filter(|_| settings.is_some()).map(|file| Organisation::open(&file)).transpose()?;
    let persons = accounts::persons(data, organisation.as_ref())?.map(|persons| persons.any()).transpose()?;
    let known = tokens::open(data)?.any()? || accounts::open(data)?.any()? || persons == Some(true);
    let tls = tls.map(|files| files.read()).transpose()?;
    let hosts = Hosts::new(listen, hosts);
    if let Some(organisation) = &organisation {
        let host = organisation.host();
        ensure!(
            hosts.has(host),
            "an organisation's people would be sent back to {host}, a name that this server does not answer under: give it \
             with --host, or as hosts, or another origin in the organisation's file"
        );
    }
    let beyond = !listen.ip().is_loopback();
    if beyond {
        ready_for_others(listen, tls.is_some(), known, &hosts)?;
    } else if !known {
        eprintln!(
            "warning: open to everybody on this machine: whoever reaches this address reads every record; \
             `trialbook token new` makes the first token, `trialbook account add` the first account, and from then on nobody \
             reads without one"
        );
    }
    let listener =
        tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;

    let owner = tokens::new_token();
    let over_tls = tls.is_some() || organisation.as_ref().is_some_and(Organisation::secure);
    let keeper = Arc::new(Doorkeeper::open(data, TokenHash::of(&owner), beyond, looks, organisation)?);
    let gate = Gate::new(registry, keeper, Cookies::new(over_tls));
    let mut routes = api::router(gate.clone());
    if let Some(settings) = settings {
        routes = routes.merge(console::router(gate.clone(), settings));
        routes = routes.merge(takeaway::routes(gate, data.root()));
    }
    let routes = routes.layer(from_fn_with_state(Arc::new(hosts), for_this_host));
    let routes = routes.layer(from_fn(spans::of_http));
    let routes = routes.layer(from_fn(peer::known));
    let routes = routes.into_make_service_with_connect_info::<Peer>();

    let (stopping, stop) = tokio::sync::watch::channel(false);
    let stopped = |mut stop: tokio::sync::watch::Receiver<bool>| async move {
        // An error means that nobody is left who could ask.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let mut servers = tokio::task::JoinSet::new();
    let scheme = if let Some(tls) = tls {
        // Commands on this machine know no name that the certificate is for: they come in by a door of their own.
        let door = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let door = door.context("cannot listen on this machine")?;
        lock.publish(&format!("http://{}", door.local_addr()?), &owner)?;
        let server = axum::serve(door, routes.clone()).with_graceful_shutdown(stopped(stop.clone()));
        servers.spawn(server.into_future());
        let listener = TlsListener::new(listener, tls)?;
        servers.spawn(axum::serve(listener, routes).with_graceful_shutdown(stopped(stop)).into_future());
        "https"
    } else {
        lock.publish(&format!("http://{address}"), &owner)?;
        servers.spawn(axum::serve(listener, routes).with_graceful_shutdown(stopped(stop)).into_future());
        "http"
    };
    let verifier = deployment.map(|deployment| tokio::spawn(verify_now_and_then(deployment)));
    print(&format!("serving {} at {scheme}://{address} (Ctrl-C stops)", data.root().display()))?;
    let mut outcome = Ok(());
    tokio::select! {
        () = stop_asked() => {}
        reason = failure => outcome = Err(reason),
        // None ends by itself, but with an error.
        Some(served) = servers.join_next() => served?.context("serving failed")?,
    }
    stopping.send_replace(true);
    // A feed never ends by itself: what still runs gets a while.
    let ended = tokio::time::timeout(STOP_WAIT, async {
        while let Some(served) = servers.join_next().await {
            served?.context("serving failed")?;
        }
        anyhow::Ok(())
    });
    // Out of time: what is left is cut off.
    ended.await.unwrap_or(Ok(()))?;
    if let Some(verifier) = verifier {
        verifier.abort();
    }
    outcome
}

/// Whether others than this machine may reach the server; if not, what it lacks.
fn ready_for_others(listen: SocketAddr, tls: bool, tokens: bool, hosts: &Hosts) -> Result<()> {
    let mut lacking = Vec::new();
    if !tls {
        lacking.push("a certificate and its key (--tls-cert, --tls-key)");
    }
    if !tokens {
        lacking.push(
            "a token or an account for whoever may read (`trialbook token new`, `trialbook account add`), or an organisation \
             whose people sign in (--oidc)",
        );
    }
    if !hosts.names_others() {
        lacking.push("the name it is reached by (--host)");
    }
    ensure!(
        lacking.is_empty(),
        "{listen} is not a loopback address: to let others reach this registry it needs {}",
        lacking.join(", and ")
    );
    Ok(())
}

/// Turns away what was meant for another host. Whoever gets a reader to open a page, and lets that page's name mean
/// 127.0.0.1 afterwards, could else read the registry through the reader's browser (DNS rebinding).
async fn for_this_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let stated = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let stated = stated.or(request.uri().authority().map(Authority::as_str)).unwrap_or_default();
    if hosts.has(stated) {
        return next.run(request).await;
    }
    let detail = "this registry answers under the names given to it, localhost, 127.0.0.1 and [::1] only";
    Problem::new(421, "misdirected-request", "The request names another host.", detail).into_response()
}

/// The names that a server answers under.
struct Hosts {
    names: Vec<String>,
    address: Option<IpAddr>,
}

impl Hosts {
    fn new(listen: SocketAddr, names: Vec<String>) -> Self {
        // An address that stands for all of the machine's is the name of none.
        Self { names, address: Some(listen.ip()).filter(|address| !address.is_unspecified()) }
    }

    /// Whether others than this machine know a name for it.
    fn names_others(&self) -> bool {
        !self.names.is_empty() || self.address.is_some_and(|address| !address.is_loopback())
    }

    /// Whether `authority`, with a port or without, is one of them.
    fn has(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.is_loopback() || self.address == Some(address) || self.is_named(host);
        }
        host.eq_ignore_ascii_case("localhost") || self.is_named(host)
    }

    fn is_named(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Ctrl-C or SIGTERM.
pub(super) async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler the signal ends the process at once, which loses nothing acknowledged.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn verify_now_and_then(deployment: Deployment) {
    loop {
        for trial in deployment.trial_ids() {
            let deployment = deployment.clone();
            let verified = tokio::task::spawn_blocking(move || deployment.verify(&trial, None)).await;
            if let Ok(Err(error)) = verified {
                tracing::error!("the log could not be verified: {error:#}");
            }
        }
        tokio::time::sleep(VERIFY_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, names: &[&str]) -> Hosts {
        Hosts::new(listen.parse().unwrap(), names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn only_names_of_this_machine_and_those_given_are_answered_under() {
        let own = hosts("127.0.0.1:7878", &[]);
        for name in ["localhost", "LOCALHOST:7878", "127.0.0.1:1", "127.9.9.9", "[::1]:7878"] {
            assert!(own.has(name), "{name}");
        }
        for name in ["", "example.org", "localhost.example.org:7878", "10.0.0.1", "[::2]", "a b", "[::1"] {
            assert!(!own.has(name), "{name}");
        }
        let others = hosts("10.0.0.1:443", &["registry.example"]);
        for name in ["registry.example", "Registry.Example:443", "10.0.0.1", "10.0.0.1:443", "localhost"] {
            assert!(others.has(name), "{name}");
        }
        for name in ["registry.example.org", "evil.registry.example", "10.0.0.2", ""] {
            assert!(!others.has(name), "{name}");
        }
    }

    #[test]
    fn others_are_let_in_only_with_tls_tokens_and_a_name() {
        let lacking = |listen: &str, tls, tokens, names: &[&str]| {
            let made = ready_for_others(listen.parse().unwrap(), tls, tokens, &hosts(listen, names));
            made.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(lacking("0.0.0.0:443", true, true, &["registry.example"]), "");
        assert_eq!(lacking("10.0.0.1:443", true, true, &[]), "");
        assert!(lacking("0.0.0.0:443", true, true, &[]).contains("--host"));
        assert!(lacking("10.0.0.1:443", false, true, &[]).contains("--tls-cert"));
        assert!(lacking("10.0.0.1:443", true, false, &[]).contains("token new"));
    }
}
