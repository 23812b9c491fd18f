//! What has to hold after a restart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use chain::Record;
use e2e::{DEADLINE, Http, Run, SmallTrial, copy_dir, run};
use journal_file::ReadOnlyJournal;
use serde_json::Value;

use crate::load::{Receipt, Submitted, submit};

/// Events of one request when what was not acknowledged is submitted again.
const BATCH: usize = 200;

/// Acknowledged events that are submitted again: one in so many.
const SAMPLE: usize = 20;

/// A day after every event of the load.
const CUTOFF: &str = "2025-12-31";

/// A record as the files have it.
pub(crate) struct Stored {
    receipt: Receipt,
    event: Vec<u8>,
}

/// What the log's files hold, by event id; an id that stands there twice is an error.
pub(crate) fn stored(trial: &SmallTrial) -> Result<BTreeMap<String, Stored>> {
    let mut found = BTreeMap::new();
    for linked in ReadOnlyJournal::open(&trial.trial_dir().join("journal"))?.records()? {
        let linked = linked.context("the log's files")?;
        let record = Record::parse(&linked.bytes)?;
        let event: Value = serde_json::from_slice(record.event)?;
        let id = event["id"].as_str().context("an event without id")?.to_owned();
        let receipt = Receipt { seq: linked.seq.0, hash: linked.hash.to_string() };
        let stored = Stored { receipt, event: record.event.to_vec() };
        if let Some(first) = found.insert(id.clone(), stored) {
            bail!("event {id} is in the log twice: at {} and {}", first.receipt.seq, linked.seq);
        }
    }
    Ok(found)
}

/// Holds the log against everything submitted to it so far. How many are there without having been acknowledged.
pub(crate) fn hold(
    stored: &BTreeMap<String, Stored>,
    known: &BTreeMap<String, Submitted>,
    before: u64,
) -> Result<u64> {
    let mut unacknowledged = 0;
    let mut lost = Vec::new();
    for submitted in known.values() {
        match (stored.get(&submitted.id), &submitted.receipt) {
            (None, Some(receipt)) => lost.push(format!("{} (position {})", submitted.id, receipt.seq)),
            (None, None) => {}
            (Some(found), receipt) => {
                ensure!(found.event == submitted.event, "event {} is stored with other bytes", submitted.id);
                if let Some(receipt) = receipt {
                    ensure!(
                        found.receipt == *receipt,
                        "event {} is not where its receipt says",
                        submitted.id
                    );
                } else {
                    unacknowledged += 1;
                }
            }
        }
    }
    ensure!(lost.is_empty(), "{} acknowledged events are lost: {}", lost.len(), lost.join(", "));
    let strange = stored.iter().find(|(id, found)| found.receipt.seq >= before && !known.contains_key(*id));
    if let Some((id, found)) = strange {
        bail!("record {} holds event {id}, which nobody submitted", found.receipt.seq);
    }
    Ok(unacknowledged)
}

/// Submits again what was not acknowledged, which settles it, and some of what was, which changes nothing.
pub(crate) fn resubmit(
    http: &Http,
    stored: &BTreeMap<String, Stored>,
    submitted: &mut [Submitted],
) -> Result<()> {
    let mut again: Vec<usize> = (0..submitted.len()).filter(|at| submitted[*at].receipt.is_none()).collect();
    again.extend((0..submitted.len()).filter(|at| submitted[*at].receipt.is_some()).step_by(SAMPLE));
    for places in again.chunks(BATCH) {
        let batch: Vec<Submitted> = places.iter().map(|at| submitted[*at].clone()).collect();
        let answers =
            submit(http, &batch).map_err(|error| anyhow!("no answer after the restart: {error}"))??;
        for ((at, event), answer) in places.iter().zip(&batch).zip(answers) {
            match stored.get(&event.id) {
                Some(found) => {
                    ensure!(answer.repeated, "event {} was recorded a second time", event.id);
                    ensure!(answer.receipt == found.receipt, "event {} got another receipt", event.id);
                }
                None => ensure!(
                    !answer.repeated,
                    "event {} is answered as repeated, but was not stored",
                    event.id
                ),
            }
            submitted[*at].receipt = Some(answer.receipt);
        }
    }
    Ok(())
}

/// `verify` says that all `records` are intact, back to the genesis.
pub(crate) fn verify(trial: &SmallTrial, records: u64) -> Result<()> {
    let data = trial.data();
    let verified = run(["verify", &data.to_string_lossy(), "--genesis", &trial.genesis]);
    let due = format!("Intact: all {records} records hold");
    ensure!(
        verified.status == 0 && verified.out.starts_with(&due),
        "{due} was due; verify said {verified:?}"
    );
    Ok(())
}

/// The reports of the read models that lived through the kill are those of read models made anew.
pub(crate) fn reports(trial: &SmallTrial, http: &Http, records: u64) -> Result<()> {
    // A copy of the log without read models.
    let copy = trial.beside().join("anew");
    let trial_dir = copy.join("trials").join(SmallTrial::ID);
    for part in ["keys", "state"] {
        copy_dir(&trial.data().join(part), &copy.join(part));
    }
    copy_dir(&trial.trial_dir().join("journal"), &trial_dir.join("journal"));
    for kind in ["outcomes", "safety"] {
        wait_for(http, &format!("/v1/trials/{}/reports/{kind}", SmallTrial::ID), records)?;
        let report = |place: [&str; 2]| {
            let arguments = ["report", kind, "--json", "--trial", SmallTrial::ID, "--cutoff", CUTOFF];
            succeeded(run(arguments.into_iter().chain(place)))
        };
        let kept = report(["--server", &http.address])?;
        let anew = report(["--data", &copy.to_string_lossy()])?;
        ensure!(kept == anew, "the {kind} report is another than that of a read model made anew");
    }
    std::fs::remove_dir_all(&copy)?;
    Ok(())
}

fn succeeded(run: Run) -> Result<String> {
    ensure!(run.status == 0, "a command failed: {run:?}");
    Ok(run.out)
}

/// Waits until a read covers `records` records.
pub(crate) fn wait_for(http: &Http, path: &str, records: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let reply = http.try_get(path).map_err(|error| anyhow!("{path}: {error}"))?;
        let answer: Value = serde_json::from_slice(&reply.body)?;
        if answer["covers"]["records"] == records {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < DEADLINE,
            "{path} does not come to {records} records: {}",
            answer["covers"]
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(seq: u64) -> Receipt {
        Receipt { seq, hash: format!("hash of {seq}") }
    }

    fn known(id: &str, receipt: Option<Receipt>) -> (String, Submitted) {
        let id = id.to_owned();
        (id.clone(), Submitted { id, event: b"event".to_vec(), bytes: Vec::new(), receipt })
    }

    fn in_log(id: &str, seq: u64, event: &[u8]) -> (String, Stored) {
        (id.to_owned(), Stored { receipt: receipt(seq), event: event.to_vec() })
    }

    #[test]
    fn what_is_lost_moved_changed_or_strange_is_told_and_what_was_not_acknowledged_may_be_missing() {
        let known = BTreeMap::from([known("a", Some(receipt(3))), known("b", None), known("c", None)]);
        let check = |stored: Vec<(String, Stored)>| {
            let outcome = hold(&stored.into_iter().collect(), &known, 2);
            outcome.map_err(|error| error.to_string())
        };
        let before = || in_log("earlier", 1, b"other");
        let a = || in_log("a", 3, b"event");
        assert_eq!(check(vec![before(), a()]), Ok(0));
        assert_eq!(check(vec![before(), a(), in_log("b", 4, b"event")]), Ok(1));
        let fails = |stored, words: &str| assert!(check(stored).unwrap_err().contains(words), "{words}");
        fails(vec![before(), in_log("b", 3, b"event")], "1 acknowledged events are lost: a (position 3)");
        fails(vec![in_log("a", 4, b"event")], "not where its receipt says");
        fails(vec![in_log("a", 3, b"evens")], "stored with other bytes");
        fails(vec![a(), in_log("d", 4, b"event")], "which nobody submitted");
    }
}
