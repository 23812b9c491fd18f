//! The tokens of a deployment: made, looked up, and refusals noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use api::{Holder, Problem, Refused, Standing, TokenHash, TokenRole};
use async_trait::async_trait;
use keep::Token;

use crate::data::Data;
use crate::world;

/// What every token begins with, so that one that is lost is recognised.
const PREFIX: &str = "tbk_";

/// A new token; whoever has it is its holder.
pub(crate) fn new_token() -> String {
    format!("{PREFIX}{}", world::random_hex::<32>())
}

/// Whether a text has the form of a token.
pub(crate) fn is_one(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 64 && rest.bytes().all(hex))
}

/// Opens the store of tokens, or makes it.
pub(crate) fn open(data: &Data) -> Result<keep::Tokens> {
    let path = data.tokens();
    keep::Tokens::open(&path).with_context(|| format!("cannot open {}", path.display()))
}

/// The tokens, as a server asks for them.
pub(crate) struct Doorkeeper {
    store: Arc<keep::Tokens>,
    /// The token for whoever owns the data directory, as long as this process serves it.
    owner: TokenHash,
    /// Whether tokens are needed: always once they were.
    required: AtomicBool,
}

impl Doorkeeper {
    /// The keeper of a server that needs tokens whoever asks, or, if not `always`, once there is one.
    pub(crate) fn new(store: keep::Tokens, owner: TokenHash, always: bool) -> Self {
        Self { store: Arc::new(store), owner, required: AtomicBool::new(always) }
    }

    /// Asks the store off the threads that serve requests.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&keep::Tokens) -> Result<T, keep::TokenError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.store);
        let answered = tokio::task::spawn_blocking(move || question(&store)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no token can be looked up");
                Err(Problem::unavailable("no token can be looked up"))
            }
            Err(_) => Err(Problem::internal("no token can be looked up")),
        }
    }
}

/// How a token that was found stands at a time in microseconds.
pub(crate) fn standing(token: Token, now: i64) -> Standing {
    let Token { id, role, trial, site, expires_at, revoked_at, .. } = token;
    if revoked_at.is_some() {
        return Standing::Revoked { id };
    }
    if expires_at.is_some_and(|until| until <= now) {
        return Standing::Expired { id };
    }
    // What this version does not understand, such as a later one's role, is good for nothing.
    let site = site.map(|site| site.parse()).transpose();
    let trial = trial.map(|trial| trial.parse()).transpose();
    match (role.parse::<TokenRole>(), site, trial) {
        (Ok(role), Ok(site), Ok(trial)) => Standing::Held(Holder { id, role, site, trial }),
        _ => Standing::Unknown,
    }
}

#[async_trait]
impl api::Tokens for Doorkeeper {
    async fn required(&self) -> Result<bool, Problem> {
        if !self.required.load(Ordering::Relaxed) && self.ask(keep::Tokens::any).await? {
            self.required.store(true, Ordering::Relaxed);
        }
        Ok(self.required.load(Ordering::Relaxed))
    }

    async fn standing(&self, token: &TokenHash) -> Result<Standing, Problem> {
        if *token == self.owner {
            return Ok(Standing::Owner);
        }
        let hash = token.0;
        let found = self.ask(move |store| store.find(&hash)).await?;
        Ok(found.map_or(Standing::Unknown, |found| standing(found, world::now().microseconds())))
    }

    fn refused(&self, refused: &Refused<'_>) {
        let Refused { code, route, token } = refused;
        metrics::counter!("trialbook_refusals_total", "code" => (*code).to_owned()).increment(1);
        tracing::warn!(code, route, token = token.unwrap_or("none"), "a request was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(role: &str) -> Token {
        Token {
            id: "a".to_owned(),
            role: role.to_owned(),
            trial: Some("small".to_owned()),
            site: Some("S01".to_owned()),
            name: None,
            made_at: 0,
            expires_at: Some(10),
            revoked_at: None,
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_or_is_revoked() {
        let held = Standing::Held(Holder {
            id: "a".to_owned(),
            role: TokenRole::Site,
            site: Some("S01".parse().unwrap()),
            trial: Some("small".parse().unwrap()),
        });
        assert_eq!(standing(token("site"), 9), held);
        assert_eq!(standing(token("site"), 10), Standing::Expired { id: "a".to_owned() });
        let revoked = Token { revoked_at: Some(5), ..token("site") };
        assert_eq!(standing(revoked, 4), Standing::Revoked { id: "a".to_owned() });
        assert_eq!(standing(token("janitor"), 9), Standing::Unknown);
        let nowhere = Token { site: Some("no site".to_owned()), ..token("site") };
        assert_eq!(standing(nowhere, 9), Standing::Unknown);
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_token(), new_token());
        assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 64, "{one}");
        assert_ne!(one, other);
        assert!(is_one(&one));
        for text in ["", "tbk_", "tbk_secret", &one[..67], &one.to_uppercase(), &format!("{one}0")] {
            assert!(!is_one(text), "{text}");
        }
    }
}
