//! The abstract's figures, beside those that the reports give. Nothing is taken over: each is looked up in the reports.

use outcomes::Report as OutcomeReport;
use safety::Report as SafetyReport;

/// Where the published figures come from.
pub(crate) const SOURCE: &str =
    "Wang D. et al., Cell Transplantation 2013, doi 10.3727/096368911X582769 (abstract only)";

/// A published figure beside the one computed from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) figure: String,
    pub(crate) published: String,
    pub(crate) computed: String,
    pub(crate) interval: String,
    pub(crate) agrees: bool,
}

/// Figures of the abstract: id in the reports, words, numerator, denominator, whole per cent as printed.
const PROPORTIONS: [(&str, &str, u64, u64, &str); 12] = [
    ("survival.crude", "Overall survival", 82, 87, "94"),
    ("death.crude", "Deaths", 5, 87, "6"),
    ("remission.year_1", "Complete clinical remission, 1 year", 23, 83, "28"),
    ("remission.year_2", "Complete clinical remission, 2 years", 12, 39, "31"),
    ("remission.year_3", "Complete clinical remission, 3 years", 5, 12, "42"),
    ("remission.year_4", "Complete clinical remission, 4 years", 3, 6, "50"),
    ("relapse.in_year.year_1", "Relapse in year 1", 10, 83, "12"),
    ("relapse.in_year.year_2", "Relapse in year 2", 7, 39, "18"),
    ("relapse.in_year.year_3", "Relapse in year 3", 2, 12, "17"),
    ("relapse.in_year.year_4", "Relapse in year 4", 1, 6, "17"),
    ("relapse.ever", "Relapse, overall", 20, 87, "23"),
    ("treatment_emergent.related", "Transplantation-related adverse events (subjects)", 0, 87, "0"),
];

/// Compares every figure of the abstract.
pub(crate) fn compare(outcomes: &OutcomeReport, safety: &SafetyReport) -> Vec<Compared> {
    let mut compared: Vec<_> = PROPORTIONS
        .into_iter()
        .map(|(id, words, numerator, denominator, percent)| {
            let published = format!("{numerator}/{denominator} ({percent}%)");
            let Some(found) = find(outcomes, safety, id) else {
                return missing(words, published);
            };
            let rounded = found.percent.as_deref().and_then(whole);
            Compared {
                figure: words.to_owned(),
                published,
                computed: format!(
                    "{}/{} ({}%)",
                    found.numerator,
                    found.denominator,
                    found.percent.as_deref().unwrap_or("–")
                ),
                interval: found.interval,
                agrees: found.numerator == numerator
                    && found.denominator == denominator
                    && rounded.as_deref() == Some(percent),
            }
        })
        .collect();
    let follow_up = &outcomes.follow_up;
    compared.push(match &follow_up.mean_months {
        Some(months) => Compared {
            figure: "Mean follow-up, months".to_owned(),
            published: "27".to_owned(),
            computed: months.clone(),
            interval: format!("{} patient-years", follow_up.patient_years),
            agrees: whole(months).as_deref() == Some("27"),
        },
        None => missing("Mean follow-up, months", "27".to_owned()),
    });
    let deaths = &safety.deaths.related;
    compared.push(Compared {
        figure: "Treatment-related deaths".to_owned(),
        published: "0".to_owned(),
        computed: format!("{}/{}", deaths.numerator, deaths.denominator),
        interval: interval_text(deaths.intervals.iter().map(|one| (&*one.method, &*one.lower, &*one.upper))),
        agrees: deaths.numerator == 0,
    });
    compared
}

fn missing(words: &str, published: String) -> Compared {
    Compared {
        figure: words.to_owned(),
        published,
        computed: "not in the report".to_owned(),
        interval: String::new(),
        agrees: false,
    }
}

/// A proportion of the reports.
pub(super) struct Found {
    pub(super) numerator: u64,
    pub(super) denominator: u64,
    percent: Option<String>,
    interval: String,
}

macro_rules! found {
    ($figure:expr) => {
        Found {
            numerator: $figure.numerator,
            denominator: $figure.denominator,
            percent: $figure.percent.clone(),
            interval: interval_text(
                $figure.intervals.iter().map(|one| (&*one.method, &*one.lower, &*one.upper)),
            ),
        }
    };
}

/// The proportion with this id, of whichever report.
pub(super) fn find(outcomes: &OutcomeReport, safety: &SafetyReport, id: &str) -> Option<Found> {
    let survival = [&outcomes.survival.crude, &outcomes.survival.deaths];
    let remission = outcomes.remission.figures.iter().map(|remission| &remission.figure);
    let relapse = &outcomes.relapse;
    let relapse =
        relapse.in_year.iter().chain(&relapse.at_risk).chain([&relapse.among_responders, &relapse.ever]);
    let figure = survival.into_iter().chain(remission).chain(relapse).find(|figure| figure.id == id);
    let of_safety = || {
        let categories = safety.overviews.iter().flat_map(|overview| &overview.categories);
        let deaths = [&safety.deaths.deaths, &safety.deaths.related];
        categories.map(|category| &category.subjects).chain(deaths).find(|figure| figure.id == id)
    };
    figure.map(|figure| found!(figure)).or_else(|| of_safety().map(|figure| found!(figure)))
}

fn interval_text<'a>(mut intervals: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> String {
    intervals
        .find(|(method, _, _)| *method == "clopper-pearson")
        .map(|(_, lower, upper)| format!("{lower}–{upper}"))
        .unwrap_or_default()
}

/// A decimal text rounded half up to a whole number, as the abstract prints percentages.
fn whole(text: &str) -> Option<String> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number: u64 = digits.parse().ok()?;
    let up = fraction.as_bytes().first().is_some_and(|digit| *digit >= b'5');
    Some((number + u64::from(up)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_printed() {
        for (text, due) in [("94.25", "94"), ("16.67", "17"), ("0.00", "0"), ("27.50", "28"), ("50", "50")] {
            assert_eq!(whole(text).as_deref(), Some(due));
        }
    }
}
