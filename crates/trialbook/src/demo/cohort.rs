//! The cohort's facts, one row a subject. SYNTHETIC.

use anyhow::{Context as _, Result, ensure};
use clinical::date::days_between;
use clinical::{Date, PartialDate};
use serde::Deserialize;

const FACTS: &str = include_str!("cohort_synthetic.csv");

/// One synthetic subject.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) source: String,
    infusion_date: String,
    end_date: String,
    followup_days: i32,
    status: String,
    pub(crate) first_relapse_day: Option<i32>,
    cr_y1: Option<u8>,
    cr_y2: Option<u8>,
    cr_y3: Option<u8>,
    cr_y4: Option<u8>,
}

impl Row {
    pub(crate) fn infused_on(&self) -> Result<Date> {
        day(&self.infusion_date)
    }

    /// Death or last contact.
    pub(crate) fn ends_on(&self) -> Result<Date> {
        day(&self.end_date)
    }

    pub(crate) fn died(&self) -> bool {
        self.status == "DEAD"
    }

    /// Whether the subject was in complete remission at the anniversaries it reached: year and status.
    pub(crate) fn remissions(&self) -> impl Iterator<Item = (i16, bool)> {
        [(1, self.cr_y1), (2, self.cr_y2), (3, self.cr_y3), (4, self.cr_y4)]
            .into_iter()
            .filter_map(|(year, status)| Some((year, status? == 1)))
    }
}

fn day(text: &str) -> Result<Date> {
    let date: PartialDate = text.parse()?;
    date.day().with_context(|| format!("{text} is not a full date"))
}

/// The 87 subjects. Each row states its follow-up twice, as dates and as days.
pub(crate) fn cohort() -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(FACTS.as_bytes());
    let rows = reader.deserialize().map(|row| {
        let row: Row = row.context("the cohort's table")?;
        let days = days_between(row.infused_on()?, row.ends_on()?);
        ensure!(days == row.followup_days, "row {}: its dates and its days of follow-up disagree", row.id);
        Ok(row)
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cohort_is_labelled_synthetic_and_its_dates_agree_with_its_days() {
        assert!(FACTS.starts_with("# SYNTHETIC"));
        assert_eq!(cohort().unwrap().len(), 87);
    }
}
