//! What a client hands in: an event's bytes and the signature over them.

use crate::canonical::{self, CanonicalError};
use crate::key::Signature;

/// `{"event":{…},"signature":"<base64>"}`: canonical as a whole, so that the event's bytes are the signed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The event's canonical bytes.
    pub event: &'a [u8],
    /// The signature, not checked by reading.
    pub signature: Signature,
}

/// Bytes that are not a submission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// Not canonical JSON.
    #[error("{0}")]
    Canonical(CanonicalError),
    /// The members are not exactly event and signature.
    #[error("a submission has exactly the members event and signature")]
    Members,
    /// The event is not an object, or the signature not standard base64 of 64 bytes.
    #[error("member {member} is malformed")]
    Member {
        /// The member's name.
        member: &'static str,
    },
}

impl<'a> Submission<'a> {
    /// Reads a submission.
    ///
    /// # Errors
    /// [`SubmissionError`].
    ///
    /// ```
    /// # let signature = chain::SecretKey::from_bytes(&[1; 32]).sign_event(b"{}");
    /// let bytes = chain::Submission { event: b"{}", signature }.join();
    /// assert_eq!(chain::Submission::parse(&bytes).unwrap().event, b"{}");
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SubmissionError> {
        let members = canonical::members(bytes).map_err(SubmissionError::Canonical)?;
        let [event, signature] = members.as_slice() else { return Err(SubmissionError::Members) };
        if bytes[event.key.clone()] != *b"event" || bytes[signature.key.clone()] != *b"signature" {
            return Err(SubmissionError::Members);
        }
        let event = &bytes[event.value.clone()];
        if event[0] != b'{' {
            return Err(SubmissionError::Member { member: "event" });
        }
        let signature = &bytes[signature.value.clone()];
        let signature = signature
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""))
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(Signature::from_text)
            .ok_or(SubmissionError::Member { member: "signature" })?;
        Ok(Self { event, signature })
    }

    /// The submission's bytes.
    pub fn join(&self) -> Vec<u8> {
        [b"{\"event\":", self.event, b",\"signature\":\"", self.signature.to_text().as_bytes(), b"\"}"]
            .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_members_and_other_forms_are_refused() {
        let good =
            String::from_utf8(Submission { event: b"{}", signature: Signature([3; 64]) }.join()).unwrap();
        assert!(Submission::parse(good.as_bytes()).is_ok());
        for (from, to) in [
            ("\"event\"", "\"even\""),
            ("{\"event\":{}", "{\"event\":1"),
            ("Aw==", "Aw="),
            (",\"signature\"", ", \"signature\""),
            ("\"signature\":", "\"signatur\":"),
            ("}", "},\"zone\":1"),
        ] {
            let changed = good.replacen(from, to, 1);
            assert!(Submission::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }
}
