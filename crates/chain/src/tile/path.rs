//! The path of a tile or an entry bundle, in its one spelling.

use std::fmt;
use std::str::FromStr;

use super::TILE_WIDTH;
use crate::hash::{Position, TreeSize};
use crate::lines::read_number;

/// Highest tile level a path can name. The specification of paths allows 0 to 63; no tree has tiles above level 7,
/// where a single hash covers 256^7 leaves, so a path with a higher level is well formed and names nothing.
const LEVEL_MAX: u8 = 63;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of subtrees of 256^level leaves; at level 0 record hashes.
    Hashes(u8),
    /// Records: the entry bundle.
    Entries,
}

/// Which tile or entry bundle of a log: written `tile/<level>/<index>` or `tile/entries/<index>`, with `.p/<width>`
/// behind it where it is partial.
///
/// ```
/// use chain::tile::{TileKind, TilePath};
/// let path: TilePath = "tile/0/x001/x234/067.p/8".parse().unwrap();
/// assert_eq!((path.kind(), path.index(), path.width()), (TileKind::Hashes(0), 1_234_067, 8));
/// assert_eq!(path.to_string(), "tile/0/x001/x234/067.p/8");
/// assert!("tile/0/1234067".parse::<TilePath>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// A text that is not a tile's path in its one spelling, or numbers that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TilePathError {
    /// It does not begin with `tile/` and a level or `entries`.
    #[error("expected tile/<level>/<index> or tile/entries/<index>")]
    Form,
    /// The level is not 0 to 63 without leading zeros.
    #[error("a tile's level is 0 to 63, without leading zeros")]
    Level,
    /// The index is not in groups of three digits, all but the last with an `x`, none of them leading zeros.
    #[error("a tile's index stands in groups of three digits, all but the last after an x, like x001/234")]
    Index,
    /// The width is not 1 to 255 without leading zeros.
    #[error("a partial tile's width is 1 to 255, without leading zeros")]
    Width,
}

impl TilePath {
    /// The path of a tile of `width` hashes or records: 1 to 255 of a partial one, 256 of a full one.
    ///
    /// # Errors
    /// [`TilePathError::Level`], [`TilePathError::Width`].
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, TilePathError> {
        match kind {
            TileKind::Hashes(level) if level > LEVEL_MAX => Err(TilePathError::Level),
            _ if width == 0 || width > TILE_WIDTH => Err(TilePathError::Width),
            _ => Ok(Self::of(kind, index, width)),
        }
    }

    /// As [`TilePath::new`], of numbers known to be in range.
    pub(super) fn of(kind: TileKind, index: u64, width: u16) -> Self {
        debug_assert!((1..=TILE_WIDTH).contains(&width));
        Self { kind, index, width }
    }

    /// What it holds.
    pub fn kind(self) -> TileKind {
        self.kind
    }

    /// Which one of its level, from the left.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or records it holds, 1 to 256.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether it holds 256.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile of the same place.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// Whether a log of `size` has it in this width.
    pub fn exists_in(self, size: TreeSize) -> bool {
        super::tile_at(self.kind, self.index, size) == Some(self)
    }

    /// The first record it holds or covers; none where no log can reach it.
    pub fn first_position(self) -> Option<Position> {
        let height = match self.kind {
            TileKind::Hashes(level) => u32::from(level) * 8 + 8,
            TileKind::Entries => 8,
        };
        if self.index == 0 {
            return Some(Position(0));
        }
        (height < u64::BITS && self.index.leading_zeros() >= height).then(|| Position(self.index << height))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        // The largest index, 2^64 − 1, has 20 digits: seven groups.
        let mut started = false;
        for group in (1..7).rev().map(|power| self.index / 1000_u64.pow(power)) {
            started |= group > 0;
            if started {
                write!(f, "x{:03}/", group % 1000)?;
            }
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let rest = text.strip_prefix("tile/").ok_or(TilePathError::Form)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError::Form)?;
        let kind = if kind == "entries" {
            TileKind::Entries
        } else {
            TileKind::Hashes(small(kind, LEVEL_MAX).ok_or(TilePathError::Level)?)
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = small(width, 255).filter(|width| *width > 0).ok_or(TilePathError::Width)?;
                (index, u16::from(width))
            }
            None => (rest, TILE_WIDTH),
        };
        Ok(Self::of(kind, parse_index(index).ok_or(TilePathError::Index)?, width))
    }
}

/// A number of at most `max` in its one writing.
fn small(text: &str, max: u8) -> Option<u8> {
    read_number(text).and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= max)
}

fn parse_index(text: &str) -> Option<u64> {
    let (before, last) = match text.rsplit_once('/') {
        Some((before, last)) => (Some(before), last),
        None => (None, text),
    };
    let mut index = 0_u64;
    for (at, group) in before.into_iter().flat_map(|before| before.split('/')).enumerate() {
        let group = digits(group.strip_prefix('x')?)?;
        if at == 0 && group == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    index.checked_mul(1000)?.checked_add(digits(last)?)
}

/// Exactly three decimal digits.
fn digits(group: &str) -> Option<u64> {
    let three = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    if three { group.parse().ok() } else { None }
}
