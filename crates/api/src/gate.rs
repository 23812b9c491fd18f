//! Who is asking: bearer tokens, and the one way from a request to a registry that answers no more than is permitted.
//!
//! A route gets no registry but through a [`Gate`]; what it gets decides at every call. The tokens themselves are kept
//! elsewhere, behind [`Tokens`].

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{Method, header};
use clinical::{SiteId, TrialId};
use sha2::{Digest as _, Sha256};

use crate::guarded::Guarded;
use crate::policy::TokenRole;
use crate::problem::Problem;
use crate::registry::Registry;

/// The cookie that carries a token for a person's browser. It is taken for reading alone.
pub const TOKEN_COOKIE: &str = "trialbook_token";

/// SHA-256 of a token: all that is kept or compared of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's id, which is no secret.
    pub id: String,
    /// The role.
    pub role: TokenRole,
    /// The one site it is for; of a token for sites without it, nothing is permitted.
    pub site: Option<SiteId>,
    /// The one trial it is for; all, if not given.
    pub trial: Option<TrialId>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was never given out.
    Unknown,
    /// It was revoked.
    Revoked {
        /// The token's id.
        id: String,
    },
    /// Its time is over.
    Expired {
        /// The token's id.
        id: String,
    },
    /// It is good.
    Held(Holder),
    /// It is the one for whoever owns the data directory, who can read the files anyway.
    Owner,
}

/// Something that was asked for and not permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The problem's code.
    pub code: &'a str,
    /// Method and path of the route, without what stands in its variables.
    pub route: &'a str,
    /// The token's id, if it is a known one.
    pub token: Option<&'a str>,
}

/// Where tokens are known.
///
/// An answer MUST be of the moment it is given: what was revoked before the question is not good. `refused` is told of
/// each refusal and MUST NOT block.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Whether tokens are needed at all. Once they are, it MUST NOT change back while the process lives.
    async fn required(&self) -> Result<bool, Problem>;

    /// What is known of a token.
    async fn standing(&self, token: &TokenHash) -> Result<Standing, Problem>;

    /// Takes note of a refusal.
    fn refused(&self, refused: &Refused<'_>);
}

/// A registry, and who may ask it for what.
#[derive(Clone)]
pub struct Gate {
    registry: Arc<dyn Registry>,
    tokens: Option<Arc<dyn Tokens>>,
}

/// How somebody asks.
pub(crate) struct Asking {
    pub(crate) token: Option<TokenHash>,
    pub(crate) route: String,
}

impl Gate {
    /// A gate that asks for tokens where `tokens` says that they are needed.
    pub fn new(registry: Arc<dyn Registry>, tokens: Arc<dyn Tokens>) -> Self {
        Self { registry, tokens: Some(tokens) }
    }

    /// A gate that stands open: whoever reaches it may everything.
    pub fn open(registry: Arc<dyn Registry>) -> Self {
        Self { registry, tokens: None }
    }

    /// The registry, as far as it is open to who sends this request.
    pub fn registry(&self, request: &Parts) -> Arc<dyn Registry> {
        let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let asking = Asking {
            token: presented(request).map(TokenHash::of),
            route: format!("{} {route}", request.method),
        };
        Arc::new(Guarded::new(self.clone(), asking))
    }

    /// Whether everybody may everything.
    ///
    /// # Errors
    /// It cannot be told just now.
    pub async fn stands_open(&self) -> Result<bool, Problem> {
        match &self.tokens {
            None => Ok(true),
            Some(tokens) => Ok(!tokens.required().await?),
        }
    }

    /// Whether `token` is good, whatever it is good for.
    ///
    /// # Errors
    /// 401, and what is the matter with it.
    pub async fn admits(&self, token: &str) -> Result<(), Problem> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        match tokens.standing(&TokenHash::of(token)).await? {
            Standing::Held(_) | Standing::Owner => Ok(()),
            bad => Err(not_good(&bad)),
        }
    }

    pub(crate) fn inner(&self) -> &dyn Registry {
        &*self.registry
    }

    pub(crate) fn tokens(&self) -> Option<&dyn Tokens> {
        self.tokens.as_deref()
    }
}

/// 401: nobody is named.
pub(crate) fn missing() -> Problem {
    Problem::new(
        401,
        "token-missing",
        "A token is needed here.",
        "send a token that the registry's operator gave you as `Authorization: Bearer TOKEN`",
    )
}

/// 401: the token does not count.
pub(crate) fn not_good(standing: &Standing) -> Problem {
    let why = match standing {
        Standing::Revoked { .. } => "it was revoked",
        Standing::Expired { .. } => "its time is over",
        Standing::Unknown | Standing::Held(_) | Standing::Owner => "it is none of this registry's",
    };
    Problem::new(401, "token-not-good", "The token does not count here.", why)
}

/// 403: the token is good, but not for this.
pub(crate) fn not_permitted(detail: impl Into<String>) -> Problem {
    Problem::new(403, "not-permitted", "The token is not for this.", detail)
}

/// 403: whoever reads open reports is not to know who is in which arm.
pub(crate) fn arms_withheld(detail: impl Into<String>) -> Problem {
    Problem::new(403, "arms-withheld", "The trial has arms, and this would tell them apart.", detail)
}

/// The token that a request presents.
fn presented(request: &Parts) -> Option<&str> {
    if let Some(stated) = request.headers.get(header::AUTHORIZATION) {
        let (scheme, token) = stated.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    // A browser sends cookies by itself: nothing is to be changed in a person's name by that.
    if request.method != Method::GET {
        return None;
    }
    let cookies = request.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == TOKEN_COOKIE).map(|(_, token)| token.trim())
}

/// The registry, as far as it is open to the request at hand.
pub(crate) struct Permitted(pub(crate) Arc<dyn Registry>);

impl FromRequestParts<Gate> for Permitted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Self, Infallible> {
        Ok(Self(gate.registry(parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_token_is_taken_from_the_header_and_of_a_reading_browser_from_its_cookie() {
        let check = |method: &str, headers: &[(&str, &str)], due: Option<&str>| {
            assert_eq!(presented(&parts(method, headers)), due, "{method} {headers:?}");
        };
        check("GET", &[], None);
        check("POST", &[("authorization", "Bearer tbk_a")], Some("tbk_a"));
        check("GET", &[("authorization", "bearer tbk_a")], Some("tbk_a"));
        check("GET", &[("authorization", "Basic tbk_a")], None);
        check("GET", &[("authorization", "tbk_a")], None);
        check("GET", &[("cookie", "other=1; trialbook_token=tbk_b")], Some("tbk_b"));
        check("GET", &[("cookie", "xtrialbook_token=tbk_b")], None);
        check("POST", &[("cookie", "trialbook_token=tbk_b")], None);
        // Whoever states a header means it.
        check("GET", &[("authorization", "Basic x"), ("cookie", "trialbook_token=tbk_b")], None);
    }

    #[test]
    fn a_hash_is_that_of_the_tokens_text_and_does_not_show_itself() {
        let due = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(chain::RecordHash(TokenHash::of("abc").0).to_string(), due);
        assert_eq!(format!("{:?}", TokenHash::of("abc")), "TokenHash");
    }
}
