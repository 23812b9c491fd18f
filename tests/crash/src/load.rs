//! The load: clients that submit signed events until the server is gone.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use e2e::{Http, Person, Server, SmallTrial};
use serde_json::{Value, json};

use crate::random::Random;

/// Clients at work at the same time.
const CLIENTS: usize = 4;

/// Events each client has at hand, signed beforehand: more than a server takes in the time it is given.
const EVENTS_EACH: usize = 1_000;

/// Most events of one request.
const BATCH_MAX: u64 = 40;

/// When the server is killed after the load began, in milliseconds.
const KILL_AFTER_MS: (u64, u64) = (20, 400);

/// Subjects the load is about; enrolled before it.
pub(crate) const SUBJECTS: usize = 8;

pub(crate) const EVENTS_PATH: &str = "/v1/trials/small/events";

/// An event that was handed in, or was about to be when the server died.
#[derive(Debug, Clone)]
pub(crate) struct Submitted {
    pub(crate) id: String,
    /// The event's bytes.
    pub(crate) event: Vec<u8>,
    /// The submission's bytes.
    pub(crate) bytes: Vec<u8>,
    /// The receipt, if one came.
    pub(crate) receipt: Option<Receipt>,
}

/// What a receipt promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: u64,
    pub(crate) hash: String,
}

/// An answer to one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether it was recorded before.
    pub(crate) repeated: bool,
    pub(crate) receipt: Receipt,
}

/// Loads the server and kills it; what was submitted, and after how long it was killed.
pub(crate) fn load_and_kill(
    trial: &SmallTrial,
    server: Server,
    random: &mut Random,
) -> Result<(Vec<Submitted>, Duration)> {
    let bo = trial.person("bo.wang");
    let prepared: Vec<(Vec<Submitted>, Random)> = std::thread::scope(|scope| {
        let signing: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut random = random.fork();
                let bo = &bo;
                scope.spawn(move || (sign_events(trial, bo, &mut random), random))
            })
            .collect();
        let joined: Result<Vec<_>, _> =
            signing.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        joined.map_err(|_| anyhow!("a signer failed"))
    })?;
    let wait = Duration::from_millis(random.between(KILL_AFTER_MS.0, KILL_AFTER_MS.1));
    let address = server.address.clone();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = prepared
            .into_iter()
            .map(|(events, random)| {
                let address = &address;
                scope.spawn(move || submit_until_gone(address, events, random))
            })
            .collect();
        std::thread::sleep(wait.saturating_sub(begun.elapsed()));
        server.kill();
        let killed = begun.elapsed();
        let mut submitted = Vec::new();
        for client in clients {
            submitted.extend(client.join().map_err(|_| anyhow!("a client failed"))??);
        }
        Ok((submitted, killed))
    })
}

/// Events of subjects that are enrolled: visits and contacts, small and large.
fn sign_events(trial: &SmallTrial, bo: &Person, random: &mut Random) -> Vec<Submitted> {
    let sign = |_| {
        let subject = format!("P{}", random.between(1, SUBJECTS as u64));
        let on = format!("2021-{:02}-{:02}", random.between(1, 12), random.between(1, 28));
        let (kind, data) = match random.between(0, 2) {
            0 => ("contact", json!({"means": "phone", "vital_status": "alive"})),
            size => {
                ("visit", json!({"observations": observations(size * 6), "pga": "0.5", "status": "done"}))
            }
        };
        let statement =
            json!({"kind": kind, "site": "S01", "subject": subject, "occurred_on": on, "data": data});
        let composed = bo.sign(SmallTrial::ID, &trial.genesis, &statement);
        let event: Value = serde_json::from_slice(&composed.event).unwrap_or_default();
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        Submitted { id, bytes: composed.submission(), event: composed.event, receipt: None }
    };
    (0..EVENTS_EACH).map(sign).collect()
}

fn observations(count: u64) -> Vec<Value> {
    (0..count)
        .map(|number| json!({"loinc": "1751-7", "reported": {"unit": "g/L", "value": format!("{}.5", 30 + number)}}))
        .collect()
}

/// Submits singly and in batches until no answer comes; the events that were handed in.
fn submit_until_gone(address: &str, events: Vec<Submitted>, mut random: Random) -> Result<Vec<Submitted>> {
    let http = Http::new(address);
    let mut handed_in = Vec::new();
    let mut events = events.into_iter();
    loop {
        let count = if random.between(0, 1) == 0 { 1 } else { random.between(2, BATCH_MAX) };
        let mut batch: Vec<_> = events.by_ref().take(usize::try_from(count)?).collect();
        if batch.is_empty() {
            return Ok(handed_in);
        }
        let answers = submit(&http, &batch);
        let gone = answers.is_err();
        if let Ok(answers) = answers {
            for (event, answer) in batch.iter_mut().zip(answers?) {
                ensure!(!answer.repeated, "event {} is new, but was answered as repeated", event.id);
                event.receipt = Some(answer.receipt);
            }
        }
        handed_in.append(&mut batch);
        if gone {
            return Ok(handed_in);
        }
    }
}

/// Submits events in one request. `Err` if no answer came; `Ok(Err)` if one came that is wrong.
pub(crate) fn submit(http: &Http, events: &[Submitted]) -> Result<Result<Vec<Answer>>, String> {
    let reply = if let [one] = events {
        http.try_post(EVENTS_PATH, "application/json", one.bytes.clone())?
    } else {
        let lines: Vec<&[u8]> = events.iter().map(|event| &*event.bytes).collect();
        http.try_post(EVENTS_PATH, "application/x-ndjson", lines.join(&b'\n'))?
    };
    let read = || {
        let text = std::str::from_utf8(&reply.body)?;
        ensure!(matches!(reply.status, 200 | 201), "status {}: {text}", reply.status);
        let answers: Result<Vec<Answer>> = text.lines().map(answer).collect();
        let answers = answers?;
        ensure!(answers.len() == events.len(), "{} answers to {} events", answers.len(), events.len());
        Ok(answers)
    };
    Ok(read())
}

fn answer(line: &str) -> Result<Answer> {
    let answer: Value = serde_json::from_str(line)?;
    let repeated = match answer["outcome"].as_str() {
        Some("recorded") => false,
        Some("repeated") => true,
        _ => return Err(anyhow!("neither recorded nor repeated: {line}")),
    };
    let receipt = &answer["receipt"];
    let (seq, hash) = (receipt["seq"].as_u64(), receipt["hash"].as_str());
    match (seq, hash) {
        (Some(seq), Some(hash)) => Ok(Answer { repeated, receipt: Receipt { seq, hash: hash.to_owned() } }),
        _ => Err(anyhow!("no receipt: {line}")),
    }
}
