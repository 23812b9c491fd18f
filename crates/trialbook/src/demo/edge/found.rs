//! What reports say of the edge cohort, in the words of its expectations. It looks up and words; it computes no figure.

use outcomes::Report as Outcomes;
use safety::Report as Safety;
use serde::Serialize;
use serde_json::Value;

use crate::demo::published;

/// Both reports of the same records.
pub(crate) struct Reports {
    pub(crate) outcomes: Outcomes,
    pub(crate) safety: Safety,
}

const NONE: &str = "none";

/// What the reports of one subject's records say; `None` for what no expectation is about.
pub(crate) fn of_subject(what: &str, reports: &Reports) -> Option<String> {
    let Reports { outcomes, safety } = reports;
    let events = |overview: &str, category: &str| {
        let overview = safety.overviews.iter().find(|one| one.id == overview)?;
        Some(overview.categories.iter().find(|one| one.id == category)?.events)
    };
    let number = |number: u64| Some(number.to_string());
    match what {
        "flow" => Some(flow(outcomes).to_owned()),
        "standing" => Some(standing(outcomes).to_owned()),
        "follow_up_days" => {
            Some(or_none((outcomes.follow_up.subjects > 0).then_some(outcomes.follow_up.days)))
        }
        "death_day" => Some(or_none(outcomes.survival.listing.first().and_then(|death| death.day))),
        "imputed_deaths" => number(outcomes.survival.deaths.imputed),
        "first_relapse_day" => Some(or_none(outcomes.relapse.listing.first().map(|relapse| relapse.day))),
        "relapse_days" => Some(joined(outcomes.swimmer.lanes.iter().flat_map(|lane| &lane.relapses), " ")),
        "first_event" => Some(first_event(outcomes)),
        "evaluable" => Some(joined(
            evaluable(outcomes).filter(|(_, stage)| stage.subjects > 0).map(|(year, _)| year),
            " ",
        )),
        "not_evaluable" => {
            let lost = evaluable(outcomes).find_map(|(year, stage)| {
                stage.losses.first().map(|loss| format!("{year} {}", name(&loss.reason)))
            });
            Some(or_none(lost))
        }
        "relapse_in_year" => Some(years(&outcomes.relapse.in_year, |figure| figure.numerator)),
        "relapse_at_risk" => Some(years(&outcomes.relapse.at_risk, |figure| figure.denominator)),
        "remission" => Some(remission(outcomes)),
        "relapse_ever" => figure("relapse.ever", reports),
        "relapse_among_responders" => figure("relapse.among_responders", reports),
        "death_among_infused" => figure("death.crude", reports),
        "related_deaths" => figure("death.related", reports),
        "from_enrollment" => {
            let curve = &outcomes.survival.from_enrollment;
            let day = curve.steps.iter().find(|step| step.deaths > 0).map(|step| step.day);
            Some(format!("{} of {} died, day {}", curve.deaths, curve.subjects, or_none(day)))
        }
        "site" => {
            Some(joined(outcomes.sites.iter().filter(|site| site.enrolled > 0).map(|site| &site.id), " "))
        }
        "source" => Some(levels(outcomes, "source", |level, _| level.to_owned())),
        "planned_infusions" => Some(levels(outcomes, "planned_infusions", |level, _| level.to_owned())),
        "linked_pseudonyms" => number(outcomes.flow.linked_pseudonyms),
        "judgement_differences" => number(outcomes.adjudication.differences.len() as u64),
        "excluded" => Some(counts(&outcomes.excluded)),
        "events" => number(events("all", "any")?),
        "emergent_events" => number(events("treatment_emergent", "any")?),
        "serious" => number(events("all", "serious")?),
        "fatal" => number(events("all", "fatal")?),
        "related" => {
            let not_judged = events("all", "related_not_judged")?;
            let related = events("all", "related")?.checked_sub(not_judged)?;
            Some(or_none(match (related, not_judged) {
                (0, 0) => None,
                (related, 0) => Some(format!("related {related}")),
                (0, not_judged) => Some(format!("not judged {not_judged}")),
                (related, not_judged) => Some(format!("related {related}, not judged {not_judged}")),
            }))
        }
        "emergence" => Some(counts(&safety.emergence)),
        "timing" => Some(timing(safety)),
        "seriousness_disagreements" => number(safety.seriousness_disagreements.len() as u64),
        "expedited" => Some(clocks(safety)),
        "excluded_from_safety" => Some(counts(&safety.excluded)),
        _ => None,
    }
}

/// What the reports of all records say; `None` for what no expectation is about.
pub(crate) fn of_whole(what: &str, reports: &Reports) -> Option<String> {
    let Reports { outcomes, safety } = reports;
    if let Some(found) = landmark(what, outcomes) {
        return Some(found);
    }
    let flow = &outcomes.flow;
    let number = |number: u64| Some(number.to_string());
    match what {
        "screened" => number(flow.screened),
        "screen_failures" => number(flow.screen_failures),
        "enrolled" => number(flow.enrolled),
        "never_infused" => number(flow.never_infused),
        "infused" => number(flow.infused),
        "linked_pseudonyms" => number(flow.linked_pseudonyms),
        "transferred" => number(flow.transferred),
        "died" => number(flow.died),
        "withdrawn" => number(flow.withdrawn),
        "completed" => number(flow.completed),
        "in_follow_up" => number(flow.in_follow_up),
        "lost" => number(flow.lost),
        "evaluable" => Some(joined(evaluable(outcomes).map(|(_, stage)| stage.subjects), " ")),
        "remission without visit" => {
            Some(joined(outcomes.remission.figures.iter().map(|one| one.without_visit), " "))
        }
        "days followed" => Some(format!("{} of {}", outcomes.follow_up.days, outcomes.follow_up.subjects)),
        "mean follow-up, days" => outcomes.follow_up.mean_days.clone(),
        "median follow-up, reverse Kaplan-Meier" => {
            Some(or_none(outcomes.follow_up.reverse_kaplan_meier_median_days))
        }
        "rate of death" => rate(outcomes, "rate.death"),
        "rate of first relapse" => rate(outcomes, "rate.first_relapse"),
        "sites, infused" => {
            Some(joined(outcomes.sites.iter().map(|site| format!("{} {}", site.id, site.infused)), ", "))
        }
        "sources" => Some(levels(outcomes, "source", |level, of| format!("{level} {of}"))),
        "planned infusions" => {
            Some(levels(outcomes, "planned_infusions", |level, of| format!("{level} {of}")))
        }
        "excluded" => Some(counts(&outcomes.excluded)),
        "emergence" => Some(counts(&safety.emergence)),
        "timing" => Some(timing(safety)),
        "deaths of the untreated" => number(safety.deaths.untreated),
        "expedited" => {
            let [count] = safety.expedited.counts.as_slice() else { return None };
            let mut counted = [
                ("sent_in_time", count.sent_in_time),
                ("sent_late", count.sent_late),
                ("due", count.due),
                ("overdue", count.overdue),
                ("not_required", count.not_required),
                ("started_after_cutoff", count.started_after_cutoff),
            ]
            .to_vec();
            counted.retain(|(_, number)| *number > 0);
            Some(joined(counted.into_iter().map(|(name, number)| format!("{name} {number}")), ", "))
        }
        _ => match what.strip_prefix("not evaluable at ") {
            Some(year) => {
                let (_, stage) = evaluable(outcomes).find(|(of, _)| of.to_string() == year)?;
                let mut losses: Vec<_> = stage
                    .losses
                    .iter()
                    .map(|loss| format!("{} {}", name(&loss.reason), loss.subjects))
                    .collect();
                losses.sort();
                Some(joined(losses, ", "))
            }
            None => figure(what, reports),
        },
    }
}

/// A point of a curve, of an expectation such as `survival, 24 months` or `first relapse, day 400`.
fn landmark(what: &str, outcomes: &Outcomes) -> Option<String> {
    let (curve, at) = what.split_once(", ")?;
    let day = at.strip_prefix("day ");
    let survival = match curve {
        "survival" => &outcomes.survival.from_infusion,
        "from enrollment" => &outcomes.survival.from_enrollment,
        "first relapse" => {
            let incidence = &outcomes.relapse.cumulative_incidence;
            return if let Some(day) = day {
                let step = incidence.steps.iter().find(|step| step.day.to_string() == day)?;
                let (relapses, deaths, censored) = (step.relapses, step.deaths, step.censored);
                Some(format!(
                    "{} at risk, {relapses} relapsed, {deaths} died, {censored} censored",
                    step.at_risk
                ))
            } else {
                let point = incidence.landmarks.iter().find(|point| point.label == at)?;
                Some(format!(
                    "{}, death first {}, {} at risk",
                    point.relapse, point.death_first, point.at_risk
                ))
            };
        }
        _ => return None,
    };
    if let Some(day) = day {
        let step = survival.steps.iter().find(|step| step.day.to_string() == day)?;
        return Some(format!("{} at risk, {} died, {} censored", step.at_risk, step.deaths, step.censored));
    }
    let point = survival.landmarks.iter().find(|point| point.label == at)?;
    let error = or_none(point.standard_error.as_ref());
    Some(format!("{} (SE {error}), {} at risk", point.survival, point.at_risk))
}

fn flow(outcomes: &Outcomes) -> &'static str {
    let flow = &outcomes.flow;
    match (flow.infused, flow.never_infused, flow.screen_failures) {
        (1, 0, 0) if outcomes.not_analysable.is_empty() => "infused",
        (1, 0, 0) => "infused, not analysable",
        (0, 1, 0) => "never_infused",
        (0, 0, 1) => "screen_failure",
        _ => "not one subject",
    }
}

fn standing(outcomes: &Outcomes) -> &'static str {
    let flow = &outcomes.flow;
    let standings = [
        (flow.died, "died"),
        (flow.withdrawn, "withdrawn"),
        (flow.lost, "lost"),
        (flow.completed, "completed"),
        (flow.discontinued, "discontinued"),
        (flow.in_follow_up, "in_follow_up"),
    ];
    standings.into_iter().find(|(subjects, _)| *subjects > 0).map_or(NONE, |(_, standing)| standing)
}

fn first_event(outcomes: &Outcomes) -> String {
    let incidence = &outcomes.relapse.cumulative_incidence;
    let (event, day) = match (incidence.relapses, incidence.deaths_first) {
        (1, 0) => ("relapse", outcomes.relapse.listing.first().map(|relapse| relapse.day)),
        (0, 1) => ("death", outcomes.survival.listing.first().and_then(|death| death.day)),
        _ => ("censored", Some(outcomes.follow_up.days)),
    };
    format!("{event} {}", or_none(day))
}

/// The stages of evaluability, each with its year.
fn evaluable(outcomes: &Outcomes) -> impl Iterator<Item = (u64, &outcomes::Stage)> {
    outcomes
        .waterfall
        .stages
        .iter()
        .filter_map(|stage| Some((stage.id.strip_prefix("evaluable_")?.parse().ok()?, stage)))
}

/// The years whose figure counts the subject.
fn years(figures: &[outcomes::Figure], count: impl Fn(&outcomes::Figure) -> u64) -> String {
    let year = |figure: &outcomes::Figure| figure.id.rsplit('_').next().map(str::to_owned);
    joined(figures.iter().filter(|figure| count(figure) > 0).filter_map(year), " ")
}

fn remission(outcomes: &Outcomes) -> String {
    let status = |year: u64| {
        let figure = outcomes.remission.figures.iter().find(|one| one.landmark == format!("year_{year}"));
        match figure {
            Some(one) if one.figure.numerator > 0 => "yes",
            Some(one) if one.without_visit == 0 => "no",
            // Without any judgement there are no figures: nobody came to be judged.
            _ => "no visit",
        }
    };
    let years = evaluable(outcomes).filter(|(_, stage)| stage.subjects > 0);
    joined(years.map(|(year, _)| format!("{year} {}", status(year))), ", ")
}

fn levels(outcomes: &Outcomes, by: &str, word: impl Fn(&str, u64) -> String) -> String {
    let levels = outcomes.strata.iter().filter(|one| one.by == by).flat_map(|one| &one.levels);
    joined(levels.map(|level| word(&level.level, level.subjects)), ", ")
}

fn timing(safety: &Safety) -> String {
    let classes = safety.timing.iter().filter(|row| row.events > 0);
    joined(classes.map(|row| format!("{} {}", name(&row.class), row.events)), ", ")
}

/// The clocks of expedited reports.
fn clocks(safety: &Safety) -> String {
    let clocks = safety.expedited.listing.iter().filter_map(|line| {
        let due = line.due_on.as_ref()?;
        let mut clock = format!("{}: due {due} {}", name(line.trigger.as_ref()?), name(&line.status));
        if let (Some(due), Some(status)) = (&line.completion_due_on, &line.completion) {
            clock.push_str(&format!(", completion due {due} {}", name(status)));
        }
        Some(clock)
    });
    joined(clocks, "; ")
}

fn rate(outcomes: &Outcomes, id: &str) -> Option<String> {
    outcomes.rates.iter().find(|rate| rate.id == id)?.per_100_patient_years.clone()
}

/// A figure by its id, as so many of so many.
fn figure(id: &str, reports: &Reports) -> Option<String> {
    let found = published::find(&reports.outcomes, &reports.safety, id)?;
    Some(format!("{}/{}", found.numerator, found.denominator))
}

/// The counts of a section that are not 0, by their names.
fn counts<T: Serialize>(section: &T) -> String {
    let Ok(Value::Object(members)) = serde_json::to_value(section) else { return NONE.to_owned() };
    let mut counts: Vec<_> = members
        .iter()
        .filter_map(|(name, count)| Some((name, count.as_u64().filter(|count| *count > 0)?)))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    counts.sort();
    joined(counts, ", ")
}

/// The name of a value as reports write it.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => NONE.to_owned(),
    }
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

/// The items in a row; `none` without any.
fn joined<T: ToString>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { NONE.to_owned() } else { items.join(between) }
}
