//! `bench fold`: from records' bytes to a report's rows, without a store, on one thread.
//!
//! Each record is read (canonical form, members), its event decoded, folded, and its rows put into a hash map. The
//! reference does less: it parses the same bytes into `serde_json::Value` and drops it.

use std::collections::HashMap;

use anyhow::Result;
use chain::{LinkedRecord, Record};
use clinical::Event;
use serde_json::Value;

use crate::measure::{Arguments, Target, compare, rate};
use crate::study::Study;

const RECORDS: usize = 40_000;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?;
    let log = Study::new()?.log(RECORDS)?;
    let reference = ("bare parse", Target::Rate(200_000.0));
    compare("fold: outcomes", "records", runs, reference, || outcomes(&log), || parse(&log))?;
    compare("fold: safety", "records", runs, reference, || safety(&log), || parse(&log))
}

fn parse(log: &[LinkedRecord]) -> Result<f64> {
    rate(log.len(), || {
        for record in log {
            std::hint::black_box(serde_json::from_slice::<Value>(&record.bytes)?);
        }
        Ok(())
    })
}

macro_rules! fold {
    ($report:ident) => {
        fn $report(log: &[LinkedRecord]) -> Result<f64> {
            let mut folder = ::$report::Folder::new();
            let (mut changes, mut rows) = (Vec::new(), HashMap::new());
            rate(log.len(), || {
                for linked in log {
                    let record = Record::parse(&linked.bytes)?;
                    let event = Event::decode(record.event)?;
                    folder.fold(&event, linked.seq, record.recorded_at, &mut changes);
                    for change in changes.drain(..) {
                        match change.value {
                            Some(value) => rows.insert(change.key, value),
                            None => rows.remove(&change.key),
                        };
                    }
                }
                std::hint::black_box(&rows);
                Ok(())
            })
        }
    };
}

fold!(outcomes);
fold!(safety);
