//! The issuer, as it is asked: where it sends people and which keys it signs with, fetched and kept for a while; a code
//! exchanged for an identity; and whether that identity is good.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreJsonWebKey, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRequestTokenError,
};
use openidconnect::http::{Response, StatusCode};
use openidconnect::url::Url;
use openidconnect::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError, CsrfToken, DiscoveryError,
    HttpRequest, HttpResponse, IdTokenVerifier, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    SignatureVerificationError, TokenResponse as _, TokenUrl,
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::file::{Settings, may_be_asked};
use super::ways::{self, Begun, Way};
use crate::{reach, world};

/// How long an answer of the issuer may take, from the first byte sent to the last one read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer read: key sets have some KiB, and an identity with a thousand groups some 50.
const ANSWER_BYTES_MAX: usize = 512 * 1024;

/// How long it is believed what the issuer said of itself.
const BELIEVED: Duration = Duration::from_hours(1);

/// How long an issuer that failed is not asked again, so that no page waits for it each time.
const FAILED: Duration = Duration::from_secs(5);

/// How often at most the keys are fetched anew because one is not among them: whoever makes keys up costs no more.
const ANEW: Duration = Duration::from_secs(10);

/// How far the issuer's clock may be ahead of ours.
const AHEAD_SECONDS: i64 = 60;

/// What a signature may be made with: all of them have a public half, so that nobody who checks can sign.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why the issuer vouches for nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It gave no answer.
    #[error("the issuer cannot be reached: {0}")]
    Away(String),
    /// Its answer cannot be used.
    #[error("the issuer's answer cannot be used: {0}")]
    Unclear(String),
    /// What was brought from there is worth nothing.
    #[error("{0}")]
    NotGood(&'static str),
}

/// How the issuer is asked: the one client of HTTP that there is here, as the library wants it.
struct Http(reqwest::Client);

/// What is awaited of the issuer. Named, so that it is known to go from thread to thread.
type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a> AsyncHttpClient<'a> for Http {
    type Error = Fault;
    type Future = Awaited<'a, Result<HttpResponse, Fault>>;

    fn call(&'a self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The issuer.
pub(super) struct Issuer {
    http: Http,
    known: Mutex<Known>,
}

/// What is known of the issuer just now.
#[derive(Default)]
struct Known {
    said: Option<(Instant, Arc<CoreProviderMetadata>)>,
    failed: Option<(Instant, Fault)>,
    anew: Option<Instant>,
}

impl Issuer {
    /// Makes ready to ask; asks nothing yet.
    ///
    /// # Errors
    /// The certificates to believe cannot be read.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let http = reach::issuer(settings.issuer.url(), settings.ca.as_deref())?;
        Ok(Self { http: Http(http.timeout(ANSWER_TIMEOUT).build()?), known: Mutex::default() })
    }

    /// What the issuer says of itself, not longer ago than it is believed.
    pub(super) async fn said(&self, settings: &Settings) -> Result<Arc<CoreProviderMetadata>, Fault> {
        // Held while it is asked: whoever comes meanwhile waits for the same answer.
        let mut known = self.known.lock().await;
        if let Some((at, said)) = &known.said
            && at.elapsed() < BELIEVED
        {
            return Ok(Arc::clone(said));
        }
        if let Some((at, fault)) = &known.failed
            && at.elapsed() < FAILED
        {
            return Err(fault.clone());
        }
        self.ask(settings, &mut known).await
    }

    /// As [`Issuer::said`], where `before` does not hold a key that was used.
    async fn said_anew(
        &self,
        settings: &Settings,
        before: &Arc<CoreProviderMetadata>,
    ) -> Result<Arc<CoreProviderMetadata>, Fault> {
        let mut known = self.known.lock().await;
        if let Some((_, said)) = &known.said
            && !Arc::ptr_eq(said, before)
        {
            return Ok(Arc::clone(said));
        }
        if known.anew.is_some_and(|at| at.elapsed() < ANEW) {
            return Ok(Arc::clone(before));
        }
        known.anew = Some(Instant::now());
        self.ask(settings, &mut known).await
    }

    async fn ask(&self, settings: &Settings, known: &mut Known) -> Result<Arc<CoreProviderMetadata>, Fault> {
        let asked: Awaited<'_, _> =
            Box::pin(CoreProviderMetadata::discover_async(settings.issuer.clone(), &self.http));
        match asked.await.map_err(of_discovery).and_then(usable) {
            Ok(said) => {
                let said = Arc::new(said);
                (known.said, known.failed) = (Some((Instant::now(), Arc::clone(&said))), None);
                Ok(said)
            }
            Err(fault) => {
                tracing::error!("{fault}");
                known.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// The address that a browser is sent to.
    pub(super) fn address(settings: &Settings, said: &CoreProviderMetadata, begun: &Begun) -> String {
        let client = CoreClient::from_provider_metadata(said.clone(), settings.client_id.clone(), None)
            .set_redirect_uri(settings.redirect.clone());
        let verifier = PkceCodeVerifier::new(begun.verifier.clone());
        let (state, nonce) = (CsrfToken::new(begun.state.clone()), Nonce::new(begun.nonce.clone()));
        let request = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let request = request
            .add_scopes(settings.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        request.url().0.to_string()
    }

    /// What the issuer claims of whoever brought `code` back by `way`.
    pub(super) async fn vouches(
        &self,
        settings: &Settings,
        said: Arc<CoreProviderMetadata>,
        code: String,
        way: &Way,
    ) -> Result<Value, Fault> {
        let client = CoreClient::from_provider_metadata(
            (*said).clone(),
            settings.client_id.clone(),
            Some(settings.client_secret.clone()),
        );
        let client = client.set_redirect_uri(settings.redirect.clone()).set_auth_type(authenticating(&said));
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| Fault::Unclear("it names no address for tokens".to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(way.verifier.clone()));
        let exchanged: Awaited<'_, _> = Box::pin(exchange.request_async(&self.http));
        let exchanged = exchanged.await.map_err(of_exchange)?;
        let Some(token) = exchanged.id_token() else {
            return Err(Fault::Unclear("it gave no ID token".to_owned()));
        };
        match checked(settings, &said, token, &way.nonce) {
            Err(Unchecked::KeyUnknown) => {
                let anew = self.said_anew(settings, &said).await?;
                checked(settings, &anew, token, &way.nonce)
            }
            checked => checked,
        }
        .map_err(|unchecked| Fault::NotGood(unchecked.why()))
    }
}

impl Http {
    /// Sends a request and reads the answer, as far as it is short and comes in time. No redirection is followed.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let unclear = |what: &str| Fault::Unclear(what.to_owned());
        let request =
            reqwest::Request::try_from(request).map_err(|_| unclear("it names an address that is none"))?;
        if !may_be_asked(request.url()) {
            return Err(unclear("it names an address that is neither https nor of this machine"));
        }
        // An error's own text names the address, whose query may hold what nobody is to read.
        let away = |error: reqwest::Error| Fault::Away(causes(&error.without_url()));
        let mut answer = self.0.execute(request).await.map_err(away)?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(unclear("it answers with a redirection, which is not followed"));
        }
        if status.is_server_error() {
            return Err(Fault::Away(format!("it answers with status {}", status.as_u16())));
        }
        let content_type = answer.headers().get(reqwest::header::CONTENT_TYPE).cloned();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(unclear("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let mut response = Response::new(bytes);
        *response.status_mut() = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        if let Some(content_type) = content_type {
            response.headers_mut().insert(reqwest::header::CONTENT_TYPE, content_type);
        }
        Ok(response)
    }
}

/// What an error says, and what those behind it say.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said.push_str(&format!(": {error}"));
        source = error.source();
    }
    said
}

/// What an issuer says of itself, if people and codes may be sent where it says.
fn usable(said: CoreProviderMetadata) -> Result<CoreProviderMetadata, Fault> {
    let addresses = [Some(said.authorization_endpoint().url()), said.token_endpoint().map(TokenUrl::url)];
    let good = addresses.iter().all(|url| url.is_some_and(|url: &Url| may_be_asked(url)));
    let what = "an address that it names is neither https nor of this machine, or there is none for tokens";
    if good { Ok(said) } else { Err(Fault::Unclear(what.to_owned())) }
}

/// How the registry shows itself to the issuer: as the standard has it, or in the one other way that the issuer may
/// know.
fn authenticating(said: &CoreProviderMetadata) -> AuthType {
    let known = said.token_endpoint_auth_methods_supported();
    let knows = |method| known.is_none_or(|known| known.contains(&method));
    let in_body =
        !knows(CoreClientAuthMethod::ClientSecretBasic) && knows(CoreClientAuthMethod::ClientSecretPost);
    if in_body { AuthType::RequestBody } else { AuthType::BasicAuth }
}

fn of_discovery(error: DiscoveryError<Fault>) -> Fault {
    let unclear = |what: &str| Fault::Unclear(what.to_owned());
    match error {
        DiscoveryError::Request(fault) => fault,
        DiscoveryError::Parse(error) => {
            Fault::Unclear(format!("what it says of itself is not of the form at {}", error.path()))
        }
        DiscoveryError::Response(status, ..) if status.is_success() => unclear("it is no JSON"),
        DiscoveryError::Response(status, ..) => {
            Fault::Unclear(format!("it answers with status {}", status.as_u16()))
        }
        DiscoveryError::Validation(_) => unclear("it says that it is another issuer than the one configured"),
        _ => unclear("it cannot be asked what it says of itself"),
    }
}

/// What went wrong at the exchange. Nothing of the answer is in it: a token could be.
fn of_exchange(error: CoreRequestTokenError<Fault>) -> Fault {
    let unclear = |what: &str| Fault::Unclear(what.to_owned());
    match error {
        CoreRequestTokenError::Request(fault) => fault,
        CoreRequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant => Fault::NotGood("the issuer does not take the code"),
            CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                unclear("it does not take the client id and its secret")
            }
            _ => unclear("it refuses to exchange the code"),
        },
        CoreRequestTokenError::Parse(error, _) => {
            Fault::Unclear(format!("what it gives for a code is not of the form at {}", error.path()))
        }
        CoreRequestTokenError::Other(_) => unclear("it gives nothing for a code"),
    }
}

/// Why an ID token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unchecked {
    KeyUnknown,
    Algorithm,
    Signature,
    Issuer,
    Audience,
    Party,
    Time,
    Nonce,
    Form,
}

impl Unchecked {
    fn why(self) -> &'static str {
        match self {
            Self::KeyUnknown => "it is signed by no key of the issuer",
            Self::Algorithm => "it is not signed in a way that counts here",
            Self::Signature => "its signature does not hold",
            Self::Issuer => "it is of another issuer",
            Self::Audience => "it is for somebody else than this registry",
            Self::Party => "it was given to somebody else than this registry",
            Self::Time => "its time is over, or has not come",
            Self::Nonce => "it is of another sign-in than this one",
            Self::Form => "it is not of the form of an identity",
        }
    }
}

impl From<ClaimsVerificationError> for Unchecked {
    fn from(error: ClaimsVerificationError) -> Self {
        use SignatureVerificationError as S;
        match error {
            ClaimsVerificationError::SignatureVerification(error) => match error {
                S::NoMatchingKey | S::AmbiguousKeyId(_) => Self::KeyUnknown,
                S::DisallowedAlg(_) | S::NoSignature | S::UnsupportedAlg(_) => Self::Algorithm,
                _ => Self::Signature,
            },
            ClaimsVerificationError::InvalidIssuer(_) => Self::Issuer,
            ClaimsVerificationError::InvalidAudience(_) => Self::Audience,
            ClaimsVerificationError::Expired(_) => Self::Time,
            ClaimsVerificationError::InvalidNonce(_) => Self::Nonce,
            _ => Self::Form,
        }
    }
}

/// The claims of an ID token that is good: signed by a key of the issuer's, for this registry, now, and for this way.
fn checked(
    settings: &Settings,
    said: &CoreProviderMetadata,
    token: &CoreIdToken,
    nonce: &str,
) -> Result<Value, Unchecked> {
    // As of a client without a secret: what is signed with a secret is refused whatever list it is on.
    let verifier = IdTokenVerifier::<CoreJsonWebKey>::new_public_client(
        settings.client_id.clone(),
        settings.issuer.clone(),
        said.jwks().clone(),
    )
    .set_allowed_algs(ALGORITHMS)
    // Others may be meant beside us, where it was given to us: that is looked at below.
    .set_other_audience_verifier_fn(|_| true)
    .set_issue_time_verifier_fn(|issued| issued_now(issued.timestamp()));
    let claims = token.claims(&verifier, &Nonce::new(nonce.to_owned()))?;
    let to_us = match claims.authorized_party() {
        Some(party) => *party == settings.client_id,
        None => claims.audiences().len() == 1,
    };
    if !to_us {
        return Err(Unchecked::Party);
    }
    // The library keeps no claims that it does not know: they are read again, of the token that has just been checked.
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or(Unchecked::Form)
}

/// Whether an identity was stated for a way that can be finished now.
fn issued_now(issued_seconds: i64) -> Result<(), String> {
    let now = world::now().microseconds() / 1_000_000;
    let oldest = now - i64::try_from(ways::LIFE.as_secs()).unwrap_or(i64::MAX) - AHEAD_SECONDS;
    if (oldest..=now + AHEAD_SECONDS).contains(&issued_seconds) { Ok(()) } else { Err(String::new()) }
}
