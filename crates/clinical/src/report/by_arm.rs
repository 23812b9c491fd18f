//! A closed report: one of all subjects, and the same of each arm's. It says who is in which arm to nobody but its reader:
//! of it the log holds the hash alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Arms, Covers, Cutoff, Engine, TrialHeader, canonical_json};
use crate::data::ReportAccess;

/// Number of the form.
const SCHEMA: u32 = 1;

/// Of whom a report is made, and for whose eyes.
#[derive(Debug, Clone, Copy, Default)]
pub enum Reading<'a> {
    /// Of all, for whoever reads reports: where the trial has arms, without what tells them apart.
    #[default]
    Open,
    /// Of all or of these subjects alone, for those who may know the arms.
    Closed(Option<&'a BTreeSet<String>>),
}

impl Reading<'_> {
    /// Whether the report is about the subject.
    pub fn is_about(&self, subject: &str) -> bool {
        self.only().is_none_or(|only| only.contains(subject))
    }

    /// The subjects that it is about alone; `None`: about all.
    pub fn only(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Closed(only) => *only,
            Self::Open => None,
        }
    }

    /// What is done about arms, in a trial that has them or has not.
    ///
    /// ```
    /// use clinical::report::{Arms, Reading};
    /// assert_eq!(Reading::Open.arms(true), Arms::Withheld);
    /// assert_eq!(Reading::Open.arms(false), Arms::None);
    /// assert_eq!(Reading::Closed(None).arms(true), Arms::Shown);
    /// ```
    pub fn arms(&self, has_arms: bool) -> Arms {
        match self {
            _ if !has_arms => Arms::None,
            Self::Open => Arms::Withheld,
            Self::Closed(_) => Arms::Shown,
        }
    }
}

/// A closed report, of reports of the form `R`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByArm<R> {
    /// `closed`.
    pub access: ReportAccess,
    /// What it is of, with `_by_arm`.
    pub report: String,
    /// Number of this form; the reports in it state their own.
    pub schema: u32,
    /// What made it.
    pub engine: Engine,
    /// The trial.
    pub trial: TrialHeader,
    /// Whether every record is synthetic.
    pub synthetic: bool,
    /// The records it follows from.
    pub covers: Covers,
    /// Up to which day.
    pub cutoff: Cutoff,
    /// Subjects that were assigned to an arm.
    pub allocated: u64,
    /// The report of all subjects, those of no arm among them.
    pub whole: R,
    /// Each arm, in the order of their names.
    pub arms: Vec<OfArm<R>>,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfArm<R> {
    /// Its name, as the list of arms gives it.
    pub arm: String,
    /// Subjects that were assigned to it, whatever came of them.
    pub allocated: u64,
    /// The report of them alone.
    pub report: R,
}

impl<R> ByArm<R> {
    /// The bytes that are hashed and published: canonical JSON.
    pub fn to_canonical_json(&self) -> Vec<u8>
    where
        R: Serialize,
    {
        canonical_json(self)
    }

    /// What a closed report of this kind is called.
    pub fn name_of(kind: &str) -> String {
        format!("{kind}_by_arm")
    }

    /// Makes a closed report; `make` makes the report of all subjects and of each arm's, `head` says what all of them say of
    /// themselves.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new<E>(
        kind: &str,
        arms: &BTreeMap<String, BTreeSet<String>>,
        make: impl Fn(Reading<'_>) -> Result<R, E>,
        head: impl FnOnce(&R) -> (TrialHeader, bool, Covers, Cutoff),
    ) -> Result<Self, E> {
        let whole = make(Reading::Closed(None))?;
        let (trial, synthetic, covers, cutoff) = head(&whole);
        let of_arm = |(arm, subjects): (&String, &BTreeSet<String>)| {
            let report = make(Reading::Closed(Some(subjects)))?;
            Ok(OfArm { arm: arm.clone(), allocated: subjects.len() as u64, report })
        };
        Ok(Self {
            access: ReportAccess::Closed,
            report: Self::name_of(kind),
            schema: SCHEMA,
            engine: Engine::this(),
            trial,
            synthetic,
            covers,
            cutoff,
            allocated: arms.values().map(|subjects| subjects.len() as u64).sum(),
            whole,
            arms: arms.iter().map(of_arm).collect::<Result<_, E>>()?,
        })
    }
}
