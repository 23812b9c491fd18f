//! Appending: one atomic batch, sent until it is settled.
//!
//! Settled is what was acknowledged, or what the stream refused because it ends elsewhere. Everything else (no answer,
//! no leader, any other refusal) leaves it open whether the batch is there or will be: a leader that was stalled may go
//! on where it stopped. Then only the same bytes at the same place may be sent, so that at most one copy gets in.

use std::time::Duration;

use async_nats::{HeaderMap, Request};
use bytes::Bytes;
use chain::{LinkedRecord, TreeSize};
use journal::{AppendError, Head, ReadError, check_batch};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::APPEND_RECORDS_MAX;
use crate::api::{Refusal, WRONG_LAST_SEQUENCE};
use crate::engine::Stream;
use crate::follow::{self, LookError};
use crate::read::{POSITION, read};

/// How long one sending is waited for. A thousand records take some 100 ms on an idle machine.
const ACK_WITHIN: Duration = Duration::from_secs(5);

/// The pauses between sendings: doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// A batch of which it is not known whether it is in the stream.
pub(crate) struct Doubt {
    expected: Head,
    records: Vec<LinkedRecord>,
}

impl Doubt {
    fn is(&self, expected: Head, records: &[LinkedRecord]) -> bool {
        self.expected == expected && self.records == records
    }
}

/// How one sending ended.
enum Sent {
    Stored,
    /// The stream ends, or will end, elsewhere.
    Conflict,
    Open(String),
}

/// What a refused sending means.
enum Refused {
    /// The batch is there: an earlier sending arrived.
    Stored,
    /// Another writer's records are there, and the batch will never be.
    Lost(Head),
    /// What is in the way is not there yet, and may never come.
    Open(String),
    /// What is in the way is no record: somebody has to look.
    Damaged(String),
}

/// Appends `records` at `expected`; one after another, whatever a caller does.
pub(crate) async fn append(
    stream: &Stream,
    expected: Head,
    records: Vec<LinkedRecord>,
) -> Result<Head, AppendError> {
    let mut doubt = stream.doubt.lock().await;
    let deadline = Instant::now() + stream.links.settle_within;
    let mut unsure = false;
    if let Some(open) = doubt.take() {
        if open.is(expected, &records) {
            unsure = true;
        } else if let Err(error @ (AppendError::OutcomeUnknown { .. } | AppendError::Unproven { .. })) =
            settle(stream, open.expected, &open.records, &mut true, deadline).await
        {
            *doubt = Some(open);
            return Err(error);
        }
    }
    if !unsure {
        check(stream, expected, &records).await?;
    }
    if records.is_empty() {
        return Ok(expected);
    }
    let settled = settle(stream, expected, &records, &mut unsure, deadline).await;
    match &settled {
        Ok(head) => follow::advance(stream, *head).await,
        Err(AppendError::OutcomeUnknown { .. } | AppendError::Unproven { .. }) if unsure => {
            *doubt = Some(Doubt { expected, records });
        }
        Err(_) => {}
    }
    settled
}

/// Holds the batch against the known end of the stream, looking again where the caller knows of more.
async fn check(stream: &Stream, expected: Head, records: &[LinkedRecord]) -> Result<(), AppendError> {
    if records.is_empty() {
        // Nothing is sent, so the stream's leader has to be asked whether the log ends here.
        let looked = follow::look(stream).await;
        looked.map_err(|error| AppendError::OutcomeUnknown { reason: error.to_string() })?;
    } else if expected.size > stream.head().size {
        // What cannot be seen now is answered as a conflict; the caller tries again.
        let _ = follow::look(stream).await;
    }
    check_batch(expected, stream.head(), records)?;
    if records.len() > APPEND_RECORDS_MAX {
        return Err(AppendError::TooMany { records: records.len(), limit: APPEND_RECORDS_MAX });
    }
    Ok(())
}

/// Sends the batch until it is settled or the time is over. `unsure` is whether an earlier sending may have arrived.
async fn settle(
    stream: &Stream,
    expected: Head,
    records: &[LinkedRecord],
    unsure: &mut bool,
    deadline: Instant,
) -> Result<Head, AppendError> {
    let mut pause = PAUSE_MIN;
    loop {
        let error = match stream.writable().await {
            Err((what, false)) => return Err(AppendError::Unproven { what }),
            Err((what, true)) => AppendError::Unproven { what },
            Ok(()) => match send(stream, expected, records).await {
                Sent::Stored => return Ok(expected.after(records)),
                Sent::Open(reason) => {
                    *unsure = true;
                    AppendError::OutcomeUnknown { reason }
                }
                Sent::Conflict => match refused(stream, expected, records, *unsure).await {
                    Refused::Stored => return Ok(expected.after(records)),
                    Refused::Lost(actual) => return Err(AppendError::PositionConflict { expected, actual }),
                    Refused::Open(reason) => AppendError::OutcomeUnknown { reason },
                    Refused::Damaged(reason) => return Err(AppendError::OutcomeUnknown { reason }),
                },
            },
        };
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(stream = stream.name, records = records.len(), %error, "append is sent again");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// What an acknowledgement says.
#[derive(Deserialize)]
struct Ack {
    error: Option<Refusal>,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
}

/// Sends the batch once. The same records make the same messages, but for the batch's id: a server that has half of the
/// first sending must not take the second for its rest.
async fn send(stream: &Stream, expected: Head, records: &[LinkedRecord]) -> Sent {
    let client = &stream.links.log;
    let open = |reason: &dyn ToString| Sent::Open(reason.to_string());
    let Some((last, before)) = records.split_last() else { return Sent::Stored };
    let inbox = client.new_inbox();
    let batch = inbox.rsplit('.').next().unwrap_or(&inbox);
    let headers = |index: usize, record: &LinkedRecord| {
        let mut headers = HeaderMap::new();
        headers.insert(POSITION, record.seq.0.to_string());
        if index == 0 {
            headers.insert("Nats-Expected-Last-Sequence", expected.size.0.to_string());
        }
        if !before.is_empty() {
            headers.insert("Nats-Batch-Id", batch);
            headers.insert("Nats-Batch-Sequence", (index + 1).to_string());
        }
        headers
    };
    let payload = |record: &LinkedRecord| Bytes::from_owner(std::sync::Arc::clone(&record.bytes));
    for (index, record) in before.iter().enumerate() {
        let sent =
            client.publish_with_headers(stream.subject.clone(), headers(index, record), payload(record));
        if let Err(error) = sent.await {
            return open(&error);
        }
    }
    let mut last_headers = headers(before.len(), last);
    if !before.is_empty() {
        last_headers.insert("Nats-Batch-Commit", "1");
    }
    let request = Request::new().headers(last_headers).payload(payload(last)).timeout(Some(ACK_WITHIN));
    let message = match client.send_request(stream.subject.clone(), request).await {
        Ok(message) => message,
        Err(error) => return open(&error),
    };
    let ack: Ack = match serde_json::from_slice(&message.payload) {
        Ok(ack) => ack,
        Err(error) => return open(&error),
    };
    let end = expected.size.0 + records.len() as u64;
    match ack.error {
        Some(refusal) if refusal.err_code == WRONG_LAST_SEQUENCE => Sent::Conflict,
        Some(refusal) => open(&format!("{} ({})", refusal.description, refusal.err_code)),
        None if ack.stream == stream.name && ack.seq == end => Sent::Stored,
        None => open(&format!("acknowledged as {} of stream {}, not {end}", ack.seq, ack.stream)),
    }
}

/// What is in the way of a batch that was refused.
async fn refused(stream: &Stream, expected: Head, records: &[LinkedRecord], unsure: bool) -> Refused {
    match follow::look(stream).await {
        Ok(()) => {}
        Err(LookError::Read(error @ ReadError::Damaged { .. })) => {
            return Refused::Damaged(error.to_string());
        }
        Err(error) => return Refused::Open(error.to_string()),
    }
    let actual = stream.head();
    if actual.size <= expected.size {
        // The leader refuses already what contradicts a batch it has proposed and no quorum has.
        return Refused::Open("the stream's leader expects records that are not there yet".to_owned());
    }
    if !unsure {
        return Refused::Lost(actual);
    }
    let end = actual.size.0.min(expected.size.0 + records.len() as u64);
    let mut compared = 0;
    while expected.size.0 + (compared as u64) < end {
        let from = records[compared].seq;
        let found = match read(stream, from, usize::MAX, end).await {
            Ok(found) => found,
            Err(error @ ReadError::Damaged { .. }) => return Refused::Damaged(error.to_string()),
            Err(error) => return Refused::Open(error.to_string()),
        };
        for (ours, theirs) in records[compared..].iter().zip(&found) {
            if ours.hash != theirs.hash {
                return Refused::Lost(actual);
            }
        }
        compared += found.len();
    }
    if actual.size >= TreeSize(expected.size.0 + records.len() as u64) {
        return Refused::Stored;
    }
    Refused::Open("the batch is being stored".to_owned())
}
