//! The outcome report's parts about how subjects came in and whose judgement counts, as tables for a terminal.

use std::fmt::Write as _;

use outcomes::{FlareFigure, Report};

use super::Table;
use super::report_text::{heading, limits, share, words};

pub(super) fn conduct(text: &mut String, report: &Report) {
    let (screening, consent) = (&report.screening, &report.consent);
    heading(text, "Screening, consent and deviations");
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "  screenings of {} subjects: passed {} · failed {} · withdrawn {} · screened again {} · failed without a criterion {} ({})",
        screening.subjects,
        screening.passed,
        screening.failed,
        screening.withdrawn,
        screening.screened_again,
        screening.failed_without_criterion,
        screening.definition,
    );
    let _ = writeln!(
        text,
        "  consent of {} enrolled: on record {} · missing {} · after enrollment {} · again {} · by a representative {} ({})",
        consent.subjects,
        consent.consented,
        consent.missing,
        consent.after_enrollment,
        consent.consented_again,
        consent.by_representative,
        consent.definition,
    );
    let _ = writeln!(
        text,
        "  protocol deviations {} in {} subjects, important in {}",
        report.deviations.deviations, report.deviations.subjects, report.deviations.subjects_important,
    );
    if !screening.not_met.is_empty() {
        let mut table = Table::new(["criterion not met", "subjects"]);
        for criterion in &screening.not_met {
            table.row([criterion.id.clone(), criterion.subjects.to_string()]);
        }
        text.push_str(&table.to_string());
    }
    if !report.deviations.rows.is_empty() {
        let mut table = Table::new(["deviation", "severity", "deviations", "subjects"]);
        for row in &report.deviations.rows {
            table.row([
                words(&format!("{:?}", row.category)),
                words(&format!("{:?}", row.severity)),
                row.deviations.to_string(),
                row.subjects.to_string(),
            ]);
        }
        text.push_str(&table.to_string());
    }
    adjudication(text, report);
    flares(text, report);
}

fn adjudication(text: &mut String, report: &Report) {
    let section = &report.adjudication;
    if section.subjects == 0 {
        return;
    }
    heading(text, "Adjudication: the committee's word is in the figures");
    let _ = writeln!(
        text,
        "  responses {} · relapses {} · of {} subjects · judged otherwise {}",
        section.responses,
        section.relapses,
        section.subjects,
        section.differences.len(),
    );
    if section.differences.is_empty() {
        return;
    }
    let mut table = Table::new(["subject", "endpoint", "day", "investigator", "committee", "record"]);
    for difference in &section.differences {
        table.row([
            difference.subject.clone(),
            difference.endpoint.clone(),
            difference.on.clone(),
            words(&difference.investigator),
            words(&difference.adjudicated),
            difference.latest_seq.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
}

fn flares(text: &mut String, report: &Report) {
    let Some(section) = &report.flares else { return };
    heading(text, &format!("Flares by {}: {}", section.definition, section.title));
    let _ = writeln!(
        text,
        "  assessments compared {} · of {} subjects · without a flare, but not determinable {}",
        section.comparisons, section.subjects, section.not_determinable,
    );
    let mut table = Table::new(["flares", "number", "subjects", "Clopper-Pearson"]);
    for FlareFigure { flares, figure } in &section.figures {
        table.row([
            figure.label.clone(),
            flares.to_string(),
            share(figure.numerator, figure.denominator, figure.percent.as_deref()),
            limits(&figure.intervals, "clopper-pearson"),
        ]);
    }
    text.push_str(&table.to_string());
    if section.triggers.is_empty() {
        return;
    }
    let mut table = Table::new(["of", "trigger", "grade", "flares", "subjects"]);
    for row in &section.triggers {
        table.row([
            row.of.clone(),
            words(&row.cause),
            words(&row.grade),
            row.flares.to_string(),
            row.subjects.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
}
