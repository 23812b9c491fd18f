//! Who is asking: bearer tokens and sessions, and the one way from a request to a registry that answers no more than is permitted.
//!
//! A route gets no registry but through a [`Gate`]; what it gets decides at every call. The tokens themselves are kept
//! elsewhere, behind [`Tokens`].

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{Method, header};
use clinical::{SiteId, TrialId};
use sha2::{Digest as _, Sha256};

use crate::cookies::Cookies;
use crate::elsewhere::{Elsewhere, LetIn, Returned, SetOut};
use crate::guarded::Guarded;
use crate::policy::{Permission, Resource, TokenRole, permission, permission_beside_arms};
use crate::problem::Problem;
use crate::registry::Registry;
use crate::session::{Credentials, Peer, Posted, Reader, RefusalsPage, SESSION_PREFIX, SessionSecret};

/// SHA-256 of a token or of a session's secret: all that is kept or compared of it.
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

/// Who holds a token, or is in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's id, the account's name or that of an organisation's person, which is no secret.
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
    /// The token's id or the account's name, if it is a known one.
    pub token: Option<&'a str>,
    /// The address it came from.
    pub peer: Option<IpAddr>,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Somebody of whom nothing is asked: the registry is open to everybody.
    Anybody,
    /// Whoever owns the data directory.
    Owner,
    /// The holder of a token, in a session or by the token itself.
    Holder(Holder),
    /// Nobody who is known.
    Nobody,
}

impl Asker {
    /// Whether it may have all of `resource`.
    pub fn may(&self, resource: Resource) -> bool {
        self.permission(resource, false) == Permission::All
    }

    /// How much of `resource` it may have, of a trial that has arms or has none.
    pub fn permission(&self, resource: Resource, has_arms: bool) -> Permission {
        let role = match self {
            Self::Anybody | Self::Owner => return Permission::All,
            Self::Holder(holder) => Some(holder.role),
            Self::Nobody => None,
        };
        if has_arms { permission_beside_arms(role, resource) } else { permission(role, resource) }
    }
}

/// Where tokens and sessions are known.
///
/// An answer MUST be of the moment it is given: what was revoked before the question is not good, and neither is a
/// session that was left, or whose account or token does not count any more. `refused` is told of each refusal and MUST
/// NOT block. `enter` MUST take as long for a name that there is not as for one that there is, and MUST refuse with 429
/// whoever tries too often. `come_back` MUST let in nobody by a way that another browser set out on, that was finished
/// before, or that is too long ago.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Whether tokens are needed at all. Once they are, it MUST NOT change back while the process lives.
    async fn required(&self) -> Result<bool, Problem>;

    /// What is known of a token.
    async fn standing(&self, token: &TokenHash) -> Result<Standing, Problem>;

    /// Takes note of a refusal.
    fn refused(&self, refused: &Refused<'_>);

    /// Lets somebody in: a new session. A refusal names who was refused, if that is a known one.
    async fn enter(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<SessionSecret, (Problem, Option<String>)>;

    /// Where people of an organisation sign in, if they do.
    async fn elsewhere(&self) -> Option<Elsewhere>;

    /// Begins a way to sign in there, that ends at `to`, a path of this registry's.
    async fn set_out(&self, to: &str, peer: Option<IpAddr>) -> Result<SetOut, Problem>;

    /// Lets somebody in whom the organisation vouches for: a new session. A refusal names who was refused, as far as
    /// that is known.
    async fn come_back(&self, returned: Returned) -> Result<LetIn, (Problem, Option<String>)>;

    /// Ends a session.
    async fn leave(&self, session: &TokenHash) -> Result<(), Problem>;

    /// Counts a request that changes something, of a session or from an address.
    ///
    /// # Errors
    /// 429: there are too many.
    fn posting(&self, session: Option<&TokenHash>, peer: Option<IpAddr>) -> Result<(), Problem>;

    /// What was refused before a number, the latest first, at most `limit`.
    async fn refusals(&self, before: Option<u64>, limit: usize) -> Result<RefusalsPage, Problem>;

    /// Everybody who may read or once might: tokens in the order in which they were made, then accounts by
    /// name, then an organisation's persons who are signed in.
    async fn readers(&self) -> Result<Vec<Reader>, Problem>;
}

/// A registry, and who may ask it for what.
#[derive(Clone)]
pub struct Gate {
    registry: Arc<dyn Registry>,
    tokens: Option<Arc<dyn Tokens>>,
    cookies: Cookies,
}

/// How somebody asks.
pub(crate) struct Asking {
    pub(crate) token: Option<TokenHash>,
    pub(crate) route: String,
    pub(crate) peer: Option<IpAddr>,
}

impl Gate {
    /// A gate that asks for tokens where `tokens` says that they are needed.
    pub fn new(registry: Arc<dyn Registry>, tokens: Arc<dyn Tokens>, cookies: Cookies) -> Self {
        Self { registry, tokens: Some(tokens), cookies }
    }

    /// A gate that stands open: whoever reaches it may everything.
    pub fn open(registry: Arc<dyn Registry>) -> Self {
        Self { registry, tokens: None, cookies: Cookies::new(false) }
    }

    /// How browsers keep what they are let in by.
    pub fn cookies(&self) -> Cookies {
        self.cookies
    }

    /// The registry, as far as it is open to who sends this request.
    pub fn registry(&self, request: &Parts) -> Arc<dyn Registry> {
        Arc::new(self.guarded(request))
    }

    fn guarded(&self, request: &Parts) -> Guarded {
        let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let asking = Asking {
            token: presented(request, self.cookies).map(TokenHash::of),
            route: format!("{} {route}", request.method),
            peer: peer(request),
        };
        Guarded::new(self.clone(), asking)
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

    /// Who sends this request. Nothing is refused by asking this.
    ///
    /// # Errors
    /// It cannot be told just now.
    pub async fn asker(&self, request: &Parts) -> Result<Asker, Problem> {
        let open = self.stands_open().await?;
        match self.guarded(request).holder().await {
            Ok(Some(holder)) => Ok(Asker::Holder(holder)),
            Ok(None) if open => Ok(Asker::Anybody),
            Ok(None) => Ok(Asker::Owner),
            Err((problem, _)) if problem.status == 401 => Ok(Asker::Nobody),
            Err((problem, _)) => Err(problem),
        }
    }

    /// Whether who sends this request may have `resource`, of one trial or of all. For what is no registry's to answer.
    ///
    /// # Errors
    /// 401, 403; noted as a refusal.
    pub async fn permit(
        &self,
        request: &Parts,
        resource: Resource,
        trial: Option<&TrialId>,
    ) -> Result<(), Problem> {
        self.guarded(request).allow(resource, trial).await.map(drop)
    }

    /// Takes note that a request was refused, of who sends it.
    pub async fn refuse(&self, request: &Parts, problem: Problem) -> Problem {
        let guarded = self.guarded(request);
        let who = guarded.holder().await.ok().flatten().map(|holder| holder.id);
        guarded.refuse(problem, who.as_deref())
    }

    /// Lets somebody in: a new session.
    ///
    /// # Errors
    /// 401, 429; noted as a refusal.
    pub async fn enter(&self, request: &Parts, credentials: Credentials) -> Result<SessionSecret, Problem> {
        let Some(tokens) = &self.tokens else {
            return Err(Problem::not_found("this registry is open: there is nothing to sign in to"));
        };
        let entered = tokens.enter(credentials, peer(request)).await;
        entered.map_err(|(problem, who)| self.guarded(request).refuse(problem, who.as_deref()))
    }

    /// Where people of an organisation sign in, if they do.
    pub async fn elsewhere(&self) -> Option<Elsewhere> {
        match &self.tokens {
            Some(tokens) => tokens.elsewhere().await,
            None => None,
        }
    }

    /// Begins a way to sign in there, that ends at `to`, a path of this registry's.
    ///
    /// # Errors
    /// 404: nobody signs in elsewhere. 429; noted as a refusal. 502, 503: the organisation's issuer cannot be asked.
    pub async fn set_out(&self, request: &Parts, to: &str) -> Result<SetOut, Problem> {
        let Some(tokens) = &self.tokens else {
            return Err(nowhere_else());
        };
        let begun = tokens.set_out(to, peer(request)).await;
        begun.map_err(|problem| self.guarded(request).refuse(problem, None))
    }

    /// Lets somebody in whom the organisation vouches for: a new session.
    ///
    /// # Errors
    /// 400, 403; noted as a refusal. 404, 502, 503 as [`Gate::set_out`].
    pub async fn come_back(&self, request: &Parts, returned: Returned) -> Result<LetIn, Problem> {
        let Some(tokens) = &self.tokens else {
            return Err(nowhere_else());
        };
        let entered = tokens.come_back(returned).await;
        entered.map_err(|(problem, who)| self.guarded(request).refuse_entry(problem, who.as_deref()))
    }

    /// Ends the session that a request is in, if it is in one.
    ///
    /// # Errors
    /// It could not be ended.
    pub async fn leave(&self, request: &Parts) -> Result<(), Problem> {
        match (&self.tokens, self.cookies.session(&request.headers)) {
            (Some(tokens), Some(session)) => tokens.leave(&TokenHash::of(session)).await,
            _ => Ok(()),
        }
    }

    /// Counts a request that changes something: of a session, or, where there is none, from an address.
    ///
    /// # Errors
    /// 429; noted as a refusal. It cannot be told just now whose session it is.
    pub async fn posting(&self, request: &Parts) -> Result<(), Problem> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let session = match self.cookies.session(&request.headers).map(TokenHash::of) {
            // What nobody is in was made up: however many such there are, they come from one address.
            Some(session) => match tokens.standing(&session).await? {
                Standing::Held(_) | Standing::Owner => Some(session),
                Standing::Unknown | Standing::Revoked { .. } | Standing::Expired { .. } => None,
            },
            None => None,
        };
        match tokens.posting(session.as_ref(), peer(request)) {
            Ok(()) => Ok(()),
            Err(problem) => Err(self.refuse(request, problem).await),
        }
    }

    /// What was refused before a number, the latest first.
    ///
    /// # Errors
    /// 401, 403; noted as a refusal.
    pub async fn refusals(
        &self,
        request: &Parts,
        before: Option<u64>,
        limit: usize,
    ) -> Result<RefusalsPage, Problem> {
        self.permit(request, Resource::Workings, None).await?;
        match &self.tokens {
            Some(tokens) => tokens.refusals(before, limit).await,
            None => Ok(RefusalsPage { next: None, refusals: Vec::new() }),
        }
    }

    /// Everybody who may read or once might; `None` where whoever reaches the registry reads it.
    ///
    /// # Errors
    /// 401, 403; noted as a refusal.
    pub async fn readers(&self, request: &Parts) -> Result<Option<Vec<Reader>>, Problem> {
        self.permit(request, Resource::Workings, None).await?;
        match &self.tokens {
            Some(tokens) if tokens.required().await? => tokens.readers().await.map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn inner(&self) -> &dyn Registry {
        &*self.registry
    }

    pub(crate) fn tokens(&self) -> Option<&dyn Tokens> {
        self.tokens.as_deref()
    }
}

/// 404: nobody signs in but here.
pub fn nowhere_else() -> Problem {
    Problem::not_found("nobody signs in to this registry with an organisation")
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
pub fn not_good(standing: &Standing) -> Problem {
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

/// The token that a request presents, or its session: each where it belongs, and nowhere else.
fn presented(request: &Parts, cookies: Cookies) -> Option<&str> {
    if let Some(stated) = request.headers.get(header::AUTHORIZATION) {
        let (scheme, token) = stated.to_str().ok()?.split_once(' ')?;
        let token = Some(token.trim()).filter(|token| !token.starts_with(SESSION_PREFIX));
        return token.filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    }
    // A browser sends cookies by itself: nothing is to be changed in a person's name by that.
    if request.method != Method::GET && request.extensions.get::<Posted>().is_none() {
        return None;
    }
    cookies.session(&request.headers)
}

/// The address that a request comes from.
fn peer(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<Peer>().map(|peer| peer.0)
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
    fn a_token_is_taken_from_the_header_and_the_session_of_a_reading_browser_from_its_cookie() {
        let check = |method: &str, headers: &[(&str, &str)], due: Option<&str>| {
            assert_eq!(presented(&parts(method, headers), Cookies::new(false)), due, "{method} {headers:?}");
        };
        check("GET", &[], None);
        check("POST", &[("authorization", "Bearer tbk_a")], Some("tbk_a"));
        check("GET", &[("authorization", "bearer tbk_a")], Some("tbk_a"));
        check("GET", &[("authorization", "Basic tbk_a")], None);
        check("GET", &[("authorization", "tbk_a")], None);
        check("GET", &[("cookie", "other=1; trialbook_session=tbs_b")], Some("tbs_b"));
        check("POST", &[("cookie", "trialbook_session=tbs_b")], None);
        // Each where it belongs.
        check("GET", &[("cookie", "trialbook_session=tbk_a")], None);
        check("GET", &[("authorization", "Bearer tbs_b")], None);
        let mut posted = parts("POST", &[("cookie", "trialbook_session=tbs_b")]);
        posted.extensions.insert(Posted);
        assert_eq!(presented(&posted, Cookies::new(false)), Some("tbs_b"));
        // Whoever states a header means it.
        check("GET", &[("authorization", "Basic x"), ("cookie", "trialbook_session=tbs_b")], None);
    }

    #[test]
    fn a_hash_is_that_of_the_tokens_text_and_does_not_show_itself() {
        let due = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(chain::RecordHash(TokenHash::of("abc").0).to_string(), due);
        assert_eq!(format!("{:?}", TokenHash::of("abc")), "TokenHash");
    }
}
