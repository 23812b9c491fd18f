//! `serve`: HTTP and the console.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::{Problem, Registry};
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use chain::policy::Policy;

use super::{print, read_bytes};
use crate::data::Data;
use crate::deployment::{Deployment, Sealing};

/// How often the whole log is verified again in the background.
const VERIFY_EVERY: Duration = Duration::from_hours(1);

/// Longest policy read: some thousand witnesses.
const POLICY_BYTES_MAX: usize = 1 << 20;

pub(super) async fn run(data: &Path, listen: SocketAddr, policy: Option<&Path>) -> Result<u8> {
    let policy = policy.map(read_policy).transpose()?;
    let data = Data::new(data);
    data.create()?;
    let lock = data.lock()?.with_context(|| {
        format!("another process serves {}: {}", data.root().display(), data.address().unwrap_or_default())
    })?;
    let deployment = Deployment::open(data, lock)?;
    deployment.seal(Sealing { policy });
    serve(deployment, listen, console::Settings::default()).await?;
    Ok(0)
}

fn read_policy(path: &Path) -> Result<Policy> {
    let bytes = read_bytes(path, POLICY_BYTES_MAX)?;
    Policy::parse(&bytes).with_context(|| format!("{} is not a policy", path.display()))
}

/// Serves until told to stop; then answers what is under way and closes everything cleanly.
pub(crate) async fn serve(
    deployment: Deployment,
    listen: SocketAddr,
    settings: console::Settings,
) -> Result<()> {
    ensure!(
        listen.ip().is_loopback(),
        "{listen} is not a loopback address: access control is not configured, so nobody else may reach this registry"
    );
    let listener =
        tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    deployment.lock().publish_address(&format!("http://{address}"))?;
    let registry: Arc<dyn Registry> = Arc::new(deployment.clone());
    let routes = api::router(Arc::clone(&registry)).merge(console::router(registry, settings));
    let routes = routes.layer(from_fn(for_this_host));
    let verifier = tokio::spawn(verify_now_and_then(deployment.clone()));
    print(&format!("serving {} at http://{address} (Ctrl-C stops)", deployment.data().root().display()))?;
    let server = axum::serve(listener, routes).with_graceful_shutdown(stop_asked());
    // A feed never ends by itself: after a stop is asked for, what still runs gets a while.
    tokio::select! {
        served = server => served.context("serving failed")?,
        () = async { stop_asked().await; tokio::time::sleep(Duration::from_secs(10)).await } => {}
    }
    verifier.abort();
    Ok(())
}

/// Turns away what was meant for another host. Whoever gets a reader to open a page, and lets that page's name mean
/// 127.0.0.1 afterwards, could else read the registry through the reader's browser (DNS rebinding).
async fn for_this_host(request: Request, next: Next) -> Response {
    let stated = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let stated = stated.or(request.uri().authority().map(Authority::as_str)).unwrap_or_default();
    if names_loopback(stated) {
        return next.run(request).await;
    }
    let detail = "this registry answers under localhost, 127.0.0.1 and [::1] only";
    Problem::new(421, "misdirected-request", "The request names another host.", detail).into_response()
}

fn names_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
    use super::names_loopback;

    #[test]
    fn only_names_of_this_machine_are_answered_under() {
        for name in ["localhost", "LOCALHOST:7878", "127.0.0.1:1", "127.9.9.9", "[::1]:7878"] {
            assert!(names_loopback(name), "{name}");
        }
        for name in ["", "example.org", "localhost.example.org:7878", "10.0.0.1", "[::2]", "a b", "[::1"] {
            assert!(!names_loopback(name), "{name}");
        }
    }
}
