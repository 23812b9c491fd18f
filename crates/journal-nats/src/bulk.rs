//! Reading many records in a row: from a consumer that hands them out before they are asked for.
//!
//! Not a second kind of reading: what a consumer does not bring, for whatever reason, is asked for by position. Where it
//! brings something else than the next record, that is damage, as it is there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, Subscriber};
use chain::{LinkedRecord, Position};
use futures_util::StreamExt as _;
use journal::ReadError;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::api::ANSWER_WITHIN;
use crate::consumer::{Consumer, Delivery};
use crate::engine::Stream;
use crate::read::{BYTES_MAX, Place, RECORDS_MAX};

/// From so many records on it pays to have a consumer made, which takes three servers some 10 ms.
const WORTH_RECORDS: u64 = 8_192;

/// Most records of one question, and most bytes: two questions are open at a time, so twice this may lie here unread.
const ASKED_RECORDS: u64 = 2_048;
const ASKED_BYTES: usize = 2 << 20;

/// How many logs' readers may be on their way at once, each with what it has not read yet.
const READERS_MAX: usize = 4;

/// A reader that has not come again for so long does not come any more.
const KEPT: Duration = Duration::from_secs(20);

/// After so long a consumer is asked for again where none could be made, or one has failed.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How long a question stands, in nanoseconds: longer than its answer is waited for.
const QUESTION_STANDS_NS: u64 = 5_000_000_000;

/// The readers of a stream that are on their way.
#[derive(Default)]
pub(crate) struct Bulks(Mutex<State>);

#[derive(Default)]
struct State {
    readers: Vec<Reader>,
    not_before: Option<Instant>,
}

impl Bulks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everything that is new read by position for a while.
    fn pause(&self) {
        self.state().not_before = Some(Instant::now() + AGAIN_AFTER);
    }

    /// Lets go of the readers that do not come any more.
    pub(crate) fn sweep(&self) {
        self.state().readers.retain(|reader| reader.used.elapsed() < KEPT);
    }
}

/// How a reader can fail to bring the next record.
enum Miss {
    Damaged(ReadError),
    /// Somebody else has to be asked.
    Lost,
}

/// Records from `from` on, below `end`, if there is a consumer for them: at least one then.
pub(crate) async fn read(
    stream: &Stream,
    from: Position,
    bytes_max: usize,
    end: u64,
) -> Result<Option<Vec<LinkedRecord>>, ReadError> {
    let Some(mut reader) = reader(stream, from, end).await else { return Ok(None) };
    let mut records = Vec::new();
    let missed = reader.read(stream, &mut records, bytes_max.min(BYTES_MAX), end).await;
    match missed {
        Err(Miss::Damaged(error)) => return Err(error),
        Err(Miss::Lost) => {
            stream.bulks.pause();
            reader.consumer.end(stream).await;
        }
        // Who has come to the end will not be so far behind soon.
        Ok(()) if reader.next.0 >= end => reader.consumer.end(stream).await,
        Ok(()) => {
            reader.used = Instant::now();
            let mut state = stream.bulks.state();
            if state.readers.len() == READERS_MAX {
                state.readers.remove(0);
            }
            state.readers.push(reader);
        }
    }
    Ok(Some(records).filter(|records| !records.is_empty()))
}

/// The reader that has come to `from`, or a new one if there is enough to read.
async fn reader(stream: &Stream, from: Position, end: u64) -> Option<Reader> {
    {
        let mut state = stream.bulks.state();
        if let Some(index) = state.readers.iter().position(|reader| reader.next == from) {
            return Some(state.readers.remove(index));
        }
        if end - from.0 < WORTH_RECORDS || state.not_before.is_some_and(|time| Instant::now() < time) {
            return None;
        }
    }
    match Reader::start(stream, from).await {
        Ok(reader) => Some(reader),
        Err(error) => {
            tracing::info!(stream = stream.name, error, "no consumer: records are read by position");
            stream.bulks.pause();
            None
        }
    }
}

/// One that reads from a consumer of its own.
struct Reader {
    consumer: Consumer,
    inbox: String,
    messages: Subscriber,
    next: Position,
    /// How many messages the consumer has handed out and we have received.
    delivered: u64,
    /// How many were asked for and have not been received.
    asked: u64,
    used: Instant,
}

impl Reader {
    async fn start(stream: &Stream, from: Position) -> Result<Self, String> {
        let consumer = Consumer::create(stream, from).await.map_err(|error| error.to_string())?;
        let inbox = stream.links.log.new_inbox();
        let messages = stream.links.log.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        Ok(Self { consumer, inbox, messages, next: from, delivered: 0, asked: 0, used: Instant::now() })
    }

    /// Reads into `records` until there are enough. What was read before something went wrong is whole.
    async fn read(
        &mut self,
        stream: &Stream,
        records: &mut Vec<LinkedRecord>,
        bytes_max: usize,
        end: u64,
    ) -> Result<(), Miss> {
        let mut bytes = 0;
        while self.next.0 < end && bytes <= bytes_max && (records.len() as u64) < RECORDS_MAX {
            self.ask(stream, end).await?;
            let Ok(Some(message)) = timeout(ANSWER_WITHIN, self.messages.next()).await else {
                return Err(Miss::Lost);
            };
            if message.status.is_some() {
                let unanswered = message.headers.as_ref().and_then(unanswered).ok_or(Miss::Lost)?;
                self.asked = self.asked.checked_sub(unanswered).ok_or(Miss::Lost)?;
                continue;
            }
            // The consumer has handed out others in between: they were lost on the way, not in the stream.
            let delivery = Delivery::of(&message).filter(|at| at.consumer == self.delivered + 1);
            let delivery = delivery.ok_or(Miss::Lost)?;
            let place = Place::handed_out(&message, delivery.stream);
            let record = place.record(stream, self.next, &message.payload).map_err(Miss::Damaged)?;
            self.delivered += 1;
            self.asked = self.asked.checked_sub(1).ok_or(Miss::Lost)?;
            self.next = Position(self.next.0 + 1);
            bytes += record.bytes.len();
            records.push(record);
        }
        Ok(())
    }

    /// Keeps two questions open, for no more than is durable.
    async fn ask(&mut self, stream: &Stream, end: u64) -> Result<(), Miss> {
        while self.asked <= ASKED_RECORDS {
            let count = ASKED_RECORDS.min(end.saturating_sub(self.next.0 + self.asked));
            if count == 0 {
                break;
            }
            let question = json!({ "batch": count, "max_bytes": ASKED_BYTES, "expires": QUESTION_STANDS_NS });
            self.consumer.ask(stream, &self.inbox, &question).await.map_err(|_| Miss::Lost)?;
            self.asked += count;
        }
        Ok(())
    }
}

/// How many messages a question has not brought that is over: its time, or the bytes it asked for. Whatever else ends it,
/// such as a server that ends, does not say so.
fn unanswered(headers: &HeaderMap) -> Option<u64> {
    headers.get("Nats-Pending-Messages")?.as_str().parse().ok()
}
