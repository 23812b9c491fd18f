//! `bench verify`: verifying records in memory, on all cores.
//!
//! Without signatures the reference hashes the same bytes (SHA-256), parses them into `serde_json::Value` and makes
//! them canonical again (`serde_json_canonicalizer`), and compares nothing. With signatures the reference checks the
//! same signatures strictly, and does nothing else.

use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use chain::{LinkedRecord, PublicKey, Record};
use clinical::Event;
use serde_json::Value;
use sha2::{Digest, Sha256};
use verify::{Anchors, Depth, Options, Records, Verdict};

use crate::measure::{Arguments, Target, compare, on_all_cores, rate, threads};
use crate::study::Study;

const RECORDS: usize = 50_000;

/// A signature and what it takes to check it.
pub(crate) struct Signed {
    pub(crate) key: PublicKey,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: chain::Signature,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?;
    let log = Study::new()?.log(RECORDS)?;
    let signed = signed(&log)?;
    compare(
        "verify: no signatures",
        "records",
        runs,
        ("bare hash, parse, canonicalize", Target::Ratio(0.7)),
        || verify_log(&log, Depth::Records),
        || rate(log.len(), || bare(&log)),
    )?;
    compare(
        "verify: signatures",
        "records",
        runs,
        ("bare strict signatures", Target::Ratio(0.8)),
        || verify_log(&log, Depth::Signatures),
        || signatures(&signed),
    )
}

fn verify_log(log: &[LinkedRecord], depth: Depth) -> Result<f64> {
    let records = Records::new(log.iter().map(|record| record.bytes.clone()));
    let anchors = Anchors { genesis: log.first().map(|record| record.hash), ..Anchors::default() };
    let threads = NonZeroUsize::new(threads()).unwrap_or(NonZeroUsize::MIN);
    let expected = if depth == Depth::Signatures { Verdict::Intact } else { Verdict::Undecided };
    rate(log.len(), || {
        let report = verify::verify(records, &anchors, Options { threads, depth, ..Options::default() })?;
        ensure!(report.verdict == expected, "the log is {:?}", report.verdict);
        Ok(())
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what is measured may fail elsewhere")]
fn bare(log: &[LinkedRecord]) -> Result<()> {
    on_all_cores(log, |record| {
        std::hint::black_box(Sha256::digest(&record.bytes));
        let value: Value = serde_json::from_slice(&record.bytes).expect("a record is JSON");
        std::hint::black_box(
            serde_json_canonicalizer::to_vec(&value).expect("a record has a canonical form"),
        );
    });
    Ok(())
}

/// The signatures of a log whose keys are granted in it.
pub(crate) fn signed(log: &[LinkedRecord]) -> Result<Vec<Signed>> {
    let mut keys = std::collections::BTreeMap::new();
    let mut signed = Vec::with_capacity(log.len());
    for linked in log {
        let record = Record::parse(&linked.bytes)?;
        let event = Event::decode(record.event)?;
        let granted: Vec<String> = match &event.data {
            clinical::Data::TrialOpened(data) => {
                data.sponsor_keys.iter().map(|key| key.public_key.clone()).collect()
            }
            clinical::Data::KeyGranted(data) => vec![data.public_key.clone()],
            _ => Vec::new(),
        };
        for text in granted {
            let key = PublicKey::from_text(&text)?;
            keys.insert(key.id(), key);
        }
        let message = chain::key::event_message(record.event);
        signed.push(Signed { key: keys[&event.key], message, signature: record.signature });
    }
    Ok(signed)
}

/// How many signatures all cores check strictly in a second.
pub(crate) fn signatures(signed: &[Signed]) -> Result<f64> {
    rate(signed.len(), || {
        on_all_cores(signed, |signed| {
            signed.key.verify(&signed.message, &signed.signature).expect("the signature holds");
        });
        Ok(())
    })
}
