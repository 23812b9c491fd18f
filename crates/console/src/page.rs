//! The frame of every page: which trial, what is covered, how far it is verified.

use api::{Asker, Covers, Evidence, Holder, Permission, Problem, Resource, TrialView, Verified};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::asked::Asked;
use crate::links::Links;
use crate::login;
use crate::sealed;
use crate::visit::{self, Visit};
use crate::words::{count, counted, hash, instant, local};

/// Which entry of the trial's menu a page stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Outcomes,
    Safety,
    Findings,
    Subjects,
    Work,
    Status,
    Inspection,
    Record,
    /// None of them.
    Elsewhere,
}

/// A page about a trial, from an answer that covers `covers`.
pub(crate) fn trial(asked: &Asked, here: Here, title: &str, covers: &Covers, main: &Markup) -> Response {
    respond(StatusCode::OK, title, Some(&of(asked, here, covers)), asked.stands_open, main)
}

/// The ways to the parts of what stands on several pages: whether it is this one, address and name.
pub(crate) fn parts<'a>(label: &str, parts: impl IntoIterator<Item = (bool, String, &'a str)>) -> Markup {
    html! {
        nav.parts aria-label=(label) {
            ul {
                @for (is_here, address, name) in parts {
                    li { a href=(address) aria-current=[is_here.then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// 404: what stands on several pages has these parts, the first without a name.
pub(crate) fn no_such_part(names: &[&str]) -> Problem {
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    Problem::not_found(format!("besides the first part there are {}", names.join(", ")))
}

/// A page about no trial in particular.
pub(crate) fn general(title: &str, main: &Markup) -> Response {
    respond(StatusCode::OK, title, None, false, main)
}

/// A problem as a page.
pub(crate) fn problem(problem: &Problem, asked: Option<&Asked>) -> Response {
    let main = html! {
        h1 { (problem.title) }
        p { (problem.detail) @if !problem.detail.ends_with('.') { "." } }
        p.quiet { "Status " (problem.status) " · code " code { (problem.code) } }
        p {
            @match asked {
                _ if problem.status == 401 || problem.code.starts_with("sign-in-") => a href=(to_sign_in()) { "Sign in" },
                Some(asked) => a href=(asked.links.overview()) { "Overview of " (asked.links.trial) },
                None => a href="/" { "All trials" },
            }
        }
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let trial = asked.map(|asked| of(asked, Here::Elsewhere, &asked.detail.trial.covers));
    respond(status, &problem.title, trial.as_ref(), asked.is_some_and(|asked| asked.stands_open), &main)
}

/// The way to sign in, and back to what was asked for.
fn to_sign_in() -> String {
    login::address(&visit::current().map_or_else(String::new, |visit| visit.asked_for))
}

/// What the banner of a trial's pages is made from.
struct Trial<'a> {
    view: &'a TrialView,
    evidence: Option<&'a Evidence>,
    links: &'a Links,
    here: Here,
    covers: &'a Covers,
    /// Where who looks is: the site, of those who belong to one, else where the trial is.
    zone: &'a str,
}

fn of<'a>(asked: &'a Asked, here: Here, covers: &'a Covers) -> Trial<'a> {
    let (view, evidence) = (&asked.detail.trial, asked.evidence.as_ref());
    let at_site = visit::current().and_then(|visit| match visit.asker {
        Asker::Holder(holder) => holder.site,
        _ => None,
    });
    let site = asked.detail.sites.iter().find(|one| Some(&one.site) == at_site.as_ref());
    let zone = site.map_or(&view.zone, |site| &site.zone);
    Trial { view, evidence, links: &asked.links, here, covers, zone: zone.as_str() }
}

fn respond(
    status: StatusCode,
    title: &str,
    trial: Option<&Trial<'_>>,
    stands_open: bool,
    main: &Markup,
) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) @if let Some(trial) = trial { " · " (trial.view.trial) } " · Trialbook" }
                link rel="stylesheet" href="/assets/console.css";
                link rel="icon" type="image/svg+xml" href="/assets/icon.svg";
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (banner(trial, stands_open))
                main #main { (main) }
                footer {
                    p {
                        "Trialbook shows what the log holds. Nothing is recorded but what a person has signed; what is verified is said above, "
                        "and anyone with a copy of the log can " a href="/verify" { "verify it again" } "."
                    }
                }
            }
        }
    };
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, content_type, markup.into_string()).into_response()
}

/// Said wherever nobody is asked for a token.
pub(crate) fn stands_open() -> Markup {
    html! { p.alert role="note" { strong { "Open to everybody on this machine. " } "No token is needed to read this registry." } }
}

/// Said on every page of a log whose servers were not asked to prove that they sync.
fn not_durable() -> Markup {
    html! {
        p.alert role="alert" {
            strong { "Not durable. " }
            "The log's servers need not have what they acknowledge on their disks: for play only."
        }
    }
}

/// Who looks, and the ways that are open to them alone.
fn who(visit: &Visit) -> Markup {
    html! {
        div.who {
            @match &visit.asker {
                Asker::Holder(Holder { id, role, site, .. }) => {
                    p {
                        @if visit.demonstration { "Looking as " } @else { "Signed in: " strong { (id) } ", " }
                        (role) @if let Some(site) = site { " of " (site) }
                    }
                    @if visit.in_session { (login::sign_out()) }
                }
                Asker::Owner => { p { "Signed in: " strong { "owner of the data" } } @if visit.in_session { (login::sign_out()) } }
                Asker::Nobody => a href=(to_sign_in()) { "Sign in" },
                Asker::Anybody => {}
            }
            @if visit.asker.may(Resource::Workings) { a href="/operator" { "Operation" } }
        }
    }
}

/// Said loudly on every page of a demonstration.
fn demonstration(visit: &Visit) -> Markup {
    html! {
        p.demonstration role="note" {
            strong { "Demonstration. " }
            "Every person and every record is made up; "
            @if visit.stands_open { "everybody on this machine reads everything. " a href="/#looks" { "Look as one role alone" } }
            @else { "nobody reads it without a token or an account." }
        }
    }
}

fn banner(trial: Option<&Trial<'_>>, stands_open: bool) -> Markup {
    let visit = visit::current();
    html! {
        header {
            div.bar {
                a.brand href="/" { "Trialbook" }
                @if let Some(Trial { view, links, .. }) = trial {
                    p.trial { a href=(links.overview()) { (view.title) } }
                    @if view.synthetic { (synthetic()) }
                }
                @if let Some(visit) = &visit { (who(visit)) }
            }
            @if let Some(visit) = &visit && visit.demonstration { (demonstration(visit)) }
            @else if stands_open || visit.as_ref().is_some_and(|visit| visit.stands_open) { (self::stands_open()) }
            @if trial.is_some_and(|trial| trial.view.not_durable) { (not_durable()) }
            @if let Some(Trial { view, evidence, links, here, covers, zone }) = trial {
                @let to_records = (visit::permission(Resource::Records, view.has_arms) == Permission::All).then_some(*links);
                p.covers { (what_is_covered(covers, to_records, zone)) br; (sealed::line(*evidence, to_records)) }
                @if let Some(evidence) = evidence { (sealed::alerts(evidence)) }
                @if let Some(why) = &covers.stopped {
                    p.alert role="alert" {
                        strong { "Stopped. " }
                        "What answers here no longer follows the log and shows its last good state: " (why)
                    }
                }
                nav aria-label="Pages of the trial" {
                    ul {
                        @for (entry, name, resource, address) in [
                            (Here::Overview, "Overview", Resource::Trials, links.overview()),
                            (Here::Outcomes, "Outcomes", Resource::Reports, links.outcomes("")),
                            (Here::Safety, "Safety", Resource::Reports, links.safety("")),
                            (Here::Findings, "Findings", Resource::Findings, links.findings(None)),
                            (Here::Subjects, "Subjects", Resource::Subjects, links.subjects(None)),
                            (Here::Work, "Work", Resource::Subjects, links.to("/work", &[])),
                            (Here::Status, "Status", Resource::Subjects, links.to("/status", &[])),
                            (Here::Inspection, "Inspection", Resource::Trials, links.inspection()),
                            (Here::Record, "Record", Resource::Subjects, links.recording()),
                        ] {
                            @if visit::permission(resource, view.has_arms) != Permission::Nothing {
                                li { a href=(address) aria-current=[(entry == *here).then_some("page")] { (name) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The mark of a trial whose records are made up.
pub(crate) fn synthetic() -> Markup {
    html! { strong.synthetic title="Every record of this trial is made up; nobody was treated." { "SYNTHETIC" } }
}

/// A record's position, with the way to it if it is open to who looks.
pub(crate) fn to_record(seq: u64, links: Option<&Links>) -> Markup {
    html! {
        @match links {
            Some(links) => a href=(links.record(seq)) { "#" (count(seq)) },
            None => { "#" (count(seq)) },
        }
    }
}

fn what_is_covered(covers: &Covers, links: Option<&Links>, zone: &str) -> Markup {
    html! {
        span {
            @match covers.records.checked_sub(1) {
                Some(last) => { "records up to " (to_record(last, links))
                    @if let Some(at) = covers.recorded_at {
                        " · " (instant(at))
                        @if let Some(local) = local(&at.to_string(), zone) { " (" (local) " " (zone) ")" }
                    }
                    " · head " (hash(covers.head)) },
                None => { "no record covered yet" },
            }
        }
        " · "
        span { (lag(covers)) }
        " · "
        span { (verified(covers)) }
    }
}

fn lag(covers: &Covers) -> Markup {
    html! {
        @if covers.lag_records == 0 { "projector lag 0" }
        @else { strong { "projector lag " (counted(covers.lag_records, "record", "records")) } }
    }
}

/// The last verdict, in words and with a sign, never by colour alone.
pub(crate) fn verified(covers: &Covers) -> Markup {
    html! {
        @match &covers.verified {
            Some(verified) => {
                (verdict(verified)) ", " (counted(verified.records, "record", "records")) ", " (instant(verified.at))
            },
            None => { "not yet verified" },
        }
    }
}

fn verdict(verified: &Verified) -> Markup {
    html! {
        @match verified.verdict.as_str() {
            "intact" => span.good { "✓ verified: intact" },
            "broken" => strong.bad { "✗ verified: BROKEN" },
            other => strong.unsure { "? verification " (other) },
        }
    }
}

/// What stands where a list has no entries: never that nothing was projected yet, but what was looked at.
pub(crate) fn nothing(what: &str, covers: &Covers) -> Markup {
    html! {
        p.nothing {
            @match covers.records {
                0 => {
                    "No record of this log is in this list yet: "
                    (counted(covers.lag_records, "record waits", "records wait")) " to be taken in."
                },
                records => {
                    "There " (what) " in the " (counted(records, "record", "records")) " covered here"
                    @match covers.lag_records {
                        0 => { ", which is all there are." },
                        lag => { "; " (counted(lag, "record waits", "records wait")) " to be taken in." },
                    }
                },
            }
        }
    }
}

/// The foot of a list that goes on.
pub(crate) fn pager(first: Option<String>, next: Option<String>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label="Parts of the list" {
                ul {
                    @if let Some(first) = first { li { a href=(first) { "From the beginning" } } }
                    @if let Some(next) = next { li { a rel="next" href=(next) { "Next" } } }
                }
            }
        }
    }
}
