//! Any bytes get an answer; many threads and many chunks give the same one.

use std::num::NonZeroUsize;
use std::sync::Arc;

use proptest::prelude::*;
use verify::{Anchors, Bytes, Class, Evidence, Options, Records, Report, Source, SourceError, Step, Verdict};

use crate::support::{Log, check, visit};

fn check_with(threads: usize, records: &[Arc<[u8]>], anchors: &Anchors) -> Report {
    let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
    verify::verify(Records::new(records.iter().cloned()), anchors, options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_get_an_answer(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let records: Vec<Arc<[u8]>> = records.into_iter().map(Into::into).collect();
        let report = check(&records, &Anchors::default());
        prop_assert_eq!(report.covers.records, records.len() as u64);
        prop_assert_eq!(report.verdict, if records.is_empty() { Verdict::Undecided } else { Verdict::Broken });
        prop_assert!(report.to_string().is_ascii());
        prop_assert!(serde_json::to_value(&report).unwrap()["findings"].is_array());
    }

    #[test]
    fn a_log_harmed_in_any_way_is_answered_alike_by_any_number_of_threads(
        harms in prop::collection::vec((0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5)
    ) {
        let log = Log::of_every_kind(1);
        let mut records = log.records.clone();
        for (harm, first, second) in harms {
            let (first, second) = (first.index(records.len()), second.index(records.len()));
            match harm {
                0 if records.len() > 1 => drop(records.remove(first)),
                1 => records.insert(first, records[second].clone()),
                2 => records.swap(first, second),
                _ => {
                    let mut bytes = records[first].to_vec();
                    let at = second % bytes.len();
                    bytes[at] ^= 4;
                    records[first] = bytes.into();
                }
            }
        }
        let report = check_with(1, &records, &log.anchors_with_head());
        // Harms may undo one another.
        prop_assert_eq!(report.status(), u8::from(records != log.records));
        prop_assert_eq!(&report, &check_with(3, &records, &log.anchors_with_head()));
    }
}

/// A log of several chunks, with every hundredth signature wrong and one record altered.
fn long_log() -> (Log, Vec<usize>) {
    let mut log = Log::running(1);
    let investigator = log.investigator.clone();
    let mut wrong = Vec::new();
    while log.records.len() < 3_000 {
        let composed = log.event(&investigator, visit("S1", "2008-03-18"));
        let mut signature = composed.signature;
        if log.records.len() % 100 == 50 {
            signature.0[7] ^= 1;
            wrong.push(log.records.len());
        }
        log.record(&composed.event, signature);
    }
    (log, wrong)
}

#[test]
fn a_log_of_many_chunks_is_checked_whole_and_its_findings_are_bounded() {
    let (log, wrong) = long_log();
    let mut steps = Vec::new();
    let mut progress = |records, bytes| steps.push((records, bytes));
    let options = Options {
        threads: NonZeroUsize::new(2).unwrap(),
        findings_kept_max: 10,
        progress: Some(&mut progress),
        ..Options::default()
    };
    let report =
        verify::verify(Records::new(log.records.clone()), &log.anchors_with_head(), options).unwrap();
    let listed: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.code == Evidence::BadSignature.into())
        .map(|finding| usize::try_from(finding.place.seq.unwrap().0).unwrap())
        .collect();
    assert_eq!(listed, wrong[..10]);
    assert_eq!(report.count(Class::Evidence), wrong.len() as u64);
    assert_eq!(report.unlisted(), report.found.values().sum::<u64>() - report.findings.len() as u64);
    assert!(report.to_string().contains(&format!("and {} more", wrong.len() - 10)));
    assert!(steps.len() > 1, "the log fits one chunk");
    assert_eq!(steps.last(), Some(&(report.covers.records, report.covers.bytes)));
    let bytes: usize = log.records.iter().map(|record| record.len()).sum();
    assert_eq!(report.covers.bytes, bytes as u64);
}

/// A source whose medium fails after the first chunk.
struct Failing(Records);

impl Source for Failing {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        let before = out.len();
        match self.0.next(bytes_max, out)? {
            Step::End if out.len() == before => {
                Err(SourceError { op: "reading segment 2".to_owned(), source: "the disk is gone".into() })
            }
            _ => Ok(Step::More),
        }
    }

    fn record(&self, seq: chain::Position) -> Result<Option<Bytes>, SourceError> {
        self.0.record(seq)
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_verdict() {
    let log = Log::running(1);
    let source = Failing(Records::new(log.records.clone()));
    let error = verify::verify(source, &log.anchors(), Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "reading the records failed: reading segment 2");
}
