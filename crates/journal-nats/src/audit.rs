//! Holding each server's copy of a stream against the others': what readers do not see as long as they are answered
//! by another one.
//!
//! One flipped bit in a server's files makes it drop messages at its next start, without a word. Here each server that
//! holds the stream is asked how many it has, and is read from, message by message, by a consumer of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_nats::StatusCode;
use chain::{Position, RecordHash};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::api::{self, ANSWER_WITHIN, ApiError, StreamState};
use crate::consumer::{Consumer, Delivery};
use crate::engine::{NatsJournal, Stream};
use crate::proof::{Answer, ping};

/// How often a consumer is made in the hope that it is placed on a server that has none yet: by chance, one of three,
/// so that 40 miss one of them with a probability of (2/3)^40, below 10^-7.
const PLACEMENTS_MAX: usize = 40;

/// How many positions are compared at once.
const STEP_RECORDS: u64 = 500;

/// Why the servers could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no login of the system account.
    #[error("no login of the system account was given to ask the servers with")]
    NobodyToAsk,
    /// The servers refuse, or do not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// What is the matter with a server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It did not answer.
    Silent,
    /// Its own count contradicts that it has each message.
    Count {
        /// The contradiction.
        what: String,
    },
    /// It skips messages that were durable.
    Lost {
        /// The first position it skips.
        seq: Position,
        /// The first position it has after that; `None` if it has none.
        next: Option<Position>,
    },
    /// Its message is not the one that more of the servers have, or that another one has.
    Differs {
        /// Where.
        seq: Position,
    },
    /// It could not be read from.
    Unread {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("does not answer"),
            Self::Count { what } => write!(f, "says of itself to have {what}"),
            Self::Lost { seq, next: Some(next) } => write!(f, "skips from record {seq} to {next}"),
            Self::Lost { seq, next: None } => write!(f, "ends before record {seq}"),
            Self::Differs { seq } => write!(f, "has another record {seq} than others"),
            Self::Unread { reason } => write!(f, "could not be read from: {reason}"),
        }
    }
}

/// What was found of one server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaAudit {
    /// The server's name.
    pub server: String,
    /// Whether it led the stream then.
    pub leads: bool,
    /// How many records were read from it.
    pub records: u64,
    /// Nothing if the copy is whole.
    pub faults: Vec<Fault>,
}

impl NatsJournal {
    /// Reads the whole log, up to the known end, from each server that holds it, and compares. By server. Blocks.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn audit(&self) -> Result<Vec<ReplicaAudit>, AuditError> {
        let stream = Arc::clone(&self.stream);
        self.cluster.run(async move { audit(&stream).await })
    }
}

async fn audit(stream: &Stream) -> Result<Vec<ReplicaAudit>, AuditError> {
    let group = api::stream_info(&stream.links.log, &stream.name).await?.cluster;
    let end = stream.head().size.0;
    let names = group.leader.iter().chain(group.replicas.iter().map(|replica| &replica.name));
    let names: Vec<String> = names.cloned().collect();
    let counts = counts(stream, &names).await?;
    let mut audits: BTreeMap<String, ReplicaAudit> = BTreeMap::new();
    for server in &names {
        let mut faults = Vec::new();
        match counts.get(server) {
            None => faults.push(Fault::Silent),
            Some(state) => faults.extend(state.contradiction().map(|what| Fault::Count { what })),
        }
        let leads = group.leader.as_ref() == Some(server);
        audits.insert(server.clone(), ReplicaAudit { server: server.clone(), leads, records: 0, faults });
    }
    let mut cursors = place(stream, &names).await?;
    for server in &names {
        if !cursors.iter().any(|cursor| cursor.server() == server) {
            let reason = "no consumer was placed on it".to_owned();
            report(&mut audits, server, Fault::Unread { reason });
        }
    }
    let mut from = 0;
    while from < end && !cursors.is_empty() {
        let to = (from + STEP_RECORDS).min(end);
        let mut step = Vec::new();
        for mut cursor in cursors {
            match cursor.read(stream, to).await {
                Ok(found) => {
                    if let Some(audit) = audits.get_mut(cursor.server()) {
                        audit.records += found.len() as u64;
                    }
                    step.push((cursor, found));
                }
                Err(reason) => report(&mut audits, cursor.server(), Fault::Unread { reason }),
            }
        }
        cursors = compare(&mut audits, step, from..to);
        from = to;
    }
    for cursor in cursors {
        cursor.consumer.end(stream).await;
    }
    Ok(audits.into_values().collect())
}

fn report(audits: &mut BTreeMap<String, ReplicaAudit>, server: &str, fault: Fault) {
    if let Some(audit) = audits.get_mut(server) {
        audit.faults.push(fault);
    }
}

/// Compares what each has in `range`; a server with a fault is not read further.
fn compare(
    audits: &mut BTreeMap<String, ReplicaAudit>,
    step: Vec<(Cursor, BTreeMap<u64, RecordHash>)>,
    range: std::ops::Range<u64>,
) -> Vec<Cursor> {
    let mut faulty: BTreeMap<String, Fault> = BTreeMap::new();
    for seq in range {
        let hash_of = |found: &BTreeMap<u64, RecordHash>| found.get(&seq).copied();
        let most = step
            .iter()
            .filter_map(|(_, found)| hash_of(found))
            .max_by_key(|hash| step.iter().filter(|(_, found)| hash_of(found) == Some(*hash)).count());
        let backing = |hash| step.iter().filter(|(_, found)| hash_of(found) == hash).count();
        for (cursor, found) in &step {
            let hash = hash_of(found);
            let fault = if hash.is_none() {
                let next = found.range(seq..).next().map(|(next, _)| Position(*next)).or(cursor.ahead());
                Fault::Lost { seq: Position(seq), next }
            } else if hash != most || (backing(hash) == 1 && step.len() == 2 && differ(&step, seq)) {
                Fault::Differs { seq: Position(seq) }
            } else {
                continue;
            };
            faulty.entry(cursor.server().to_owned()).or_insert(fault);
        }
    }
    let mut sound = Vec::new();
    for (cursor, _) in step {
        match faulty.remove(cursor.server()) {
            Some(fault) => report(audits, cursor.server(), fault),
            None => sound.push(cursor),
        }
    }
    sound
}

/// Whether two servers have different messages there: then nobody can say which is right.
fn differ(step: &[(Cursor, BTreeMap<u64, RecordHash>)], seq: u64) -> bool {
    let mut hashes = step.iter().filter_map(|(_, found)| found.get(&seq));
    let first = hashes.next();
    hashes.any(|hash| Some(hash) != first)
}

#[derive(Deserialize)]
struct AnswerData {
    #[serde(default)]
    account_details: Vec<AnswerAccount>,
}

#[derive(Deserialize)]
struct AnswerAccount {
    name: String,
    #[serde(default)]
    stream_detail: Vec<AnswerStream>,
}

#[derive(Deserialize)]
struct AnswerStream {
    name: String,
    state: StreamState,
}

#[derive(Deserialize)]
struct UserInfo {
    data: UserData,
}

#[derive(Deserialize)]
struct UserData {
    account: String,
}

/// How much each server says it holds.
async fn counts(stream: &Stream, expected: &[String]) -> Result<BTreeMap<String, StreamState>, AuditError> {
    let Some(system) = &stream.links.system else { return Err(AuditError::NobodyToAsk) };
    let user: UserInfo = api::ask(&stream.links.log, "$SYS.REQ.USER.INFO".to_owned(), None).await?;
    let account = user.data.account;
    let mut counts = BTreeMap::new();
    ping(system, r#"{"accounts":true,"streams":true}"#, |answer: Answer<AnswerData>| {
        let accounts = answer.data.map(|data| data.account_details).unwrap_or_default();
        let ours = accounts.into_iter().filter(|found| found.name == account);
        let found = ours.flat_map(|found| found.stream_detail).find(|found| found.name == stream.name);
        if let Some(found) = found {
            counts.insert(answer.server.name, found.state);
        }
        expected.iter().all(|server| counts.contains_key(server))
    })
    .await?;
    Ok(counts)
}

/// A consumer on each server, as far as chance gives one.
async fn place(stream: &Stream, names: &[String]) -> Result<Vec<Cursor>, AuditError> {
    let mut cursors: Vec<Cursor> = Vec::new();
    for _ in 0..PLACEMENTS_MAX {
        if cursors.len() == names.len() {
            break;
        }
        let consumer = Consumer::create(stream, Position(0)).await?;
        let cursor = Cursor { consumer, waiting: BTreeMap::new() };
        if cursors.iter().any(|placed| placed.server() == cursor.server()) {
            cursor.consumer.end(stream).await;
        } else {
            cursors.push(cursor);
        }
    }
    Ok(cursors)
}

/// A consumer on one server.
struct Cursor {
    consumer: Consumer,
    /// Read already, and further than was asked for: by position.
    waiting: BTreeMap<u64, RecordHash>,
}

impl Cursor {
    fn server(&self) -> &str {
        &self.consumer.server
    }

    /// The first position it has that was not asked for yet.
    fn ahead(&self) -> Option<Position> {
        self.waiting.keys().next().map(|seq| Position(*seq))
    }

    /// What the server has below `to`.
    async fn read(&mut self, stream: &Stream, to: u64) -> Result<BTreeMap<u64, RecordHash>, String> {
        while self.waiting.keys().next_back().is_none_or(|last| *last + 1 < to) {
            if !self.fetch(stream).await? {
                break;
            }
        }
        let later = self.waiting.split_off(&to);
        Ok(std::mem::replace(&mut self.waiting, later))
    }

    /// Some more messages; `false` if there are none.
    async fn fetch(&mut self, stream: &Stream) -> Result<bool, String> {
        let client = &stream.links.log;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        let question = json!({ "batch": STEP_RECORDS, "no_wait": true });
        self.consumer.ask(stream, &inbox, &question).await?;
        let mut got = 0;
        while got < STEP_RECORDS {
            let Ok(Some(message)) = timeout(ANSWER_WITHIN, answers.next()).await else {
                return Err("no answer in time".to_owned());
            };
            match message.status {
                None => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(got > 0),
                Some(status) => return Err(status.to_string()),
            }
            let delivery = Delivery::of(&message);
            let delivery = delivery.ok_or_else(|| "a message without its sequence".to_owned())?;
            self.waiting.insert(delivery.stream.saturating_sub(1), RecordHash::of(&message.payload));
            got += 1;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(copies: &[&[(u64, u8)]]) -> Vec<Vec<Fault>> {
        let mut audits = BTreeMap::new();
        let mut step = Vec::new();
        for (index, copy) in copies.iter().enumerate() {
            let server = index.to_string();
            let audit = ReplicaAudit { server: server.clone(), leads: false, records: 0, faults: Vec::new() };
            audits.insert(server.clone(), audit);
            let consumer = Consumer { server, name: String::new() };
            let cursor = Cursor { consumer, waiting: BTreeMap::new() };
            let found = copy.iter().map(|(seq, byte)| (*seq, RecordHash::of(&[*byte]))).collect();
            step.push((cursor, found));
        }
        compare(&mut audits, step, 0..3);
        audits.into_values().map(|audit| audit.faults).collect()
    }

    #[test]
    fn the_copy_that_skips_or_differs_is_named_and_the_others_are_not() {
        let whole: &[(u64, u8)] = &[(0, 1), (1, 2), (2, 3)];
        assert_eq!(check(&[whole, whole, whole]), [vec![], vec![], vec![]]);
        let lost = Fault::Lost { seq: Position(1), next: Some(Position(2)) };
        assert_eq!(check(&[whole, &[(0, 1), (2, 3)], whole]), [vec![], vec![lost], vec![]]);
        let ended = Fault::Lost { seq: Position(1), next: None };
        assert_eq!(check(&[&[(0, 1)], whole, whole]), [vec![ended], vec![], vec![]]);
        let differs = Fault::Differs { seq: Position(2) };
        let other: &[(u64, u8)] = &[(0, 1), (1, 2), (2, 9)];
        assert_eq!(check(&[other, whole, whole]), [vec![differs.clone()], vec![], vec![]]);
        assert_eq!(check(&[other, whole]), [vec![differs.clone()], vec![differs]]);
    }
}
