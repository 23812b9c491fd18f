//! Reports as tables for a terminal. Nothing is computed here: every number is the report's own text.

mod safety;
mod safety_events;

use std::fmt::Write as _;

use ::safety::Report as SafetyReport;
use clinical::SuspectedKey;
use outcomes::{Interval, Report as OutcomeReport, SurvivalCurve};

use super::Table;

/// `82/87`, the share, and its exact interval.
pub(super) fn share(numerator: u64, denominator: u64, percent: Option<&str>) -> String {
    percent.map_or_else(
        || format!("{numerator}/{denominator}"),
        |percent| format!("{numerator}/{denominator} = {percent}%"),
    )
}

/// The limits by a method.
pub(super) fn limits(intervals: &[Interval], method: &str) -> String {
    intervals
        .iter()
        .find(|interval| interval.method == method)
        .map_or_else(|| "undefined".to_owned(), |interval| format!("{}–{}", interval.lower, interval.upper))
}

pub(super) fn heading(text: &mut String, title: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "\n{title}");
}

/// The outcome report.
pub(crate) fn outcomes(report: &OutcomeReport) -> String {
    let mut text = format!(
        "OUTCOMES · {} · {}{}\ncutoff {} ({}, {}) · definitions: remission {}, relapse {}, evaluable {}\n",
        report.trial.id,
        report.trial.title,
        if report.synthetic { " · SYNTHETIC DATA" } else { "" },
        report.cutoff.date,
        words(&format!("{:?}", report.cutoff.basis)),
        report.cutoff.zone,
        report.definitions.remission,
        report.definitions.relapse,
        report.definitions.evaluable,
    );
    for replaced in &report.definitions_replaced {
        let _ = writeln!(
            text,
            "  not known to this version: {} of {}; {} is used instead",
            replaced.stated,
            words(&replaced.what),
            replaced.used
        );
    }
    let flow = &report.flow;
    heading(&mut text, "Flow of subjects");
    let _ = writeln!(
        text,
        "  screened {} · screen failures {} · not enrolled {} · enrolled {} · infused {} · died {} · withdrawn {} · lost {} · completed {} · discontinued {} · in follow-up {}",
        flow.screened,
        flow.screen_failures,
        flow.screened_not_enrolled,
        flow.enrolled,
        flow.infused,
        flow.died,
        flow.withdrawn,
        flow.lost,
        flow.completed,
        flow.discontinued,
        flow.in_follow_up
    );
    heading(&mut text, "Who is in the denominators");
    let mut stages = Table::new(["stage", "subjects", "not in it, and why"]);
    let mut before: Option<String> = None;
    for stage in &report.waterfall.stages {
        let losses: Vec<_> = stage
            .losses
            .iter()
            .map(|loss| format!("{} {}", loss.subjects, words(&format!("{:?}", loss.reason))))
            .collect();
        let of = match (&stage.of, &before) {
            (Some(of), Some(before)) if of != before && !losses.is_empty() => format!("of {}: ", words(of)),
            _ => String::new(),
        };
        before = Some(stage.id.clone());
        stages.row([stage.label.clone(), stage.subjects.to_string(), of + &losses.join(", ")]);
    }
    text.push_str(&stages.to_string());
    let follow_up = &report.follow_up;
    heading(&mut text, "Follow-up");
    let _ = writeln!(
        text,
        "  {} subjects · {} patient-years · mean {} months · median by reverse Kaplan-Meier {} days",
        follow_up.subjects,
        follow_up.patient_years,
        follow_up.mean_months.as_deref().unwrap_or("–"),
        follow_up.reverse_kaplan_meier_median_days.map_or_else(|| "–".to_owned(), |days| days.to_string()),
    );
    super::report_conduct::conduct(&mut text, report);
    figures(&mut text, report);
    super::report_remission::computed(&mut text, report);
    curves(&mut text, report);
    rates(&mut text, report);
    super::report_measures::measures(&mut text, report);
    super::report_measures::strata(&mut text, report);
    heading(&mut text, "By enrolling site");
    let mut sites = Table::new(["site", "name", "enrolled", "infused", "deaths", "relapsed"]);
    for site in &report.sites {
        sites.row([
            site.id.clone(),
            site.name.clone(),
            site.enrolled.to_string(),
            site.infused.to_string(),
            site.deaths.to_string(),
            site.relapses.to_string(),
        ]);
    }
    text.push_str(&sites.to_string());
    suspected(&mut text, &report.suspected_keys);
    text
}

fn figures(text: &mut String, report: &OutcomeReport) {
    heading(text, "Figures (95% intervals)");
    text.push_str("  at a landmark: of those evaluable there, and so given that they were followed to it; see the denominators\n");
    let mut table = Table::new(["figure", "x/n", "Clopper-Pearson", "Wilson", "definition"]);
    let survival = &report.survival;
    let relapse = &report.relapse;
    let all = [&survival.crude, &survival.deaths]
        .into_iter()
        .chain(report.remission.figures.iter().map(|remission| &remission.figure))
        .chain(&relapse.in_year)
        .chain(&relapse.at_risk)
        .chain([&relapse.among_responders, &relapse.ever])
        .chain(relapse.own.iter().flat_map(|own| &own.figures))
        .chain(survival.sensitivity.iter().map(|sensitivity| &sensitivity.crude));
    for figure in all {
        table.row([
            figure.label.clone(),
            share(figure.numerator, figure.denominator, figure.percent.as_deref()),
            limits(&figure.intervals, "clopper-pearson"),
            limits(&figure.intervals, "wilson"),
            figure.definition.clone(),
        ]);
    }
    text.push_str(&table.to_string());
}

fn survival_curve(text: &mut String, from_infusion: &SurvivalCurve) {
    let mut curve = Table::new(["at", "at risk", "S", "SE", "log-log", "plain"]);
    for landmark in &from_infusion.landmarks {
        curve.row([
            landmark.label.clone(),
            landmark.at_risk.to_string(),
            landmark.survival.clone(),
            landmark.standard_error.clone().unwrap_or_else(|| "undefined".to_owned()),
            limits(&landmark.intervals, "log-log"),
            limits(&landmark.intervals, "plain"),
        ]);
    }
    text.push_str(&curve.to_string());
}

fn curves(text: &mut String, report: &OutcomeReport) {
    let (survival, relapse) = (&report.survival, &report.relapse);
    heading(text, "Survival from first infusion (Kaplan-Meier, Greenwood)");
    survival_curve(text, &survival.from_infusion);
    if let Some(sensitivity) = &survival.sensitivity {
        heading(
            text,
            &format!(
                "The same with {} partly dated deaths at the {} day they can mean ({})",
                sensitivity.deaths,
                words(&format!("{:?}", sensitivity.other)),
                sensitivity.definition
            ),
        );
        survival_curve(text, &sensitivity.from_infusion);
    }
    heading(text, "First relapse, death without relapse competing (Aalen-Johansen)");
    let mut curve = Table::new(["at", "at risk", "CIF", "SE", "log-log", "death first"]);
    for landmark in &relapse.cumulative_incidence.landmarks {
        curve.row([
            landmark.label.clone(),
            landmark.at_risk.to_string(),
            landmark.relapse.clone(),
            landmark.standard_error.clone(),
            limits(&landmark.intervals, "log-log"),
            landmark.death_first.clone(),
        ]);
    }
    text.push_str(&curve.to_string());
}

fn rates(text: &mut String, report: &OutcomeReport) {
    heading(text, "Rates per 100 patient-years (exact Poisson)");
    let mut table = Table::new(["event", "events", "patient-years", "rate", "95%", "time"]);
    for rate in &report.rates {
        table.row([
            rate.label.clone(),
            rate.events.to_string(),
            rate.patient_years.clone(),
            rate.per_100_patient_years.clone().unwrap_or_else(|| "–".to_owned()),
            limits(&rate.intervals, "exact-poisson"),
            words(&rate.time),
        ]);
    }
    text.push_str(&table.to_string());
}

/// The safety report.
pub(crate) fn safety(report: &SafetyReport) -> String {
    let mut text = format!(
        "SAFETY · {} · {}{}\ncutoff {} ({}, {}) · definition of related: {}\n",
        report.trial.id,
        report.trial.title,
        if report.synthetic { " · SYNTHETIC DATA" } else { "" },
        report.cutoff.date,
        words(&format!("{:?}", report.cutoff.basis)),
        report.cutoff.zone,
        report.definitions.related,
    );
    let populations = &report.populations;
    let _ = writeln!(
        text,
        "  subjects with any record {} · safety set {} · {} patient-years",
        populations.all_subjects, populations.safety_set, populations.patient_years
    );
    let new = safety::since(&mut text, report);
    for overview in &report.overviews {
        heading(&mut text, &overview.label);
        let mut table =
            Table::new(["category", "events", "subjects", "Clopper-Pearson", "one-sided upper if none", new]);
        for category in &overview.categories {
            let figure = &category.subjects;
            table.row([
                category.label.clone(),
                category.events.to_string(),
                share(figure.numerator, figure.denominator, figure.percent.as_deref()),
                limits(&figure.intervals, "clopper-pearson"),
                figure
                    .no_events
                    .as_ref()
                    .map(|none| format!("{}%", none.one_sided_upper_percent))
                    .unwrap_or_default(),
                safety::new_counts(category.events_since, category.subjects_since),
            ]);
        }
        text.push_str(&table.to_string());
    }
    for table in &report.tables {
        heading(
            &mut text,
            &format!(
                "{} ({} events, {} subjects of {})",
                table.label, table.events, table.subjects, table.denominator
            ),
        );
        let mut rows = Table::new(["class / term", "subjects", "%", "events", "serious", "worst", new]);
        for class in &table.classes {
            for (indent, row) in
                std::iter::once(("", &class.class)).chain(class.terms.iter().map(|term| ("  ", term)))
            {
                let severity = row.worst_severity.map(|severity| words(&format!("{severity:?}")));
                let grade = row.worst_grade.map(|grade| format!("grade {grade}"));
                let worst: Vec<_> = severity.into_iter().chain(grade).collect();
                rows.row([
                    format!("{indent}{}", row.name),
                    row.subjects.to_string(),
                    row.percent.clone().unwrap_or_default(),
                    row.events.to_string(),
                    row.serious.to_string(),
                    worst.join(", "),
                    safety::new_counts(row.events_since, row.subjects_since),
                ]);
            }
        }
        text.push_str(&rows.to_string());
    }
    safety::sections(&mut text, report);
    let unknown = &report.unknowns;
    heading(&mut text, "Not known");
    let _ = writeln!(
        text,
        "  causality {} · coding {} · onset {} (partial {}) · severity {} · outcome {}\n  seriousness as reported and by criteria disagree: {}",
        unknown.causality_missing,
        unknown.not_coded,
        unknown.onset_unknown,
        unknown.onset_partial,
        unknown.severity_missing,
        unknown.outcome_missing,
        report.seriousness_disagreements.len(),
    );
    suspected(&mut text, &report.suspected_keys);
    text
}

/// Records shown of each suspected key; the report has them all.
const SUSPECTED_SHOWN_MAX: usize = 20;

/// Keys that others may have had, and what was recorded with them since.
fn suspected(text: &mut String, keys: &[SuspectedKey]) {
    if keys.is_empty() {
        return;
    }
    heading(text, "Keys that others may have had: what they signed is in the figures");
    for key in keys {
        let shown: Vec<_> =
            key.records.iter().take(SUSPECTED_SHOWN_MAX).map(|record| record.seq.to_string()).collect();
        let _ = writeln!(
            text,
            "  {}, {}, {} · suspected since {} · revoked in record {} · {} records since: {}{}",
            key.holder,
            words(key.role.as_str()),
            key.organisation,
            key.suspected_since,
            key.revoked_at,
            key.records.len(),
            shown.join(", "),
            if key.records.len() > SUSPECTED_SHOWN_MAX { ", …" } else { "" },
        );
    }
}

/// `NotYetDue` and `not_yet_due` as words.
pub(super) fn words(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character == '_' {
            words.push(' ');
        } else if character.is_uppercase() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.extend(character.to_lowercase());
        } else {
            words.push(character);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_words() {
        assert_eq!(super::words("NotYetDue"), "not yet due");
        assert_eq!(super::words("to_first_event"), "to first event");
    }
}
