//! What the line formats of this crate share: numbers and hashes in their one writing, and a head before a blank line.

use crate::hash::NodeHash;
use crate::key::{from_base64, to_base64};

/// A number in decimal digits, without sign and leading zeros.
pub(crate) fn read_number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// A hash in strict base64.
pub(crate) fn read_hash(text: &str) -> Option<[u8; 32]> {
    from_base64(text)?.try_into().ok()
}

/// Hashes, a line each.
pub(crate) fn write_hashes(hashes: &[NodeHash]) -> String {
    hashes.iter().map(|hash| to_base64(&hash.0) + "\n").collect()
}

/// The lines before the first blank line, and the bytes after it. None without a blank line, or where the head is not
/// UTF-8; no more than `lines_max` lines are looked at.
pub(crate) fn split_head(bytes: &[u8], lines_max: usize) -> Option<(Vec<&str>, &[u8])> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Some((lines, rest));
        }
        if lines.len() == lines_max {
            return None;
        }
        lines.push(line);
    }
}
