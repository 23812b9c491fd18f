//! What is asked across a trial's records: its trail, the last full verification, and where subjects stand against the
//! plan.
//!
//! No report: nothing here is counted for an analysis, and no definition has a part in it.

use std::fmt;
use std::str::FromStr;

use axum::Json;
use chain::{Instant, KeyId, Position, RecordHash};
use clinical::data::{PlannedVisit, SignatureMeaning};
use clinical::event::AmendReason;
use clinical::plan::SubjectPlan;
use clinical::{Actor, ActorId, Date, Effect, EventKind, PartialDate, SiteId, SubjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Path, Query};
use crate::gate::{Gate, Permitted};
use crate::problem::Problem;
use crate::routes::trial_id;
use crate::wire::{Covers, entries};

/// Which records of a trial's trail are asked for. What is not given, all have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailAsked {
    /// Signed in this person's name.
    pub who: Option<ActorId>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<EventKind>,
    /// About this subject.
    pub subject: Option<SubjectId>,
    /// Of this site.
    pub site: Option<SiteId>,
    /// Recorded on this day or later, in UTC.
    pub from: Option<Date>,
    /// Recorded on this day or earlier, in UTC.
    pub until: Option<Date>,
    /// Amendments alone, and for which reason.
    pub reason: Option<ReasonAsked>,
    /// Records after this one.
    pub after: Option<Position>,
    /// At most so many; 1 to 1,000, 100 if not given.
    pub limit: Option<usize>,
}

/// Which amendments are asked for. Written `any`, or as the reason's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonAsked {
    /// Those that give any reason: all.
    Any,
    /// Those that give this one.
    One(AmendReason),
}

/// A text that names no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of any, {}", AmendReason::ALL.map(AmendReason::as_str).join(", "))]
pub struct NoSuchReason;

impl FromStr for ReasonAsked {
    type Err = NoSuchReason;

    fn from_str(text: &str) -> Result<Self, NoSuchReason> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let found = AmendReason::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.map(Self::One).ok_or(NoSuchReason)
    }
}

impl fmt::Display for ReasonAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::One(reason) => reason.as_str(),
        })
    }
}

impl TrailAsked {
    /// How many entries to give.
    pub fn limit(&self) -> usize {
        entries(self.limit)
    }

    /// Whether it is asked for, wherever it stands.
    ///
    /// ```
    /// let asked = api::TrailAsked { who: Some("an.li".parse().unwrap()), ..Default::default() };
    /// assert!(asked.kinds.is_empty() && asked.limit() == 100);
    /// ```
    pub fn takes(&self, entry: &TrailEntry) -> bool {
        let day = |at: Instant| clinical::date::day_in_utc(at);
        self.who.as_ref().is_none_or(|who| entry.actor.id == *who)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.subject.as_ref().is_none_or(|subject| entry.subject.as_ref() == Some(subject))
            && self.site.as_ref().is_none_or(|site| entry.site.as_ref() == Some(site))
            && self.from.is_none_or(|from| day(entry.recorded_at) >= from)
            && self.until.is_none_or(|until| day(entry.recorded_at) <= until)
            && self.reason.is_none_or(|asked| match (&entry.amends, asked) {
                (None, _) => false,
                (Some(_), ReasonAsked::Any) => true,
                (Some(amends), ReasonAsked::One(reason)) => amends.reason == reason,
            })
    }

    /// What it is asked for with, beside `after` and `limit`, as names and values of a query.
    pub fn filters(&self) -> Vec<(&'static str, String)> {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let day = |day: Date| PartialDate::from(day).to_string();
        let mut query = Vec::new();
        query.extend(self.who.as_ref().map(|who| ("who", who.to_string())));
        query.extend((!kinds.is_empty()).then(|| ("kind", kinds.join(","))));
        query.extend(self.subject.as_ref().map(|subject| ("subject", subject.to_string())));
        query.extend(self.site.as_ref().map(|site| ("site", site.to_string())));
        query.extend(self.from.map(|from| ("from", day(from))));
        query.extend(self.until.map(|until| ("until", day(until))));
        query.extend(self.reason.map(|reason| ("reason", reason.to_string())));
        query
    }

    /// Reads it from a query's values; an empty one is not given.
    ///
    /// # Errors
    /// 400, and which value is not of its form.
    pub fn read(value: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        fn one<T: FromStr>(value: Option<String>, due: &str) -> Result<Option<T>, Problem> {
            let value = value.filter(|text| !text.is_empty()).map(|text| text.parse::<T>());
            value.transpose().map_err(|_| Problem::bad_request(due))
        }
        let day = |name: &str| -> Result<Option<Date>, Problem> {
            let date: Option<PartialDate> = one(value(name), "from and until are full days like 2011-06-30")?;
            let due = || Problem::bad_request("from and until are full days like 2011-06-30");
            date.map(|date| date.day().ok_or_else(due)).transpose()
        };
        let kinds = value("kind").unwrap_or_default();
        let kinds = kinds.split(',').filter(|name| !name.is_empty()).map(|name| {
            let found = EventKind::ALL.iter().copied().find(|kind| kind.as_str() == name);
            found.ok_or_else(|| Problem::bad_request("kind names kinds of events, with commas between them"))
        });
        Ok(Self {
            who: one(value("who"), "who is a person's id, as events name it")?,
            kinds: kinds.collect::<Result<_, _>>()?,
            subject: one(value("subject"), "subject is a subject's pseudonym")?,
            site: one(value("site"), "site is a site's id")?,
            from: day("from")?,
            until: day("until")?,
            reason: one(value("reason"), "reason is any, or the code of a reason")?,
            after: one(value("after"), "after is a position")?.map(Position),
            limit: one(value("limit"), "limit is a number")?,
        })
    }
}

/// A page of the trail, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrailPage {
    /// What the answer covers.
    pub covers: Covers,
    /// The entries.
    pub entries: Vec<TrailEntry>,
    /// `after` of the next page; absent where the trail ends. A page may hold fewer entries than asked for, and yet not
    /// be the last: so many records are looked through at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub next: Option<Position>,
}

/// A record in the trail: who, what, when, why; not what it states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrailEntry {
    /// Who acted.
    #[schema(value_type = Object)]
    pub actor: Actor,
    /// What it amends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<TrailAmends>,
    /// The record's hash.
    #[schema(value_type = String)]
    pub hash: RecordHash,
    /// The signing key.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// Kind of event.
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// Date of the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub occurred_on: Option<PartialDate>,
    /// When it was recorded.
    #[schema(value_type = String)]
    pub recorded_at: Instant,
    /// Position.
    #[schema(value_type = u64)]
    pub seq: Position,
    /// When it was signed, by the signer's clock.
    #[schema(value_type = String)]
    pub signed_at: Instant,
    /// What it signs, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<TrailSigns>,
    /// Site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
    /// Subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<SubjectId>,
}

/// What a signature in the trail signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrailSigns {
    /// What it means.
    #[schema(value_type = String)]
    pub meaning: SignatureMeaning,
    /// Positions of the records.
    #[schema(value_type = Vec<u64>)]
    pub statements: Vec<Position>,
}

/// What an amendment in the trail amends, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrailAmends {
    /// Whether the new statement replaces the old one or it never held.
    #[schema(value_type = String)]
    pub effect: Effect,
    /// Why.
    #[schema(value_type = String)]
    pub reason: AmendReason,
    /// Position of the amended record.
    #[schema(value_type = u64)]
    pub seq: Position,
}

/// The last full verification, with each of its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerificationView {
    /// What is recorded by now.
    pub covers: Covers,
    /// The verification; absent if there was none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastVerification>,
}

/// A full verification of the log, as it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastVerification {
    /// When it ended.
    #[schema(value_type = String)]
    pub at: Instant,
    /// Each check with how often it was made and did not hold.
    pub checks: Vec<CheckView>,
    /// What does not hold, is missing, or is against the trial's rules; of each code the first ones only.
    pub findings: Vec<VerifiedFinding>,
    /// How many records it looked at.
    pub records: u64,
    /// What it comes to, in a sentence.
    pub sentence: String,
    /// How many findings there are beyond those listed.
    pub unlisted: u64,
    /// `intact`, `broken` or `undecided`.
    pub verdict: String,
}

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// How often it was made.
    pub count: u64,
    /// How often it did not hold.
    pub failed: u64,
    /// What was checked.
    pub name: String,
}

/// Something that a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedFinding {
    /// `evidence`, `absence` or `conduct`.
    pub class: String,
    /// What, by its code.
    pub code: String,
    /// What exactly.
    pub detail: String,
    /// JSON pointer into the record; empty for the record as a whole.
    pub pointer: String,
    /// The record; absent for the log as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub seq: Option<Position>,
}

/// Where subjects stand against the plan is asked for a day and, if given, for one site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanAsked {
    /// The day; `None`: today, in the trial's zone.
    pub on: Option<Date>,
    /// The site; `None`: all.
    pub site: Option<SiteId>,
    /// Subjects after this one.
    pub after: Option<SubjectId>,
    /// At most so many; 1 to 1,000, 100 if not given.
    pub limit: Option<usize>,
}

impl PlanAsked {
    /// How many entries to give.
    pub fn limit(&self) -> usize {
        entries(self.limit)
    }
}

/// A page of subjects, in the order of their ids, each with where it stands against the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanPage {
    /// What the answer covers.
    pub covers: Covers,
    /// `after` of the next page; absent on the last. A page may hold fewer subjects than asked for, and yet not be the
    /// last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next: Option<SubjectId>,
    /// For which day.
    #[schema(value_type = String)]
    pub on: PartialDate,
    /// The planned visits.
    #[schema(value_type = Vec<Object>)]
    pub schedule: Vec<PlannedVisit>,
    /// The subjects.
    #[schema(value_type = Vec<Object>)]
    pub subjects: Vec<SubjectPlan>,
}

pub(crate) fn routes() -> OpenApiRouter<Gate> {
    OpenApiRouter::new().routes(routes!(trail)).routes(routes!(verification)).routes(routes!(plan))
}

#[derive(Deserialize)]
struct TrailQuery {
    who: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    site: Option<String>,
    from: Option<String>,
    until: Option<String>,
    reason: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/trail",
    description = "Who recorded what, when and why, in the order of the log. `who` (a person's id), `kind` (kinds of events, with commas between them), `subject`, `site`, `from` and `until` (days of recording, UTC) and `reason` (`any`, or the code of an amendment's reason) leave out the others.",
    params(
        ("who" = Option<String>, Query), ("kind" = Option<String>, Query), ("subject" = Option<String>, Query),
        ("site" = Option<String>, Query), ("from" = Option<String>, Query), ("until" = Option<String>, Query),
        ("reason" = Option<String>, Query), ("after" = Option<u64>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = TrailPage), (status = 404, body = Problem))
)]
async fn trail(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<TrailQuery>,
) -> Result<Json<TrailPage>, Problem> {
    let asked = TrailAsked::read(&|name| {
        let value = match name {
            "who" => &query.who,
            "kind" => &query.kind,
            "subject" => &query.subject,
            "site" => &query.site,
            "from" => &query.from,
            "until" => &query.until,
            "reason" => &query.reason,
            "after" => &query.after,
            _ => &query.limit,
        };
        value.clone()
    })?;
    registry.trail(&trial_id(&trial)?, asked).await.map(Json)
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/verification",
    description = "The last full verification that the registry made of its log, with each check and what was found. Whoever has a copy of the log can make one without the registry.",
    responses((status = 200, body = VerificationView), (status = 404, body = Problem))
)]
async fn verification(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
) -> Result<Json<VerificationView>, Problem> {
    registry.verification(&trial_id(&trial)?).await.map(Json)
}

#[derive(Deserialize)]
struct PlanQuery {
    on: Option<String>,
    site: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/plan",
    description = "Subjects against the plan: consents, the first procedure, each planned visit with where it stands on the day `on` (today in the trial's zone, if not given), findings and statements that wait for endorsement. `site` leaves out the others.",
    params(
        ("on" = Option<String>, Query), ("site" = Option<String>, Query), ("after" = Option<String>, Query),
        ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = PlanPage), (status = 404, body = Problem))
)]
async fn plan(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
    Query(query): Query<PlanQuery>,
) -> Result<Json<PlanPage>, Problem> {
    let day = |text: &str| text.parse::<PartialDate>().ok().and_then(PartialDate::day);
    let on = query
        .on
        .as_deref()
        .map(|text| day(text).ok_or_else(|| Problem::bad_request("on is a date like 2011-06-30")));
    let asked = PlanAsked {
        on: on.transpose()?,
        site: query
            .site
            .map(|site| site.parse())
            .transpose()
            .map_err(|_| Problem::bad_request("site is a site's id"))?,
        after: query
            .after
            .map(|after| after.parse())
            .transpose()
            .map_err(|_| Problem::bad_request("after is a subject's pseudonym"))?,
        limit: query.limit,
    };
    registry.plan(&trial_id(&trial)?, asked).await.map(Json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> TrailEntry {
        let text = json!({
            "actor": {"id": "bo.wang", "organisation": "Hospital 1", "role": "investigator"},
            "amends": {"effect": "replace", "reason": "transcription", "seq": 3}, "hash": "00".repeat(32),
            "key": "11".repeat(32), "kind": "visit", "occurred_on": "2008-03", "recorded_at":
                "2008-03-11T23:59:59.999999Z", "seq": 7, "signed_at": "2008-03-11T01:00:00.000000Z", "site": "S01",
            "subject": "P1"
        });
        serde_json::from_str(&text.to_string()).unwrap()
    }

    fn asked(query: &[(&str, &str)]) -> Result<TrailAsked, Problem> {
        let find =
            |name: &str| query.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TrailAsked::read(&find)
    }

    #[test]
    fn a_filter_takes_what_it_names_and_nothing_else() {
        let check = |query: &[(&str, &str)], due: bool| {
            let asked = asked(query).unwrap();
            assert_eq!(asked.takes(&entry()), due, "{query:?}");
            // What is written into an address is read back the same.
            let written = asked.filters();
            let written: Vec<_> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(super::tests::asked(&written).unwrap(), asked, "{query:?}");
        };
        check(&[], true);
        check(&[("who", "bo.wang"), ("kind", "infusion,visit"), ("site", "S01"), ("subject", "P1")], true);
        check(&[("who", "an.li")], false);
        check(&[("kind", "infusion")], false);
        check(&[("site", "S02")], false);
        check(&[("subject", "P2")], false);
        check(&[("from", "2008-03-11"), ("until", "2008-03-11")], true);
        check(&[("from", "2008-03-12")], false);
        check(&[("until", "2008-03-10")], false);
        check(&[("reason", "any")], true);
        check(&[("reason", "transcription")], true);
        check(&[("reason", "coding")], false);
        check(&[("who", ""), ("reason", "")], true);
    }

    #[test]
    fn what_a_filter_cannot_mean_is_refused() {
        for wrong in [
            ("who", "Bo Wang"),
            ("kind", "visits"),
            ("site", "s 1"),
            ("from", "2008-03"),
            ("until", "soon"),
            ("reason", "because"),
            ("after", "-1"),
            ("limit", "many"),
        ] {
            assert_eq!(asked(&[wrong]).unwrap_err().status, 400, "{wrong:?}");
        }
    }

    #[test]
    fn a_record_that_amends_nothing_gives_no_reason() {
        let first = TrailEntry { amends: None, ..entry() };
        assert!(!asked(&[("reason", "any")]).unwrap().takes(&first));
        assert!(asked(&[]).unwrap().takes(&first));
    }
}
