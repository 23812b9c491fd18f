//! A log in memory for the tests of both reports, and what holds of either.
//!
//! Events as a registrar would have accepted them, and the rows they fold to.
//!
//! It knows neither report: each brings its fold as [`Reporting`].

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "for tests, which fail by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "so that `json!` stands in the call")]

use std::collections::BTreeMap;
use std::marker::PhantomData;

use chain::{Instant, Position, RecordHash};
use clinical::report::{AskedSources, Covered, Parameters, Sources};
use clinical::rows::{RowChange, STATE_PREFIX};
use clinical::{Date, Event, SuspectedKey};
use serde::Serialize;
use serde_json::{Value, json};

mod sources;
mod suspicions;

pub use sources::{behind, every_count_adds_up};
pub use suspicions::{a_restarted_fold_lists_the_same_suspicions, records_of_a_suspected_key_are_listed};

/// A report and the fold that makes its rows, as it is before the first record.
pub trait Reporting: Default {
    /// The report.
    type Report: Serialize + PartialEq + std::fmt::Debug;

    /// Folds one event into changes of rows.
    fn fold(&mut self, event: &Event, seq: Position, recorded_at: Instant, out: &mut Vec<RowChange>);

    /// Takes back what the fold knew from one of its rows.
    fn restore(&mut self, key: &[u8], row: &[u8]);

    /// The report of these rows.
    fn report(rows: Rows, parameters: &Parameters, covered: Covered) -> Self::Report;

    /// What is behind a cell of the report of these rows.
    ///
    /// # Errors
    /// What the report says.
    fn sources(
        rows: Rows,
        parameters: &Parameters,
        covered: Covered,
        asked: &AskedSources,
    ) -> Result<Sources, String>;

    /// The keys that a report names as suspected.
    fn suspected_keys(report: &Self::Report) -> &[SuspectedKey];
}

/// Rows by key, in their order.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Records, each event with the instant of its recording, and the report that is made of them.
pub struct Log<R> {
    /// The records.
    pub records: Vec<(Value, Instant)>,
    now: i64,
    reporting: PhantomData<R>,
}

/// 2013-01-01T00:00:00Z: after everything that happens in these tests.
const START: i64 = 1_356_998_400_000_000;

impl<R: Reporting> Log<R> {
    /// A log with an opened trial.
    pub fn open() -> Self {
        let mut log = Self { records: Vec::new(), now: START, reporting: PhantomData };
        log.push(json!({
            "kind": "trial_opened",
            "data": {
                "definitions": {
                    "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                    "relapse": "relapse-1", "remission": "ccr-registry-1"
                },
                "log_key": "log", "profile": {"mandatory": {}}, "rule_set": 1,
                "schedule": [
                    {"day": 0, "name": "baseline", "window_after": 0, "window_before": 14},
                    {"day": 91, "name": "month 3", "window_after": 14, "window_before": 14}
                ],
                "sponsor_keys": [], "synthetic": true, "title": "A trial", "zone": "Asia/Shanghai"
            }
        }));
        log
    }

    /// Records an event a second after the one before; gives its position.
    pub fn push(&mut self, event: Value) -> u64 {
        self.now += 1_000_000;
        self.push_at(event, self.now)
    }

    /// Records an event at an instant, in microseconds since 1970.
    pub fn push_at(&mut self, mut event: Value, recorded_at: i64) -> u64 {
        let seq = self.records.len() as u64;
        let envelope = json!({
            "actor": {"id": "a", "organisation": "o", "role": "investigator"},
            "id": format!("01936b2e-7c5a-7d3e-8f10-{seq:012x}"),
            "key": "11".repeat(32), "log": "22".repeat(32), "schema": 1,
            "signed_at": "2013-01-01T00:00:00.000000Z", "trial": "lupus-msct", "zone": "Asia/Shanghai"
        });
        event.as_object_mut().unwrap().extend(envelope.as_object().unwrap().clone());
        self.records.push((event, Instant::from_microseconds(recorded_at).unwrap()));
        seq
    }

    /// A fact about a subject of site `S01`.
    pub fn fact(&mut self, subject: &str, kind: &str, on: &str, data: Value) -> u64 {
        self.fact_at("S01", subject, kind, on, data)
    }

    /// A fact about a subject.
    pub fn fact_at(&mut self, site: &str, subject: &str, kind: &str, on: &str, data: Value) -> u64 {
        self.push(json!({"kind": kind, "site": site, "subject": subject, "occurred_on": on, "data": data}))
    }

    /// An enrollment.
    pub fn enroll(&mut self, subject: &str, on: &str) -> u64 {
        self.fact(subject, "enrollment", on, json!({}))
    }

    /// An infusion.
    pub fn infuse(&mut self, subject: &str, on: &str) -> u64 {
        self.fact(subject, "infusion", on, json!({}))
    }

    /// Enrolled and infused on one day.
    pub fn treat(&mut self, subject: &str, on: &str) -> u64 {
        self.enroll(subject, on);
        self.infuse(subject, on)
    }

    /// Seen alive.
    pub fn alive(&mut self, subject: &str, on: &str) -> u64 {
        self.fact(subject, "contact", on, json!({"means": "phone", "vital_status": "alive"}))
    }

    /// Died.
    pub fn die(&mut self, subject: &str, on: &str) -> u64 {
        self.fact(subject, "disposition", on, json!({"reason": "death", "scope": "study"}))
    }

    /// A visit with a relapse.
    pub fn relapse(&mut self, subject: &str, on: &str) -> u64 {
        let data = json!({"relapse": {"definition": "relapse-1", "relapsed": true}, "status": "done"});
        self.fact(subject, "visit", on, data)
    }

    /// A visit with a response.
    pub fn respond(&mut self, subject: &str, on: &str, status: &str) -> u64 {
        let data = json!({"response": {"definition": "ccr-registry-1", "status": status}, "status": "done"});
        self.fact(subject, "visit", on, data)
    }

    /// An adverse event; `on` may be empty for an unknown onset.
    pub fn adverse(&mut self, subject: &str, on: &str, data: Value) -> u64 {
        self.adverse_at("S01", subject, on, data)
    }

    /// As [`Log::adverse`], at a site.
    pub fn adverse_at(&mut self, site: &str, subject: &str, on: &str, data: Value) -> u64 {
        let mut event = json!({"kind": "adverse_event", "site": site, "subject": subject, "data": data});
        if !on.is_empty() {
            event["occurred_on"] = json!(on);
        }
        self.push(event)
    }

    /// A record that carries on from the one at `seq`.
    pub fn carry_on(&mut self, seq: u64, on: &str, data: Value) -> u64 {
        let earlier = &self.records[usize::try_from(seq).unwrap()].0;
        let event = json!({
            "kind": "adverse_event", "site": earlier["site"], "subject": earlier["subject"], "occurred_on": on,
            "data": data, "follows": {"hash": "33".repeat(32), "seq": seq}
        });
        self.push(event)
    }

    /// A new version of the record at `seq`.
    pub fn replace(&mut self, seq: u64, on: &str, data: Value) -> u64 {
        let mut event = self.about(seq, "replace");
        event["occurred_on"] = json!(on);
        event["data"] = data;
        self.push(event)
    }

    /// Voids the record at `seq`.
    pub fn void(&mut self, seq: u64) -> u64 {
        let event = self.about(seq, "void");
        self.push(event)
    }

    fn about(&self, seq: u64, effect: &str) -> Value {
        let amended = &self.records[usize::try_from(seq).unwrap()].0;
        json!({
            "amends": {"effect": effect, "hash": "33".repeat(32), "reason": "transcription", "seq": seq},
            "kind": amended["kind"], "site": amended["site"], "subject": amended["subject"],
            "occurred_on": amended["occurred_on"], "data": {}
        })
    }

    /// The records as a fold is given them.
    pub fn events(&self) -> Vec<(Event, Instant)> {
        self.records
            .iter()
            .map(|(value, at)| (Event::decode(&serde_json::to_vec(value).unwrap()).unwrap(), *at))
            .collect()
    }

    /// What they fold to.
    pub fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        fold(&mut R::default(), &self.events(), 0, &mut rows);
        rows
    }

    /// The report of everything up to `cutoff`.
    pub fn report(&self, cutoff: &str) -> R::Report {
        report::<R>(&self.rows(), Some(cutoff))
    }
}

/// Folds events, the first of which stands at `first`, into rows.
pub fn fold(folder: &mut impl Reporting, events: &[(Event, Instant)], first: u64, rows: &mut Rows) {
    let mut changes = Vec::new();
    for (index, (event, at)) in events.iter().enumerate() {
        folder.fold(event, Position(first + index as u64), *at, &mut changes);
        assert!(changes.len() <= 5, "one event changes few rows");
        for change in changes.drain(..) {
            match change.value {
                Some(value) => rows.insert(change.key, value),
                None => rows.remove(&change.key),
            };
        }
    }
}

/// A fold as it is after a restart: from its rows.
pub fn restarted<R: Reporting>(rows: &Rows) -> R {
    let mut folder = R::default();
    for (key, row) in rows.range(STATE_PREFIX.to_vec()..).take_while(|(key, _)| key.starts_with(STATE_PREFIX))
    {
        folder.restore(key, row);
    }
    folder
}

/// The report of rows.
pub fn report<R: Reporting>(rows: &Rows, cutoff: Option<&str>) -> R::Report {
    let cutoff: Option<Date> = cutoff.map(|cutoff| cutoff.parse().unwrap());
    R::report(rows.clone(), &Parameters { cutoff }, Covered { records: 1, head: RecordHash([7; 32]) })
}

/// A report without the positions of records, which depend on the order of arrival.
pub fn without_positions(report: &impl Serialize) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !name.ends_with("_seq") && !name.ends_with("_seqs"));
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(report).unwrap();
    strip(&mut value);
    value
}
