//! The tokens of a deployment: made, opened, and how one stands.

use anyhow::{Context as _, Result};
use api::{Holder, Standing, TokenRole};
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

/// How a token that was found stands at a time in microseconds.
pub(crate) fn standing(token: Token, now: i64) -> Standing {
    let Token { id, role, trial, site, expires_at, revoked_at, .. } = token;
    if revoked_at.is_some() {
        return Standing::Revoked { id };
    }
    if expires_at.is_some_and(|until| until <= now) {
        return Standing::Expired { id };
    }
    held(id, &role, site.as_deref(), trial.as_deref())
}

/// How somebody stands who was let in by what a store says of them.
pub(crate) fn held(id: String, role: &str, site: Option<&str>, trial: Option<&str>) -> Standing {
    // What this version does not understand, such as a later one's role, is good for nothing.
    let site = site.map(str::parse).transpose();
    let trial = trial.map(str::parse).transpose();
    match (role.parse::<TokenRole>(), site, trial) {
        (Ok(role), Ok(site), Ok(trial)) => Standing::Held(Holder { id, role, site, trial }),
        _ => Standing::Unknown,
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
