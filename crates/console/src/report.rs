//! A report, read from its JSON with a light hand: each part by itself, so that one this version does not know hides no
//! other. Numbers stay the texts the report wrote; only curves are read as numbers, to be drawn.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use api::ReportKind;
use maud::{Markup, Render, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::links::Links;

/// The member of each row, added when a report is read, that says where in the report it stands.
const WHERE: &str = "@";

/// Most rows of a list that a page shows: of a large trial the report has more.
pub(crate) const ROWS_MAX: usize = 500;

/// A report's JSON. Of one that the registry made a part is read when it is asked for: a page shows few of them, and those
/// of a large trial are long.
pub(crate) struct Report {
    /// By the names of the report's members.
    parts: BTreeMap<String, Part>,
    /// What ids in the page begin with, where it shows several reports.
    prefix: String,
    /// What is told behind a row of which report; `None` where nothing leads anywhere.
    behind: Option<(ReportKind, Links)>,
}

/// A member of a report, or of one of its members.
#[derive(Default)]
struct Part {
    unread: Option<Box<RawValue>>,
    /// By their names; none, where it was given as read, or is no object.
    members: OnceLock<BTreeMap<String, Part>>,
    value: OnceLock<Value>,
}

impl Part {
    fn unread(text: Box<RawValue>) -> Self {
        Self { unread: Some(text), ..Self::default() }
    }

    fn text(&self) -> Option<&str> {
        self.unread.as_ref().map(|unread| unread.get())
    }

    fn members(&self) -> &BTreeMap<String, Part> {
        self.members.get_or_init(|| parts_of(self.text().unwrap_or_default()))
    }
}

/// The members of an object, none of them read.
fn parts_of(text: &str) -> BTreeMap<String, Part> {
    // The registry hands out JSON; what is not would show as a report without parts.
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
    members.into_iter().map(|(name, text)| (name, Part::unread(text))).collect()
}

impl Report {
    /// A report whose rows say where what is behind them is told.
    pub(crate) fn read(view: &api::ReportView, kind: ReportKind, links: &Links) -> Self {
        Self {
            parts: parts_of(view.report.get()),
            prefix: String::new(),
            behind: links.to_subjects.then(|| (kind, links.clone())),
        }
    }

    /// A report whose ids in the page begin with `prefix`.
    pub(crate) fn of(value: Value, prefix: String) -> Self {
        let members = match value {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        let read = |value| Part { value: OnceLock::from(value), ..Part::default() };
        let parts = members.into_iter().map(|(name, value)| (name, read(value))).collect();
        Self { parts, prefix, behind: None }
    }

    /// An id in the page.
    pub(crate) fn id(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// All that it says, member by member.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().map(|(name, part)| self.value(part, &format!("/{name}")))
    }

    /// The smallest part that holds what is at a JSON pointer, where it stands, and the pointer from there.
    fn holding<'p>(&self, pointer: &'p str) -> Option<(&Part, &'p str, &'p str)> {
        let (mut parts, mut from) = (&self.parts, 1);
        pointer.strip_prefix('/')?;
        loop {
            let end = pointer[from..].find('/').map_or(pointer.len(), |at| from + at);
            let (place, rest) = pointer.split_at(end);
            let part = parts.get(&pointer[from..end])?;
            // Where it stands a part says itself, and is read for that.
            if rest.is_empty() || &rest[1..] == WHERE || part.members().is_empty() {
                return Some((part, place, rest));
            }
            (parts, from) = (part.members(), end + 1);
        }
    }

    fn value<'p>(&self, part: &'p Part, place: &str) -> &'p Value {
        part.value.get_or_init(|| {
            let value = part.text().and_then(|text| serde_json::from_str(text).ok());
            self.located(value.unwrap_or_default(), place)
        })
    }

    /// What stands at `place`, each row of which says where it stands.
    fn located(&self, mut value: Value, place: &str) -> Value {
        if let Some((kind, links)) = &self.behind {
            clinical::report::say_where(&mut value, place, WHERE, &|path| links.sources(*kind, path, None));
        }
        value
    }

    /// Where the row at a JSON pointer stands.
    pub(crate) fn at(&self, pointer: &str) -> At {
        self.part(&format!("{pointer}/{WHERE}")).unwrap_or_default()
    }

    /// The part at a JSON pointer, if it is there and of the form asked for.
    pub(crate) fn part<T: DeserializeOwned>(&self, pointer: &str) -> Option<T> {
        let (part, place, rest) = self.holding(pointer)?;
        T::deserialize(self.value(part, place).pointer(rest)?).ok()
    }

    /// The first [`ROWS_MAX`] items of the list at a JSON pointer, which are all that is read of it, and how many it has; if
    /// it is there and they are of the form asked for. Of a report in a file all: there is no more elsewhere.
    pub(crate) fn first<T: DeserializeOwned>(&self, pointer: &str) -> Option<(Vec<T>, usize)> {
        let (part, place, rest) = self.holding(pointer)?;
        let Some(text) = part.text().filter(|_| rest.is_empty()) else {
            let all: Vec<T> = self.part(pointer)?;
            let count = all.len();
            return Some((all, count));
        };
        let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        let first: Option<Vec<Value>> =
            items.iter().take(ROWS_MAX).map(|item| serde_json::from_str(item.get()).ok()).collect();
        Some((Vec::deserialize(self.located(Value::Array(first?), place)).ok()?, items.len()))
    }

    /// The day after which nothing is counted.
    pub(crate) fn cutoff(&self) -> Option<Cutoff> {
        self.part("/cutoff")
    }
}

/// The address of what is behind a row; empty in a file of its own, from which nothing leads anywhere.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct At(String);

impl At {
    /// A cell of the row, with the way to what is behind it.
    pub(crate) fn cell(&self, name: &str, text: impl Render) -> Markup {
        html! { @if self.0.is_empty() { (text) } @else { a.cell href={ (self.0) "%2F" (name) } { (text) } } }
    }

    /// What stands for the whole row, with the way to what is behind it.
    pub(crate) fn row(&self, text: impl Render) -> Markup {
        html! { @if self.0.is_empty() { (text) } @else { a.cell href=(self.0) { (text) } } }
    }
}

/// Up to which day a report counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cutoff {
    pub(crate) date: String,
    pub(crate) basis: String,
    pub(crate) zone: String,
}

/// So many of so many.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Figure {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) numerator: u64,
    pub(crate) denominator: u64,
    pub(crate) percent: Option<String>,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) no_events: Option<NoEvents>,
    pub(crate) population: String,
    pub(crate) definition: String,
    pub(crate) denominator_rule: String,
    pub(crate) imputed: u64,
}

/// A confidence interval in its estimate's unit.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Interval {
    pub(crate) method: String,
    pub(crate) level: String,
    pub(crate) lower: String,
    pub(crate) upper: String,
}

/// The bound where nothing was seen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NoEvents {
    pub(crate) one_sided_upper_percent: String,
    pub(crate) rule_of_three_percent: Option<String>,
}

/// Events in person-time.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rate {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) events: u64,
    pub(crate) patient_years: String,
    pub(crate) per_100_patient_years: Option<String>,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) time: String,
    pub(crate) population: String,
    pub(crate) definition: String,
    pub(crate) denominator_rule: String,
    pub(crate) imputed: u64,
}

/// From enrolled to evaluable.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Waterfall {
    pub(crate) definition: String,
    pub(crate) stages: Vec<Stage>,
}

/// One stage and who is missing from it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stage {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) of: Option<String>,
    pub(crate) subjects: u64,
    pub(crate) losses: Vec<Loss>,
}

/// Subjects who did not go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Loss {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) reason: String,
    pub(crate) subjects: u64,
}

/// How long subjects were followed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FollowUp {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) population: String,
    pub(crate) subjects: u64,
    pub(crate) patient_years: String,
    pub(crate) mean_months: Option<String>,
    pub(crate) median_days: Option<String>,
    pub(crate) reverse_kaplan_meier_median_months: Option<String>,
    pub(crate) range_days: Option<(u64, u64)>,
    pub(crate) imputed: u64,
}

/// A curve of survival.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SurvivalCurve {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) population: String,
    pub(crate) subjects: u64,
    pub(crate) deaths: u64,
    pub(crate) imputed: u64,
    pub(crate) steps: Vec<SurvivalStep>,
    pub(crate) landmarks: Vec<SurvivalLandmark>,
}

/// A day on which somebody died or was censored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SurvivalStep {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) day: u32,
    pub(crate) at_risk: u64,
    pub(crate) deaths: u64,
    pub(crate) censored: u64,
    pub(crate) survival: String,
    pub(crate) standard_error: Option<String>,
    pub(crate) intervals: Vec<Interval>,
}

/// Survival at a landmark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SurvivalLandmark {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) days: String,
    pub(crate) at_risk: u64,
    pub(crate) survival: String,
    pub(crate) standard_error: Option<String>,
    pub(crate) intervals: Vec<Interval>,
}

/// Incidence of relapse with death competing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Incidence {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) population: String,
    pub(crate) subjects: u64,
    pub(crate) relapses: u64,
    pub(crate) deaths_first: u64,
    pub(crate) imputed: u64,
    pub(crate) steps: Vec<IncidenceStep>,
    pub(crate) landmarks: Vec<IncidenceLandmark>,
}

/// A day on which something happened.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidenceStep {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) day: u32,
    pub(crate) at_risk: u64,
    pub(crate) relapses: u64,
    pub(crate) deaths: u64,
    pub(crate) censored: u64,
    pub(crate) relapse: String,
    pub(crate) death_first: String,
    pub(crate) event_free: String,
}

/// Incidence at a landmark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidenceLandmark {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) days: String,
    pub(crate) at_risk: u64,
    pub(crate) relapse: String,
    pub(crate) standard_error: String,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) death_first: String,
    pub(crate) event_free: String,
}

/// A measure of relapse of the trial's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnMeasure {
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
}

/// Survival with partly dated deaths on other days.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sensitivity {
    pub(crate) definition: String,
    pub(crate) main: String,
    pub(crate) other: String,
    pub(crate) deaths: u64,
    pub(crate) crude: Figure,
    pub(crate) from_infusion: SurvivalCurve,
}

/// Remission at one landmark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RemissionFigure {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) figure: Figure,
    pub(crate) without_visit: u64,
    pub(crate) died: u64,
    pub(crate) not_followed: u64,
    pub(crate) not_determinable: u64,
    pub(crate) partial: u64,
    pub(crate) adjudicated: u64,
}

/// A site; its counts, which differ between the reports, are the other members.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SiteRow {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) country: String,
    #[serde(flatten)]
    pub(crate) counts: BTreeMap<String, Value>,
}

/// A subject whose times cannot be counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NotAnalysable {
    pub(crate) subject: String,
    pub(crate) site: String,
    pub(crate) reason: String,
}

/// A death or a first relapse, with the records that state it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listed {
    pub(crate) subject: String,
    pub(crate) site: String,
    pub(crate) on: String,
    pub(crate) imputed: bool,
    pub(crate) day: Option<i64>,
    pub(crate) after_relapse: bool,
    pub(crate) adjudicated: bool,
    pub(crate) relation: Option<String>,
    pub(crate) first_seq: u64,
    pub(crate) latest_seq: u64,
}

/// Categories of adverse events, which overlap.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Overview {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) categories: Vec<Category>,
}

/// One category.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Category {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) events: u64,
    pub(crate) events_since: Option<u64>,
    pub(crate) subjects_since: Option<u64>,
    pub(crate) subjects: Figure,
    pub(crate) rate: Option<Rate>,
}

/// Adverse events by class and term.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventTable {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) label: String,
    pub(crate) population: String,
    pub(crate) denominator: u64,
    pub(crate) subjects: u64,
    pub(crate) events: u64,
    pub(crate) classes: Vec<ClassRow>,
    pub(crate) not_coded: Option<TermRow>,
}

/// A system organ class and its preferred terms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClassRow {
    #[serde(flatten)]
    pub(crate) class: TermRow,
    pub(crate) terms: Vec<TermRow>,
}

/// A class or term.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct TermRow {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) name: String,
    pub(crate) subjects: u64,
    pub(crate) percent: Option<String>,
    pub(crate) events: u64,
    pub(crate) events_since: Option<u64>,
    pub(crate) subjects_since: Option<u64>,
    pub(crate) serious: u64,
    pub(crate) worst_severity: Option<String>,
    pub(crate) worst_grade: Option<u8>,
}

/// The earlier report that new events and subjects are counted against.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SinceEarlier {
    pub(crate) cut: Option<String>,
    pub(crate) records: u64,
    pub(crate) cutoff: String,
}

/// Events by the time since the latest infusion.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Timing {
    #[serde(rename = "@")]
    pub(crate) at: At,
    pub(crate) class: String,
    pub(crate) subjects: u64,
    pub(crate) events: u64,
}

/// An event whose reported seriousness and criteria disagree.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Disagreement {
    pub(crate) subject: String,
    pub(crate) site: String,
    pub(crate) reported: bool,
    pub(crate) criteria: Vec<String>,
    pub(crate) latest_seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_of_another_form_hides_no_other() {
        let report = json!({
            "rates": "to be had elsewhere",
            "waterfall": {"definition": "evaluable-1", "stages": [], "new_member": 1}
        });
        let report = Report::of(report, String::new());
        assert!(report.part::<Vec<Rate>>("/rates").is_none());
        assert_eq!(report.part::<Waterfall>("/waterfall").unwrap().definition, "evaluable-1");
    }

    #[test]
    fn a_part_is_read_alone_and_its_rows_say_where_they_stand_in_the_whole() {
        let listing: Vec<Value> = (0..=ROWS_MAX).map(|day| json!({"day": day, "subject": "P1"})).collect();
        let whole = json!({
            "deaths": {"related": {"id": "a", "label": "Related"}, "listing": listing},
            "flow": {"enrolled": 87}
        });
        let covers = json!({
            "head": "00".repeat(32), "lag_records": 0, "records": 1, "trial": "small", "zone": "UTC", "verified": null
        });
        let view: api::ReportView =
            serde_json::from_value(json!({"covers": covers, "report": whole})).unwrap();
        let links = Links {
            on_paper: false,
            to_subjects: true,
            trial: "small".parse().unwrap(),
            as_of: None,
            cutoff: None,
        };
        let report = Report::read(&view, ReportKind::Safety, &links);
        let at = |path: &str| At(links.sources(ReportKind::Safety, path, None));
        // The same, whether a part is read alone or after another, and of whatever length.
        assert_eq!(report.part::<Figure>("/deaths/related").unwrap().at, at("/deaths/related"));
        assert_eq!(report.at("/flow"), at("/flow"));
        assert_eq!(report.part::<u64>("/flow/enrolled"), Some(87));
        let (listed, all) = report.first::<BTreeMap<String, Value>>("/deaths/listing").unwrap();
        assert_eq!((listed.len(), all), (ROWS_MAX, ROWS_MAX + 1));
        assert_eq!(listed[1][WHERE], json!(at("/deaths/listing/P1 (2)").0));
        assert!(report.part::<u64>("/deaths/nothing").is_none() && report.first::<u64>("/nothing").is_none());
        // In a file there is no more elsewhere, and nothing leads anywhere.
        let file = Report::of(whole, String::new());
        let (listed, all) = file.first::<BTreeMap<String, Value>>("/deaths/listing").unwrap();
        assert_eq!((listed.len(), all, listed[0].get(WHERE)), (ROWS_MAX + 1, ROWS_MAX + 1, None));
    }
}
