//! How the program reaches other servers over HTTP: with which token, and whose certificates it believes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::cli::Credentials;
use crate::commands::read_bytes;
use crate::world;

/// Longest token file read.
const TOKEN_BYTES_MAX: usize = 1024;

/// An HTTP client for the server at `url`, which sends its token with every request. It follows no redirection, so that
/// the token goes nowhere else.
pub(crate) fn client(url: &str, credentials: &Credentials) -> Result<ClientBuilder> {
    let token = token(credentials)?;
    let url: Url = url.parse().with_context(|| format!("{url} is no address"))?;
    with_token(&url, token.as_deref(), credentials.ca.as_deref())
}

/// As [`client`], of another process of the same registry, with `own` for a token where no file is named.
pub(crate) fn service_client(
    url: &str,
    credentials: &Credentials,
    own: Option<&str>,
) -> Result<ClientBuilder> {
    let token = match (own, &credentials.token_file) {
        (Some(own), None) => Some(own.to_owned()),
        (None, Some(_)) => token(credentials)?,
        (None, None) => None,
        (Some(_), Some(_)) => anyhow::bail!("give the token or its file, not both"),
    };
    let url: Url = url.parse().with_context(|| format!("{url} is no address"))?;
    Ok(with_token(&url, token.as_deref(), credentials.ca.as_deref())?.no_proxy())
}

/// As [`client`], of a server on this machine and with a token that is at hand.
pub(crate) fn local_client(url: &str, token: Option<&str>) -> Result<ClientBuilder> {
    let url: Url = url.parse().with_context(|| format!("{url} is no address"))?;
    Ok(with_token(&url, token, None)?.no_proxy())
}

/// An HTTP client for servers of others, which are sent no token.
pub(crate) fn client_of_others(ca: Option<&Path>) -> Result<ClientBuilder> {
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls(true, ca)?))
}

/// An HTTP client for an issuer of identities at `url`, which is sent no token. One on this machine is asked directly,
/// others over the proxy that the system knows, if it knows one.
pub(crate) fn issuer(url: &Url, ca: Option<&Path>) -> Result<ClientBuilder> {
    let client = with_token(url, None, ca)?;
    Ok(if on_this_machine(url) { client.no_proxy() } else { client })
}

/// An HTTP client for a collector of spans at `url`, which is sent no token.
pub(crate) fn collector(url: &Url) -> Result<ClientBuilder> {
    Ok(with_token(url, None, None)?.no_proxy())
}

fn with_token(url: &Url, token: Option<&str>, ca: Option<&Path>) -> Result<ClientBuilder> {
    let secure = url.scheme() == "https";
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        ensure!(
            secure || on_this_machine(url),
            "a token goes to another machine over https only, not to {url}"
        );
        let stated = HeaderValue::from_str(&format!("Bearer {token}"));
        // The error could quote the token; it is left out.
        let mut stated = stated.map_err(|_| anyhow::anyhow!("the token is none"))?;
        stated.set_sensitive(true);
        headers.insert(AUTHORIZATION, stated);
    }
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls(secure, ca)?)
        .redirect(Policy::none())
        .default_headers(headers))
}

pub(crate) fn on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The token: from its file, or else from the environment.
fn token(credentials: &Credentials) -> Result<Option<String>> {
    let Some(path) = &credentials.token_file else {
        return Ok(world::token().map(|token| token.trim().to_owned()));
    };
    read_token(path).map(Some)
}

/// The token in a file.
pub(crate) fn read_token(path: &Path) -> Result<String> {
    let bytes = read_bytes(path, TOKEN_BYTES_MAX)?;
    let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    let text = text.filter(|text| !text.is_empty());
    text.with_context(|| format!("{} holds no token", path.display()))
}

/// Whose certificates are believed: those that the authorities in a file have signed, and no others; without one, those
/// that the system believes. Where no TLS is spoken the system is not asked, which may know none.
fn tls(secure: bool, ca: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            let added = roots.add(certificate);
            added.with_context(|| format!("{} holds a certificate that is none", path.display()))?;
        }
    } else if secure {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        ensure!(!roots.is_empty(), "this system knows no certificate authorities: give one with --ca");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let cannot = || format!("cannot read certificates from {}", path.display());
    let found = CertificateDer::pem_file_iter(path).with_context(cannot)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().with_context(cannot)?;
    ensure!(!found.is_empty(), "{} holds no certificate (PEM is expected)", path.display());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_another_machine_over_tls_only() {
        let check = |url: &str, sent: bool| {
            let url: Url = url.parse().unwrap();
            let path = tempfile::NamedTempFile::new().unwrap();
            // An empty file is no authority: what is asked here is settled before it is read.
            let made = with_token(&url, Some("tbk_0"), Some(path.path()));
            let why = made.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(!why.contains("over https only"), sent, "{url}: {why}");
        };
        check("http://registry.example", false);
        check("http://10.0.0.1:7878", false);
        check("http://127.0.0.1.example.org", false);
        check("http://127.0.0.1:7878", true);
        check("http://[::1]:7878", true);
        check("http://localhost", true);
        check("https://registry.example", true);
    }
}
