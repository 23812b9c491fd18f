//! Sections of the safety report about events of one sort: after infusions, apart, over time, and laboratory shift.

use std::fmt::Write as _;

use safety::{EventLine, Figure, IncidenceRow, Rate, Report, TimingClass};

use super::super::Table;
use super::safety::{SHOWN_MAX, rest};
use super::{heading, limits, share, words};

pub(super) fn sections(text: &mut String, report: &Report) {
    reactions(text, report);
    gvhd(text, report);
    interest(text, report);
    incidence(text, report);
    first_events(text, report);
    laboratory(text, report);
    deaths(text, report);
}

fn deaths(text: &mut String, report: &Report) {
    let section = &report.deaths;
    heading(text, "Deaths");
    figures(text, [&section.deaths, &section.related]);
    let _ = writeln!(
        text,
        "  related as not judged {} · of the untreated {} · fatal event and no death recorded {} · death without a fatal event {}",
        section.not_judged, section.untreated, section.fatal_event_without_death, section.without_fatal_event
    );
    if section.listing.is_empty() {
        return;
    }
    let mut table =
        Table::new(["subject", "site", "date", "day", "since last infusion", "relation", "record"]);
    for it in section.listing.iter().take(SHOWN_MAX) {
        let days = |days: Option<i64>| days.map(|days| days.to_string()).unwrap_or_default();
        table.row([
            it.subject.clone(),
            it.site.clone(),
            format!("{}{}", it.on, if it.imputed { " (completed)" } else { "" }),
            days(it.day),
            days(it.days_since_last_infusion),
            words(&it.relation),
            it.latest_seq.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
    rest(text, section.listing.len());
}

/// A table of subjects, or infusions, with what is still possible where there are none.
fn figures<'a>(text: &mut String, figures: impl IntoIterator<Item = &'a Figure>) {
    let mut table = Table::new(["figure", "subjects", "Clopper-Pearson", "one-sided upper if none"]);
    for figure in figures {
        let bound = figure.no_events.as_ref().map(|none| format!("{}%", none.one_sided_upper_percent));
        table.row([
            figure.label.clone(),
            share(figure.numerator, figure.denominator, figure.percent.as_deref()),
            limits(&figure.intervals, "clopper-pearson"),
            bound.unwrap_or_default(),
        ]);
    }
    text.push_str(&table.to_string());
}

fn severity(event: &EventLine) -> String {
    let severity = event.severity.map(|severity| words(&format!("{severity:?}")));
    let grade = event.grade.map(|grade| format!("grade {grade}"));
    let serious = event.serious.then(|| "serious".to_owned());
    severity.into_iter().chain(grade).chain(serious).collect::<Vec<_>>().join(", ")
}

fn term(event: &EventLine) -> String {
    event.pt.clone().unwrap_or_else(|| "not coded".to_owned())
}

fn outcome(event: &EventLine) -> String {
    event.outcome.map(|outcome| words(&format!("{outcome:?}"))).unwrap_or_default()
}

fn reactions(text: &mut String, report: &Report) {
    let section = &report.infusion_reactions;
    heading(text, &format!("Infusion reactions ({})", section.definition));
    figures(text, std::iter::once(&section.subjects).chain(&section.infusions));
    let _ = writeln!(
        text,
        "  events {} · of them within a day, time unknown (†) {} · date unknown, in no figure (‡) {}",
        section.events, section.time_unknown, section.undetermined
    );
    if section.listing.is_empty() {
        return;
    }
    let mut table = Table::new([
        "subject",
        "site",
        "infusion",
        "infused",
        "onset",
        "hours",
        "term",
        "severity",
        "product",
        "procedure",
        "outcome",
        "record",
    ]);
    for it in section.listing.iter().take(SHOWN_MAX) {
        let mark = if it.class == TimingClass::Undetermined { "‡" } else { "†" };
        let event = &it.event;
        table.row([
            event.subject.clone(),
            event.site.clone(),
            it.infusion.map(|number| number.to_string()).unwrap_or_default(),
            it.infused_on.clone().unwrap_or_default(),
            event.onset.clone(),
            it.hours.clone().unwrap_or_else(|| mark.to_owned()),
            term(event),
            severity(event),
            words(&event.product),
            words(&event.procedure),
            outcome(event),
            event.latest_seq.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
    rest(text, section.listing.len());
}

fn gvhd(text: &mut String, report: &Report) {
    let section = &report.gvhd;
    heading(
        text,
        &format!(
            "Graft-versus-host disease ({}; {} examinations after first infusion, {} not done)",
            section.definition, section.assessments, section.not_done
        ),
    );
    figures(text, std::iter::once(&section.assessed).chain(&section.figures));
    let [none, one, two, three, four] = section.grades;
    let _ = writeln!(
        text,
        "  worst grade: 0 in {none} · I in {one} · II in {two} · III in {three} · IV in {four}"
    );
    for it in section.listing.iter().take(SHOWN_MAX) {
        let _ = writeln!(
            text,
            "  {} · {} · first {} (day {}) · skin {}, liver {}, upper tract {}, lower tract {} · grade {} · record {}",
            it.subject,
            it.site,
            it.on,
            it.day.map_or_else(|| "unknown".to_owned(), |day| day.to_string()),
            it.skin,
            it.liver,
            it.upper_gi,
            it.lower_gi,
            it.grade,
            it.latest_seq
        );
    }
    rest(text, section.listing.len());
}

/// Events, patient-years, rate and its exact limits.
fn rate(rate: &Rate) -> [String; 4] {
    [
        rate.events.to_string(),
        rate.patient_years.clone(),
        rate.per_100_patient_years.clone().unwrap_or_else(|| "–".to_owned()),
        limits(&rate.intervals, "exact-poisson"),
    ]
}

fn interest(text: &mut String, report: &Report) {
    for group in &report.of_interest {
        heading(text, &format!("{} ({})", group.label, group.soc));
        figures(text, group.categories.iter().map(|one| &one.subjects));
        let events: Vec<_> =
            group.categories.iter().map(|one| format!("{} {}", words(&one.id), one.events)).collect();
        let _ = writeln!(text, "  events: {}", events.join(" · "));
        for (what, [events, years, per_100, limits]) in
            [("first events", rate(&group.first)), ("all events", rate(&group.all))]
        {
            let _ = writeln!(
                text,
                "  {what} {events} in {years} patient-years · {per_100} per 100 · exact Poisson {limits}"
            );
        }
        if group.listing.is_empty() {
            continue;
        }
        let mut table =
            Table::new(["subject", "site", "onset", "day", "term", "severity", "outcome", "record"]);
        for event in group.listing.iter().take(SHOWN_MAX) {
            table.row([
                event.subject.clone(),
                event.site.clone(),
                event.onset.clone(),
                event.day.map(|day| day.to_string()).unwrap_or_default(),
                term(event),
                severity(event),
                outcome(event),
                event.latest_seq.to_string(),
            ]);
        }
        text.push_str(&table.to_string());
        rest(text, group.listing.len());
    }
}

fn incidence(text: &mut String, report: &Report) {
    let section = &report.incidence;
    heading(
        text,
        &format!(
            "Incidence per 100 patient-years, treatment-emergent (not here: {} treated without a certain day, {} events dated after the death)",
            section.without_day, section.after_death
        ),
    );
    let mut table = Table::new([
        "class / term",
        "first events",
        "years to them",
        "per 100",
        "exact Poisson",
        "all events",
        "all years",
        "per 100",
        "exact Poisson",
    ]);
    let mut add = |indent: &str, row: &IncidenceRow| {
        let [first, years, per_100, limits] = rate(&row.first);
        let [all, all_years, all_per_100, all_limits] = rate(&row.all);
        let name = format!("{indent}{}", row.name);
        table.row([name, first, years, per_100, limits, all, all_years, all_per_100, all_limits]);
    };
    add("", &section.any);
    for class in &section.classes {
        add("", &class.class);
        class.terms.iter().for_each(|term| add("  ", term));
    }
    section.not_coded.iter().for_each(|row| add("", row));
    text.push_str(&table.to_string());
}

fn first_events(text: &mut String, report: &Report) {
    heading(
        text,
        "Time to the first treatment-emergent event: cumulative incidence, death competing (Aalen-Johansen)",
    );
    let mut table =
        Table::new(["event", "month", "at risk", "incidence", "SE", "log-log", "died without", "neither"]);
    for it in &report.first_events {
        for at in &it.landmarks {
            table.row([
                it.label.clone(),
                at.months.to_string(),
                at.at_risk.to_string(),
                at.event.clone(),
                at.standard_error.clone(),
                limits(&at.intervals, "log-log"),
                at.death_first.clone(),
                at.event_free.clone(),
            ]);
        }
    }
    text.push_str(&table.to_string());
    for it in &report.first_events {
        let bound = it.subjects.no_events.as_ref().map(|none| {
            format!(" · no event: crude one-sided upper bound {}%", none.one_sided_upper_percent)
        });
        let _ = writeln!(
            text,
            "  {}: {}/{} had it, {} died without, {} followed without it{}",
            it.label,
            it.subjects.numerator,
            it.subjects.denominator,
            it.deaths_first,
            it.censored,
            bound.unwrap_or_default()
        );
    }
}

fn laboratory(text: &mut String, report: &Report) {
    let section = &report.laboratory;
    heading(
        text,
        &format!(
            "Laboratory shift ({}; {} subjects; both low and high counts in both columns)",
            section.definition, section.subjects
        ),
    );
    for analyte in &section.analytes {
        let mut table = Table::new([
            analyte.analyte.as_str(),
            "subjects",
            "worst low",
            "normal",
            "worst high",
            "missing",
            "both",
        ]);
        for row in &analyte.rows {
            let counts = [row.subjects, row.low, row.normal, row.high, row.missing, row.low_and_high];
            let [subjects, low, normal, high, missing, both] = counts.map(|number| number.to_string());
            table.row([format!("before: {}", row.baseline), subjects, low, normal, high, missing, both]);
        }
        text.push_str(&table.to_string());
    }
    let _ = writeln!(
        text,
        "  values in no table: without a reference range {} · no number {} · before or after not known {}",
        section.without_range, section.not_a_number, section.date_unknown
    );
}
