//! What an inspector asks first: a page that leads to each list in one click, and the lists themselves.
//!
//! A list shows records and reports as they are; what it puts beside them is said on its page.

mod conduct;
mod corrections;
mod keys;
mod safety;
mod sample;

use std::sync::Arc;

use api::{Covers, Permission, Problem, Resource};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::list::{self, Column, EXPORT_ROWS_MAX, Format, Row};
use crate::page::{self, Here, nothing, pager};
use crate::visit;
use crate::words::{count, counted};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/trials/{trial}/inspection", get(home))
        .route("/trials/{trial}/inspection/sample", get(sample::sample))
        .route("/trials/{trial}/inspection/{list}", get(list_page))
        .route("/trials/{trial}/subjects/{subject}/casebook", get(sample::casebook))
}

/// Rows asked for at once where all of them are.
const PART: usize = 1_000;

/// A part of a list.
pub(crate) struct Part {
    pub(crate) covers: Covers,
    pub(crate) rows: Vec<Row>,
    /// Where the next part begins.
    pub(crate) next: Option<String>,
}

/// The lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Consent,
    Criteria,
    Deviations,
    Serious,
    Deaths,
    Delegation,
    Endorsement,
    Corrections,
    Unblindings,
    LostKeys,
}

impl Which {
    const ALL: [Self; 10] = [
        Self::Consent,
        Self::Criteria,
        Self::Deviations,
        Self::Serious,
        Self::Deaths,
        Self::Delegation,
        Self::Endorsement,
        Self::Corrections,
        Self::Unblindings,
        Self::LostKeys,
    ];

    /// Its name in addresses and files.
    fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Criteria => "criteria",
            Self::Deviations => "deviations",
            Self::Serious => "serious-events",
            Self::Deaths => "deaths",
            Self::Delegation => "delegation",
            Self::Endorsement => "endorsement",
            Self::Corrections => "corrections",
            Self::Unblindings => "unblindings",
            Self::LostKeys => "lost-keys",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Consent => "Consent against the first procedure",
            Self::Criteria => "Eligibility criteria not met",
            Self::Deviations => "Deviations from the protocol",
            Self::Serious => "Serious events: from awareness to report",
            Self::Deaths => "Deaths",
            Self::Delegation => "Delegation: keys and people over time",
            Self::Endorsement => "Endorsements missing, stale or in doubt",
            Self::Corrections => "Corrections",
            Self::Unblindings => "Unblindings",
            Self::LostKeys => "Keys lost or in doubt",
        }
    }

    /// What stands in it, and by which rule.
    fn meaning(self) -> &'static str {
        match self {
            Self::Consent => {
                "Each subject with the version of the consent signed first and last, and the days from the first signature to \
                 the first procedure: a screening, a visit that took place, or an infusion. Days below 0 mean that the \
                 procedure came first; on the same day dates cannot tell."
            }
            Self::Criteria => {
                "Each eligibility criterion that a screening or an enrollment states as not met or not examined."
            }
            Self::Deviations => {
                "Each deviation as it stands now; what was replaced or declared void is left out."
            }
            Self::Serious => {
                "Each serious event of the safety report, with each clock that runs for it: the day of awareness, the last day \
                 by the rules of the jurisdiction, and the day of the first report."
            }
            Self::Deaths => "Each death of the safety report.",
            Self::Delegation => {
                "Every key ever granted: who holds it, in which role and where, who granted it, from when and until when."
            }
            Self::Endorsement => {
                "Judgements that a coordinator entered and that no investigator has endorsed; statements signed with a key that \
                 others may have had then, and not endorsed since; and signatures on a record that was amended since, or made \
                 with such a key. What is endorsed is not listed: every signature stands in the trail, by its kind."
            }
            Self::Corrections => {
                "Every amendment, with what it changes. An endpoint item is a member on which a figure of the outcome report \
                 rests. Late means recorded more than 30 days after the record it amends; after a cut, that a data cut covers \
                 the record it amends and not the correction. Locks are no kind of record of this version."
            }
            Self::Unblindings => {
                "Each time somebody came to know a subject's arm. Which arm is not in the log."
            }
            Self::LostKeys => {
                "Revoked keys that were lost or compromised, or that others may have had: what was signed with them from that \
                 day on is to be looked at."
            }
        }
    }

    /// What it is taken from, and who may read it.
    fn resource(self) -> Resource {
        match self {
            Self::Consent | Self::Criteria | Self::Endorsement => Resource::Subjects,
            Self::Serious | Self::Deaths => Resource::Reports,
            Self::Deviations | Self::Delegation | Self::Corrections | Self::Unblindings | Self::LostKeys => {
                Resource::Records
            }
        }
    }

    fn heads(self) -> &'static [Column] {
        match self {
            Self::Consent => conduct::CONSENT,
            Self::Criteria => conduct::CRITERIA,
            Self::Deviations => conduct::DEVIATIONS,
            Self::Serious => safety::SERIOUS,
            Self::Deaths => safety::DEATHS,
            Self::Delegation => keys::DELEGATION,
            Self::Endorsement => conduct::ENDORSEMENT,
            Self::Corrections => corrections::CORRECTIONS,
            Self::Unblindings => conduct::UNBLINDINGS,
            Self::LostKeys => keys::LOST,
        }
    }

    async fn part(self, asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
        match self {
            Self::Consent => conduct::consent(asked, after, limit).await,
            Self::Criteria => conduct::criteria(asked, after, limit).await,
            Self::Deviations => conduct::deviations(asked, after, limit).await,
            Self::Serious => safety::serious(asked, after, limit).await,
            Self::Deaths => safety::deaths(asked, after, limit).await,
            Self::Delegation => keys::delegation(asked, after, limit).await,
            Self::Endorsement => conduct::endorsement(asked, after, limit).await,
            Self::Corrections => corrections::corrections(asked, after, limit).await,
            Self::Unblindings => conduct::unblindings(asked, after, limit).await,
            Self::LostKeys => keys::lost(asked, after, limit).await,
        }
    }
}

async fn list_page(asked: Asked) -> Result<Response, Failure> {
    let named = asked.parameter("list");
    let Some(which) = Which::ALL.into_iter().find(|which| which.name() == named) else {
        let names = Which::ALL.map(Which::name).join(", ");
        return Err(asked.fail(Problem::not_found(format!("the lists are {names}"))));
    };
    let format = match Format::asked(asked.given("format")) {
        Ok(format) => format,
        Err(problem) => return Err(asked.fail(problem)),
    };
    if let Some(format) = format {
        return match whole(&asked, which).await {
            Ok((covers, rows)) => {
                Ok(list::file(format, (&asked.links.trial, which.name()), &covers, which.heads(), &rows))
            }
            Err(problem) => Err(asked.fail(problem)),
        };
    }
    let part = match which.part(&asked, asked.page.after.clone(), asked.page.limit()).await {
        Ok(part) => part,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let links = &asked.links;
    let tail = format!("/inspection/{named}");
    let only: Vec<(&str, String)> =
        asked.given("only").map(|only| ("only", only.to_owned())).into_iter().collect();
    let with = |name: &'static str, value: &str| {
        let mut query = only.clone();
        query.push((name, value.to_owned()));
        links.to(&tail, &query)
    };
    let main = html! {
        p.up { a href=(links.inspection()) { "Inspection" } }
        h1 { (which.title()) }
        p { (which.meaning()) }
        @if which == Which::Corrections { (corrections::choices(links, asked.given("only"))) }
        @if part.rows.is_empty() && part.next.is_none() {
            (nothing("is nothing of this kind", &part.covers))
        } @else {
            @if part.rows.is_empty() { p.nothing { "Nothing among the records looked through so far." } }
            @else { (list::shown(which.title(), which.heads(), &part.rows)) }
            (list::takeaway(&with("format", "csv"), &with("format", "json")))
        }
        (pager(
            asked.page.after.is_some().then(|| links.to(&tail, &only)),
            part.next.as_deref().map(|next| with("after", next)),
        ))
    };
    Ok(page::trial(&asked, Here::Inspection, which.title(), &part.covers, &main))
}

/// All rows of a list.
async fn whole(asked: &Asked, which: Which) -> Result<(Covers, Vec<Row>), Problem> {
    let (mut rows, mut after, mut covers) = (Vec::new(), None, None);
    loop {
        let part = which.part(asked, after, PART).await?;
        covers.get_or_insert(part.covers);
        rows.extend(part.rows);
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(too_long());
        }
        after = part.next;
        if after.is_none() {
            let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
            return Ok((covers, rows));
        }
    }
}

/// 413: more rows than one file holds.
pub(crate) fn too_long() -> Problem {
    let detail = format!(
        "a file holds at most {EXPORT_ROWS_MAX} rows; ask for the list page by page, or for less of it"
    );
    Problem::new(413, "list-too-long", "The list is too long for one file.", detail)
}

async fn home(asked: Asked) -> Result<Response, Failure> {
    let covers = asked.detail.trial.covers.clone();
    let links = &asked.links;
    let entry = |which: Which| {
        html! { li { a href=(links.to(&format!("/inspection/{}", which.name()), &[])) { (which.title()) } } }
    };
    let reads = |resource| visit::permission(resource, asked.detail.trial.has_arms);
    let group = |heading: &str, lists: &[Which]| {
        let open: Vec<Which> =
            lists.iter().copied().filter(|which| reads(which.resource()) != Permission::Nothing).collect();
        html! { @if !open.is_empty() { section { h2 { (heading) } ul.entries { @for which in open { (entry(which)) } } } } }
    };
    let main = html! {
        h1 { "Inspection" }
        p { "Each list in one click, each to be taken away as CSV or JSON. What the log has no kind of record for is not listed." }
        div.entrances {
            section {
                h2 { "The log itself" }
                ul.entries {
                    li { a href=(links.intact()) { "Is the record intact?" } }
                    @if reads(Resource::Records) != Permission::Nothing { li { a href=(links.trail(&[])) { "Trail of the whole trial" } } }
                    @if reads(Resource::Bundles) == Permission::All && reads(Resource::Reports) == Permission::All {
                        li { a href=(format!("/trials/{}/bundle", links.trial)) download { "Take the whole log away, as a bundle with both reports" } }
                    }
                    li { a href="/verify" { "Verify a copy in this browser" } }
                    @if reads(Resource::Subjects) == Permission::All {
                        li { a href=(links.to("/inspection/sample", &[])) { "Sample of subjects, with casebooks" } }
                    }
                    @if reads(Resource::Workings) == Permission::All {
                        li { a href="/operator/access" { "Access: who may read, and who was refused" } }
                    }
                }
            }
            (group("Subjects", &[Which::Consent, Which::Criteria, Which::Deviations, Which::Unblindings]))
            (group("Safety", &[Which::Serious, Which::Deaths]))
            (group("People and what they signed", &[Which::Delegation, Which::Endorsement, Which::Corrections, Which::LostKeys]))
        }
        (copies(&asked))
    };
    Ok(page::trial(&asked, Here::Inspection, "Inspection", &covers, &main))
}

/// Who else holds what was signed.
fn copies(asked: &Asked) -> Markup {
    html! {
        section {
            h2 { "Who holds independent copies" }
            @match &asked.evidence {
                None => { p.nothing { "What is signed of the log cannot be had just now." } },
                Some(evidence) => {
                    dl.facts {
                        dt { "Latest checkpoint" }
                        dd {
                            @match &evidence.checkpoint {
                                Some(sealed) => { (counted(sealed.size.0, "record", "records")) " under root " code.whole { (sealed.root) } },
                                None => "none is signed yet",
                            }
                        }
                        dt { "Witnesses" }
                        dd {
                            @if evidence.witnesses.demanded {
                                (count(evidence.witnesses.cosigned)) " of " (count(evidence.witnesses.asked)) " have cosigned it"
                            } @else {
                                strong { "No witness is asked. " } "Nobody but this registry vouches that it shows the same log to everybody."
                            }
                        }
                        dt { "As many as the policy asks for" }
                        dd {
                            @match &evidence.witnessed {
                                Some(sealed) => { "have cosigned the first " (counted(sealed.size.0, "record", "records")) },
                                None => "have cosigned nothing yet",
                            }
                        }
                    }
                    p {
                        "Each site may keep the part of its own subjects, and whoever mirrors the log all of it: ask them for their \
                         checkpoint, and hold it against this one with " code { "trialbook-verify --known" } "."
                    }
                },
            }
        }
    }
}
