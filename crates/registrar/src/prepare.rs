//! What needs no order: reading a submission and checking its signature.

use chain::{EVENT_BYTES_MAX, PublicKey, Signature, Submission, SubmissionError};
use clinical::{DecodeError, Event, Refusal, RefusalCode};

use crate::state::Public;

/// A submission that was read. Its signature was checked if the key was known.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) event: Event,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) signature: Signature,
    pub(crate) verified: bool,
    /// Nothing is to be recorded: it is only asked what would be found.
    pub(crate) is_rehearsal: bool,
}

impl Prepared {
    /// The event, as read.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event's canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks the signature with `key`.
    ///
    /// # Errors
    /// [`Refusal`]: it does not verify.
    pub fn verify(&self, key: &PublicKey) -> Result<(), Refusal> {
        key.verify_event(&self.bytes, &self.signature).map_err(|_| signature_invalid())
    }

    /// Length of the event, in bytes.
    pub fn event_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Reads an event that nobody has signed yet, to be asked what would become of it. It is never recorded.
///
/// # Errors
/// [`Refusal`].
pub fn rehearsal(event: &[u8]) -> Result<Prepared, Refusal> {
    let bytes = event.into();
    let event = Event::parse(event).map_err(malformed)?;
    Ok(Prepared { event, bytes, signature: Signature([0; 64]), verified: false, is_rehearsal: true })
}

/// What a submission has around its event: `{"event":` and `,"signature":"` with 88 characters of base64 and `"}`.
const ENVELOPE_BYTES: usize = 9 + 14 + 88 + 2;

/// Reads a submission whose signature is to be checked with [`Prepared::verify`]: the one that opens a trial.
///
/// # Errors
/// [`Refusal`].
pub fn read(submission: &[u8]) -> Result<Prepared, Refusal> {
    prepare(submission, &Public::default())
}

pub(crate) fn prepare(submission: &[u8], public: &Public) -> Result<Prepared, Refusal> {
    if submission.len() > EVENT_BYTES_MAX + ENVELOPE_BYTES {
        return Err(malformed(DecodeError::TooLarge {
            bytes: submission.len().saturating_sub(ENVELOPE_BYTES),
        }));
    }
    let read = Submission::parse(submission).map_err(|error| match error {
        SubmissionError::Canonical(mut error) => {
            // Pointers go into the event, in whatever it was wrapped.
            if let Some(inner) = error.pointer.strip_prefix("/event") {
                error.pointer = inner.to_string();
            }
            malformed(DecodeError::Canonical(error))
        }
        error @ (SubmissionError::Members | SubmissionError::Member { .. }) => {
            Refusal::new(RefusalCode::Malformed, "", error.to_string())
        }
    })?;
    let event = Event::decode(read.event).map_err(malformed)?;
    let verified = match public.keys.get(&event.key) {
        Some(key) => {
            key.verify_event(read.event, &read.signature).map_err(|_| signature_invalid())?;
            true
        }
        None => false,
    };
    Ok(Prepared { event, bytes: read.event.into(), signature: read.signature, verified, is_rehearsal: false })
}

pub(crate) fn signature_invalid() -> Refusal {
    Refusal::new(RefusalCode::SignatureInvalid, "", RefusalCode::SignatureInvalid.meaning())
}

/// The refusal of bytes that are no event.
pub fn malformed(error: DecodeError) -> Refusal {
    let detail = error.to_string();
    match error {
        DecodeError::TooLarge { .. } => Refusal::new(RefusalCode::TooLarge, "", detail),
        DecodeError::Canonical(error) => {
            let detail = format!("{} (byte {})", error.fault, error.offset);
            Refusal::new(RefusalCode::NotCanonical, error.pointer, detail)
        }
        DecodeError::Malformed { pointer, reason } => Refusal::new(RefusalCode::Malformed, pointer, reason),
        DecodeError::Reserved(_) => Refusal::new(RefusalCode::KindReserved, "/kind", detail),
        DecodeError::Schema { .. } => Refusal::new(RefusalCode::SchemaUnknown, "/schema", detail),
    }
}
