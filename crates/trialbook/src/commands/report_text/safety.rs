//! Sections of the safety report that list: relation by assessor, expedited reports, serious events.

use std::fmt::Write as _;

use safety::Report;

use super::super::Table;
use super::{heading, words};

/// Lines shown of a list; the report has them all.
pub(super) const SHOWN_MAX: usize = 50;

pub(super) fn sections(text: &mut String, report: &Report) {
    super::safety_events::sections(text, report);
    related(text, report);
    expedited(text, report);
    serious(text, report);
    stopping(text, report);
    let recall = &report.recall;
    heading(text, "Product");
    if let Some(why) = &recall.withheld {
        let _ = writeln!(text, "  infusions, lots and donors are withheld: {why}");
        return;
    }
    let _ = writeln!(
        text,
        "  infusions {} · without a lot {} · lots {} · donors {} · each in --json",
        recall.infusions.unwrap_or_default(),
        recall.infusions_without_lot.unwrap_or_default(),
        recall.lots.len(),
        recall.donors.len()
    );
}

/// What new events are counted against, and the heading of their column: none where they are not counted.
pub(super) fn since(text: &mut String, report: &Report) -> &'static str {
    let Some(since) = &report.since else { return "" };
    let cut = since.cut.as_ref().map(|cut| format!("cut {cut}, ")).unwrap_or_default();
    let _ = writeln!(
        text,
        "  new: not counted in the report of {cut}the first {} records up to {}",
        since.records, since.cutoff
    );
    "new events / subjects"
}

/// New events and subjects.
pub(super) fn new_counts(events: Option<u64>, subjects: Option<u64>) -> String {
    events.zip(subjects).map(|(events, subjects)| format!("{events} / {subjects}")).unwrap_or_default()
}

/// That a list goes on.
pub(super) fn rest(text: &mut String, all: usize) {
    if all > SHOWN_MAX {
        let _ = writeln!(text, "  and {} more: see --json", all - SHOWN_MAX);
    }
}

fn related(text: &mut String, report: &Report) {
    let section = &report.related;
    heading(
        text,
        &format!(
            "Related, by agent and assessor ({}; {} treatment-emergent events, {} judged by the sponsor)",
            section.definition, section.events, section.assessed_by_sponsor
        ),
    );
    let mut table = Table::new(["relation", "related", "not judged", "unrelated", "subjects"]);
    for row in &section.rows {
        let Some(subjects) = &row.subjects else { continue };
        table.row([
            subjects.label.clone(),
            row.related.to_string(),
            row.not_judged.to_string(),
            row.unrelated.to_string(),
            format!("{}/{}", subjects.numerator, subjects.denominator),
        ]);
    }
    text.push_str(&table.to_string());
    let _ = writeln!(text, "  assessors disagree: {}", section.disagreements.len());
    for it in section.disagreements.iter().take(SHOWN_MAX) {
        let _ = writeln!(
            text,
            "  {} · {} · investigator {}, sponsor {} · record {}",
            it.subject,
            words(&format!("{:?}", it.agent)),
            words(&it.investigator),
            words(&it.sponsor),
            it.latest_seq
        );
    }
    rest(text, section.disagreements.len());
}

fn expedited(text: &mut String, report: &Report) {
    let section = &report.expedited;
    heading(
        text,
        &format!("Expedited reports ({}; {} serious events)", section.table, section.serious_events),
    );
    let mut table = Table::new([
        "rules",
        "zone",
        "days",
        "in time",
        "late",
        "due",
        "overdue",
        "not required",
        "after cutoff",
    ]);
    for (rules, counts) in section.jurisdictions.iter().zip(&section.counts) {
        let completion = rules.days_completion.map(|days| format!(" (+{days})")).unwrap_or_default();
        table.row([
            rules.id.clone(),
            rules.zone.clone(),
            format!("{}{completion}, {}", rules.days_fatal_or_life_threatening, rules.days_other),
            counts.sent_in_time.to_string(),
            counts.sent_late.to_string(),
            counts.due.to_string(),
            counts.overdue.to_string(),
            counts.not_required.to_string(),
            counts.started_after_cutoff.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
    if !section.countries_without_rules.is_empty() {
        let _ = writeln!(text, "  no rules for sites in {}", section.countries_without_rules.join(", "));
    }
    let clocks: Vec<_> = section.listing.iter().filter(|line| line.trigger.is_some()).collect();
    if clocks.is_empty() {
        return;
    }
    let mut table = Table::new(["subject", "rules", "trigger", "day 0", "by", "due", "sent", "status"]);
    for line in clocks.iter().take(SHOWN_MAX) {
        let word = |debug: Option<String>| debug.map(|debug| words(&debug)).unwrap_or_default();
        let upgrade = if line.upgrade { ", upgraded" } else { "" };
        table.row([
            line.subject.clone(),
            line.jurisdiction.clone(),
            word(line.trigger.map(|trigger| format!("{trigger:?}"))) + upgrade,
            line.aware_on.clone().unwrap_or_default(),
            word(line.aware_by.map(|by| format!("{by:?}"))),
            line.due_on.clone().unwrap_or_default(),
            line.sent_on.join(", "),
            words(&format!("{:?}", line.status)),
        ]);
    }
    text.push_str(&table.to_string());
    rest(text, clocks.len());
}

fn serious(text: &mut String, report: &Report) {
    if report.serious_events.is_empty() {
        return;
    }
    heading(text, "Serious events");
    let mut table = Table::new(["subject", "onset", "term", "grade", "investigator", "sponsor", "outcome"]);
    for event in report.serious_events.iter().take(SHOWN_MAX) {
        let grade = event.grade.map(|grade| grade.to_string()).unwrap_or_default();
        let version = event.ctcae_version.as_ref().map(|version| format!(" (CTCAE {version})"));
        table.row([
            event.subject.clone(),
            event.onset.clone(),
            event.pt.clone().unwrap_or_else(|| "not coded".to_owned()),
            grade + &version.unwrap_or_default(),
            words(&event.investigator),
            words(event.sponsor.as_deref().unwrap_or("–")),
            event.outcome.map(|outcome| words(&format!("{outcome:?}"))).unwrap_or_default(),
        ]);
    }
    text.push_str(&table.to_string());
    rest(text, report.serious_events.len());
}

fn stopping(text: &mut String, report: &Report) {
    let Some(section) = &report.stopping else { return };
    heading(
        text,
        &format!(
            "Stopping rule ({}: {} within {} days; Beta({}, {}), P(rate > {}) > {})",
            section.definition,
            words(&section.event),
            section.window_days,
            section.prior_alpha,
            section.prior_beta,
            section.rate,
            section.probability
        ),
    );
    let _ = writeln!(
        text,
        "  {} events in {} subjects with a complete window · would stop now: {} · probability now {}",
        section.events,
        section.subjects,
        section.events_to_stop.map_or_else(|| "–".to_owned(), |events| events.to_string()),
        section.probability_now
    );
    let _ = writeln!(
        text,
        "  not counted: window not over {} ({} with the event) · not observed {} · day of infusion not certain {}",
        section.incomplete, section.incomplete_with_event, section.not_observed, section.without_day
    );
    let crossing = section.first_crossing.as_ref().map_or_else(
        || "never reached".to_owned(),
        |at| {
            let (events, subjects) = (at.events, at.subjects);
            format!(
                "reached first with {events} events in {subjects} subjects, by {} infused {}",
                at.subject, at.infused_on
            )
        },
    );
    let _ = writeln!(text, "  boundary {crossing}");
    let mut table = Table::new(["events that stop", "among subjects", "observed"]);
    for row in &section.boundary {
        table.row([
            row.events.to_string(),
            format!("{}–{}", row.subjects_first, row.subjects_last),
            row.observed.map_or_else(|| "–".to_owned(), |events| events.to_string()),
        ]);
    }
    text.push_str(&table.to_string());
}
