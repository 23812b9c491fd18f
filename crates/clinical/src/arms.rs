//! The list of arms, which stays outside the log: each entry held against the commitment to it that the log holds.
//!
//! It reads no file, and says nothing of an arm to anybody: what it answers goes into closed reports.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Position, RecordHash};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::data::{Data, allocation_message};
use crate::event::Event;
use crate::id::{SubjectId, TrialId};
use crate::kind::EventKind;
use crate::trial::Lineage;

/// An entry of the list: what reveals a subject's arm.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmEntry {
    /// The subject.
    pub subject: SubjectId,
    /// The arm's name.
    pub arm: String,
    /// The key of the commitment: 32 bytes, in hex.
    pub key: RecordHash,
}

impl std::fmt::Debug for ArmEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arm and key are what must not be told.
        f.debug_struct("ArmEntry").finish_non_exhaustive()
    }
}

/// Why a list of arms is not the log's. Subjects are named, arms are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmsError {
    /// Two entries are about one subject.
    #[error("subject {subject} is in the list twice")]
    Repeated {
        /// Whom.
        subject: SubjectId,
    },
    /// The log holds no allocation of the subject.
    #[error("subject {subject} is in the list, and the log holds no allocation of it")]
    NotAllocated {
        /// Whom.
        subject: SubjectId,
    },
    /// The entry is not what was committed to.
    #[error("the entry of subject {subject} does not match the commitment in the log")]
    Differs {
        /// Whom.
        subject: SubjectId,
    },
    /// An allocated subject is not in the list.
    #[error("subject {subject} was allocated, and is not in the list")]
    Missing {
        /// Whom.
        subject: SubjectId,
    },
    /// Two pseudonyms of one person were assigned to different arms.
    #[error("subject {subject} is the same person as another of the list, of another arm")]
    Contradicts {
        /// The pseudonym that stays.
        subject: SubjectId,
    },
    /// The log opens no trial.
    #[error("the log opens no trial")]
    NotOpened,
}

/// A subject, and the commitment to its arm.
type Committed = (SubjectId, RecordHash);

/// What a log says of allocations: who was allocated, with which commitment, known from which record on.
#[derive(Debug, Default)]
pub struct Allocations {
    trial: Option<TrialId>,
    lineage: Lineage,
    /// In the order of recording: where, the thing's first record, and what it now says; `None`: that it never held.
    stated: Vec<(Position, Position, Option<Committed>)>,
    /// Pseudonyms given up, each with the one that stays, and the record that says so.
    links: Vec<(Position, SubjectId, SubjectId)>,
}

impl Allocations {
    /// Takes in the next event.
    pub fn fold(&mut self, event: &Event, seq: Position) {
        if self.trial.is_none() && matches!(event.data, Data::TrialOpened(_)) {
            self.trial = Some(event.trial.clone());
        }
        if let Data::SubjectsLinked(data) = &event.data {
            self.links.push((seq, data.duplicate.clone(), data.kept.clone()));
        }
        if event.kind != EventKind::Allocation {
            return;
        }
        let root = self.lineage.place(seq, event.amends.as_ref());
        let what = match (&event.data, &event.subject) {
            (Data::Allocation(data), Some(subject)) => Some((subject.clone(), data.commitment)),
            _ => None,
        };
        self.stated.push((seq, root, what));
    }

    /// Who is allocated after the first `records` records, and with which commitment. Of several allocations of a subject
    /// the one recorded last counts.
    fn after(&self, records: u64) -> BTreeMap<SubjectId, RecordHash> {
        let mut now: BTreeMap<Position, (Position, Option<&Committed>)> = BTreeMap::new();
        for (seq, root, what) in self.stated.iter().filter(|(seq, ..)| seq.0 < records) {
            now.insert(*root, (*seq, what.as_ref()));
        }
        let mut latest: Vec<_> = now.into_values().filter_map(|(seq, what)| Some((seq, what?))).collect();
        latest.sort_unstable_by_key(|(seq, _)| *seq);
        latest.into_iter().map(|(_, (subject, commitment))| (subject.clone(), *commitment)).collect()
    }

    /// The subjects of each arm after the first `records` records, by the pseudonyms that stay. Every entry of the list has
    /// to be of an allocation in the log, and every subject allocated by then to be in the list.
    ///
    /// # Errors
    /// [`ArmsError`].
    pub fn open(
        &self,
        list: &[ArmEntry],
        records: u64,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, ArmsError> {
        let trial = self.trial.as_ref().ok_or(ArmsError::NotOpened)?;
        let (then, now) = (self.after(records), self.after(u64::MAX));
        let mut listed: BTreeMap<&SubjectId, &str> = BTreeMap::new();
        for ArmEntry { subject, arm, key } in list {
            let about = || subject.clone();
            if listed.insert(subject, arm).is_some() {
                return Err(ArmsError::Repeated { subject: about() });
            }
            let commitment = then.get(subject).or_else(|| now.get(subject));
            let commitment = commitment.ok_or_else(|| ArmsError::NotAllocated { subject: about() })?;
            let message = allocation_message(trial.as_str(), subject.as_str(), arm, &key.0);
            if commitment.0 != <[u8; 32]>::from(Sha256::digest(message)) {
                return Err(ArmsError::Differs { subject: about() });
            }
        }
        let kept = |subject: &SubjectId| {
            let link = self.links.iter().find(|(seq, given_up, _)| seq.0 < records && given_up == subject);
            link.map_or(subject, |(_, _, kept)| kept).clone()
        };
        let mut arms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut arm_of: BTreeMap<SubjectId, &str> = BTreeMap::new();
        for subject in then.keys() {
            let arm = listed.get(subject);
            let arm = *arm.ok_or_else(|| ArmsError::Missing { subject: subject.clone() })?;
            let subject = kept(subject);
            arms.entry(arm.to_owned()).or_default().insert(subject.as_str().to_owned());
            if arm_of.insert(subject.clone(), arm).is_some_and(|other| other != arm) {
                return Err(ArmsError::Contradicts { subject });
            }
        }
        Ok(arms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(seq: u64, mut event: Value) -> Event {
        let envelope = json!({
            "actor": {"id": "a", "organisation": "o", "role": "data_manager"},
            "id": format!("01936b2e-7c5a-7d3e-8f10-{seq:012x}"),
            "key": "11".repeat(32), "log": "22".repeat(32), "schema": 1,
            "signed_at": "2013-01-01T00:00:00.000000Z", "trial": "lupus", "zone": "Asia/Shanghai"
        });
        event.as_object_mut().unwrap().extend(envelope.as_object().unwrap().clone());
        Event::decode(&chain::canonical::canonicalize(&event).unwrap()).unwrap()
    }

    fn commitment(subject: &str, arm: &str, key: u8) -> String {
        let message = allocation_message("lupus", subject, arm, &[key; 32]);
        RecordHash(Sha256::digest(message).into()).to_string()
    }

    fn entry(subject: &str, arm: &str, key: u8) -> ArmEntry {
        let key = RecordHash([key; 32]);
        ArmEntry { subject: subject.parse().unwrap(), arm: arm.to_owned(), key }
    }

    /// Record 0 opens the trial, 1 to 3 allocate A, B and C, each with the key of its position, 4 allocates B otherwise.
    fn allocations() -> Allocations {
        let mut allocations = Allocations::default();
        let mut seq = 0;
        let mut push = |data: Value, subject: &str, amends: Option<u64>| {
            let mut stated = json!({"kind": "allocation", "data": data});
            if subject.is_empty() {
                stated["kind"] = "trial_opened".into();
            } else {
                stated["subject"] = subject.into();
                stated["site"] = "S01".into();
                stated["occurred_on"] = "2012-01-01".into();
            }
            if let Some(amended) = amends {
                let hash = "33".repeat(32);
                let effect = if stated["data"] == json!({}) { "void" } else { "replace" };
                stated["amends"] =
                    json!({"effect": effect, "hash": hash, "reason": "source_corrected", "seq": amended});
            }
            allocations.fold(&event(seq, stated), Position(seq));
            seq += 1;
        };
        push(
            json!({
                "definitions": {
                    "evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                    "relapse": "relapse-1", "remission": "ccr-registry-1"
                },
                "log_key": "log", "profile": {"mandatory": {}}, "rule_set": 1, "schedule": [], "sponsor_keys": [],
                "synthetic": true, "title": "A trial", "zone": "Asia/Shanghai"
            }),
            "",
            None,
        );
        for (subject, arm, key) in [("A", "cells", 1), ("B", "cells", 2), ("C", "placebo", 3)] {
            push(json!({"commitment": commitment(subject, arm, key)}), subject, None);
        }
        push(json!({"commitment": commitment("B", "placebo", 4)}), "B", Some(2));
        push(json!({}), "C", Some(3));
        allocations
    }

    fn subjects(arms: &BTreeMap<String, BTreeSet<String>>) -> Vec<(&str, Vec<&str>)> {
        arms.iter().map(|(arm, of)| (arm.as_str(), of.iter().map(String::as_str).collect())).collect()
    }

    #[test]
    fn a_list_opens_what_was_committed_to_by_then() {
        let allocations = allocations();
        let list = [entry("A", "cells", 1), entry("B", "cells", 2), entry("C", "placebo", 3)];
        let arms = allocations.open(&list, 4).unwrap();
        assert_eq!(subjects(&arms), [("cells", vec!["A", "B"]), ("placebo", vec!["C"])]);
        // Corrected since, by a list of its own; and C was never allocated.
        let list = [entry("A", "cells", 1), entry("B", "placebo", 4)];
        let arms = allocations.open(&list, 6).unwrap();
        assert_eq!(subjects(&arms), [("cells", vec!["A"]), ("placebo", vec!["B"])]);
        // Earlier, only who was allocated by then is in an arm; entries of later ones do no harm.
        let arms = allocations.open(&list, 2).unwrap();
        assert_eq!(subjects(&arms), [("cells", vec!["A"])]);
    }

    #[test]
    fn a_list_that_is_not_the_logs_is_refused_and_the_subject_named() {
        let allocations = allocations();
        let refused = |list: &[ArmEntry], records| allocations.open(list, records).unwrap_err().to_string();
        let (a, b) = (entry("A", "cells", 1), entry("B", "placebo", 4));
        for (wrong, due) in [
            (entry("B", "cells", 4), "subject B does not match"),
            (entry("B", "placebo", 5), "subject B does not match"),
            (entry("D", "cells", 1), "subject D is in the list, and the log holds no allocation"),
            (entry("C", "placebo", 3), "subject C is in the list, and the log holds no allocation"),
            (entry("A", "cells", 1), "subject A is in the list twice"),
        ] {
            let said = refused(&[a.clone(), wrong], 6);
            assert!(said.replace("entry of ", "").contains(due), "{said}");
            assert!(!said.contains("cells") && !said.contains("placebo"), "{said}");
        }
        assert!(refused(&[b], 6).contains("subject A was allocated, and is not in the list"));
        assert_eq!(Allocations::default().open(&[], 1), Err(ArmsError::NotOpened));
    }
}
