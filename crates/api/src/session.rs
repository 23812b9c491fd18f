//! Sessions of people's browsers: how one is entered, what a form carries to show that it is the person's own, and what
//! was refused. Not where any of it is kept.

use std::fmt;
use std::net::IpAddr;

use chain::{Instant, RecordHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// What every session's secret begins with, so that one that is lost is recognised, and none is taken for a token.
pub const SESSION_PREFIX: &str = "tbs_";

/// What a form's token is derived under, so that it is the hash of nothing else.
const FORM_TOKEN_DOMAIN: &[u8] = b"trialbook form token\0";

/// What a person shows to be let in.
#[derive(Clone)]
pub enum Credentials {
    /// A bearer token.
    Token(String),
    /// An account's name and its password.
    Password {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// In a demonstration: which of its readers to look as.
    Look(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The value of a session's cookie, which is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(pub String);

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret")
    }
}

/// What a form of a session's pages carries, so that a page of another site cannot send it. Derived from the session, so it
/// is kept nowhere and ends with it.
#[derive(Clone, PartialEq, Eq)]
pub struct FormToken(String);

impl FormToken {
    /// The token of a session's forms.
    ///
    /// ```
    /// use api::FormToken;
    /// assert!(FormToken::of("tbs_1").matches(FormToken::of("tbs_1").as_str()));
    /// assert!(!FormToken::of("tbs_1").matches(FormToken::of("tbs_2").as_str()));
    /// ```
    pub fn of(session: &str) -> Self {
        let digest = Sha256::new().chain_update(FORM_TOKEN_DOMAIN).chain_update(session).finalize();
        Self(RecordHash(digest.into()).to_string())
    }

    /// As it stands in a form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is it. Takes as long whether much of it agrees or little.
    pub fn matches(&self, given: &str) -> bool {
        let differs = |(one, other): (u8, u8)| one ^ other;
        self.0.len() == given.len()
            && self.0.bytes().zip(given.bytes()).map(differs).fold(0, |all, one| all | one) == 0
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormToken")
    }
}

/// Put among a request's extensions by whoever has made sure that it was sent from a page of ours, by the person whose
/// session it is in: what it asks for may then be done in that person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted;

/// The address that a request comes from; among its extensions where the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalView {
    /// When.
    #[schema(value_type = String)]
    pub at: Instant,
    /// The problem's code.
    pub code: String,
    /// Its number; later ones have greater ones.
    pub id: u64,
    /// The address it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Method and path of the route, without what stands in its variables.
    pub route: String,
    /// How often at about that time.
    pub times: u64,
    /// Id of the token or name of the account, if it is a known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A page of refusals, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalsPage {
    /// `before` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// The refusals.
    pub refusals: Vec<RefusalView>,
}

/// Somebody who is let in to read, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Id of the token or name of the account or person.
    pub id: String,
    /// `token`, `account` or `organisation`.
    pub by: &'static str,
    /// Whom the token was given to, as whoever made it said.
    pub given_to: Option<String>,
    /// The role.
    pub role: String,
    /// The one trial it is for.
    pub trial: Option<String>,
    /// The one site it is for.
    pub site: Option<String>,
    /// When it was made; of an organisation's person, when the session began that goes on longest.
    pub made_at: Instant,
    /// Until when a token is good.
    pub until: Option<Instant>,
    /// Since when it is not good any more.
    pub ended_at: Option<Instant>,
    /// Sessions that go on.
    pub sessions: u64,
    /// When one of these was last used, to a minute.
    pub seen_at: Option<Instant>,
}
