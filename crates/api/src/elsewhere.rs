//! Signing in with one's organisation: what a browser is sent away with, and what it brings back. Not how the
//! organisation is asked, nor what is believed of it.

use std::fmt;

use crate::session::SessionSecret;

/// Longest address that somebody returns to.
const TO_BYTES_MAX: usize = 2_048;

/// Where people of an organisation sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// What it is called.
    pub name: String,
    /// Where the form that begins leads on to, as origins; `None` while that is not known, as when the organisation's
    /// issuer cannot be reached.
    pub origins: Option<Vec<String>>,
    /// After how many minutes a session that begins there ends at the latest.
    pub session_minutes: u64,
}

/// A way to sign in elsewhere, just begun.
#[derive(Clone, PartialEq, Eq)]
pub struct SetOut {
    /// The address at the issuer's.
    pub go_to: String,
    /// The secret that stays with the browser.
    pub way: String,
    /// For how many seconds the way can be finished.
    pub seconds: u64,
}

/// What a browser brings back from there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Returned {
    /// Which way it was.
    pub state: Option<String>,
    /// What the identity is fetched for.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who says so.
    pub issuer: Option<String>,
    /// The secret that stayed with the browser.
    pub way: Option<String>,
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetIn {
    /// The new session.
    pub session: SessionSecret,
    /// Where they were going: a path of this registry's.
    pub to: String,
}

impl fmt::Debug for SetOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOut")
    }
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returned")
    }
}

/// The path to go on to, if it is one of this registry's; else the first page.
///
/// ```
/// assert_eq!(api::local_path("/trials/small?cutoff=2022-01-31"), "/trials/small?cutoff=2022-01-31");
/// assert_eq!(api::local_path("//evil.example"), "/");
/// ```
pub fn local_path(to: &str) -> &str {
    // Browsers read a backslash as a slash, and skip tabs and line ends.
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    let here = to.starts_with('/') && !to.starts_with("//");
    if plain && here && to.len() <= TO_BYTES_MAX { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_on_to_another_place_than_this_registry() {
        for to in ["/", "/trials/small", "/trials/small/subjects/P1?after=3&limit=1", "/a//b"] {
            assert_eq!(local_path(to), to);
        }
        let long = format!("/{}", "a".repeat(TO_BYTES_MAX));
        for to in [
            "",
            "trials",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "\t//evil.example",
            " /trials",
            "/a b",
            "/a\r\nset-cookie: a=b",
            "/\u{e9}",
            "/\"",
            &long,
        ] {
            assert_eq!(local_path(to), "/", "{to:?}");
        }
    }
}
