//! What a mirror asks a server for, whatever carries it.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use chain::Position;
use chain::bundle::BUNDLE_BYTES_MAX;
use chain::note::NOTE_BYTES_MAX;
use chain::tile::{TILE_BYTES_MAX, TileKind, TilePath};

/// Longest answer to a request for a site's records, in bytes. A record of at most 65,535 bytes has, as a JSON string, at
/// most twice as many, so that a server which ends its answers before this one is full still sends some each time.
pub const SITE_ANSWER_BYTES_MAX: usize = 8 << 20;

/// A site's identifier, as it stands in events: `[A-Z0-9][A-Z0-9-]{0,31}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site(String);

/// A text that is no site's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a site is 1 to 32 upper-case letters, digits and hyphens, and begins with no hyphen")]
pub struct SiteError;

impl FromStr for Site {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SiteError)
        }
    }
}

impl Site {
    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something below a log's URL. Its `Display` is the rest of that URL.
///
/// ```
/// use witness::Resource;
/// assert_eq!(Resource::Checkpoint.to_string(), "checkpoint");
/// assert_eq!(Resource::Tile("tile/0/000.p/3".parse().unwrap()).to_string(), "tile/0/000.p/3");
/// let site = "CN-NJ".parse().unwrap();
/// let after = Some(chain::Position(41));
/// assert_eq!(Resource::Site { site: &site, after }.to_string(), "site/CN-NJ?after=41");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The latest signed checkpoint.
    Checkpoint,
    /// A hash tile or an entry bundle.
    Tile(TilePath),
    /// Records that a site may read, in order of position: those without a subject, and those of its own subjects. NDJSON,
    /// a line for each: `{"seq":N,"record":"…"}`, the record's exact bytes as a JSON string. An answer may end after any
    /// line, and is empty only if there are no more.
    Site {
        /// Whose.
        site: &'a Site,
        /// Only records behind this position.
        after: Option<Position>,
    },
}

impl Resource<'_> {
    /// Longest answer that is of any use, in bytes.
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Checkpoint => NOTE_BYTES_MAX,
            Self::Tile(path) => match path.kind() {
                TileKind::Hashes(_) => TILE_BYTES_MAX,
                TileKind::Entries => BUNDLE_BYTES_MAX,
            },
            Self::Site { .. } => SITE_ANSWER_BYTES_MAX,
        }
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(path) => path.fmt(f),
            Self::Site { site, after: None } => write!(f, "site/{site}"),
            Self::Site { site, after: Some(after) } => write!(f, "site/{site}?after={after}"),
        }
    }
}

/// Where a mirror fetches from.
///
/// - It need not be honest: everything is held against the log's signature.
/// - It MUST give up on an answer longer than [`Resource::bytes_max`], and on one that takes longer than its caller is
///   willing to wait. It SHOULD try again by itself what fails in passing.
/// - Several fetches are under way at once.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Fetches one resource whole.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn fetch(&self, resource: Resource<'_>) -> Result<Vec<u8>, FetchError>;
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no such thing there (404).
    #[error("it is not there")]
    NotFound,
    /// It is not for this reader (401, 403).
    #[error("the server does not allow it")]
    Forbidden,
    /// More bytes than are of any use.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The most read.
        limit: usize,
    },
    /// Anything else: no connection, another status, a time limit.
    #[error("it could not be fetched")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_cannot_lead_elsewhere() {
        for good in ["A", "CN-NJ", "0", &"A".repeat(32)] {
            assert_eq!(good.parse::<Site>().unwrap().as_str(), good);
        }
        for bad in ["", "-A", "a", "A/B", "A.B", "A?B", "A B", "\u{c4}", &"A".repeat(33)] {
            assert_eq!(bad.parse::<Site>(), Err(SiteError), "{bad}");
        }
    }
}
