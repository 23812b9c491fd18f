//! A subject's trail: who stated what, when, in which role; what was changed, from what to what, and why.

use std::collections::BTreeMap;

use api::RecordView;
use axum::response::Response;
use clinical::ConfirmedFinding;
use maud::{Markup, html};
use serde_json::Value;

use crate::asked::{Asked, Failure};
use crate::changes;
use crate::findings;
use crate::links::Links;
use crate::page::{self, Here, nothing, pager};
use crate::signatures;
use crate::timeline;
use crate::values::{leaves, name, shown};
use crate::words::{counted, instant, words};

/// Statements of more members are folded up.
const MEMBERS_OPEN: usize = 6;

/// A record with its bytes read.
pub(crate) struct Read<'a> {
    pub(crate) view: &'a RecordView,
    whole: Value,
}

impl<'a> Read<'a> {
    pub(crate) fn new(view: &'a RecordView) -> Self {
        // A record is JSON; what is not would show as one without members, beside its bytes.
        Self { view, whole: serde_json::from_str(view.record.get()).unwrap_or_default() }
    }

    pub(crate) fn member(&self, name: &str) -> &str {
        self.whole.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn event(&self) -> &Value {
        &self.whole["event"]
    }

    /// A text of the event.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.event().pointer(pointer)?.as_str()
    }

    /// Who acted, in which role, for whom.
    pub(crate) fn actor(&self) -> Markup {
        let text = |pointer| self.text(pointer).unwrap_or_default();
        html! {
            strong { (text("/actor/id")) } ", " (words(text("/actor/role")))
            br; span.quiet { (text("/actor/organisation")) }
        }
    }

    /// Where the signer has it from, in words; `None` if it says nothing of that.
    pub(crate) fn taken_from(&self) -> Option<String> {
        let means = words(self.text("/taken_from/means")?);
        let role = self.text("/taken_from/reported_by/role").map(words);
        let id = self.text("/taken_from/reported_by/id");
        Some(match (id, role) {
            (Some(id), Some(role)) => format!("entered for {id}, {role} ({means})"),
            (None, Some(role)) => format!("reported by: {role} ({means})"),
            _ => format!("taken from: {means}"),
        })
    }

    /// The findings that its signer knew of, each with the reason why it is stated all the same.
    pub(crate) fn confirmed(&self) -> Vec<ConfirmedFinding> {
        let findings = self.event().pointer("/confirmed/findings").cloned().unwrap_or_default();
        serde_json::from_value(findings).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> String {
        words(self.text("/kind").unwrap_or_default())
    }

    /// Position of the record it amends.
    pub(crate) fn amends(&self) -> Option<u64> {
        self.event().pointer("/amends/seq")?.as_u64()
    }

    pub(crate) fn is_void(&self) -> bool {
        self.text("/amends/effect") == Some("void")
    }
}

pub(crate) async fn trail(asked: Asked) -> Result<Response, Failure> {
    let subject = match asked.parameter("subject").parse() {
        Ok(subject) => subject,
        Err(error) => {
            let problem = api::Problem::not_found(format!("{error}"));
            return Err(asked.fail(problem));
        }
    };
    let registry = &asked.registry;
    let list = match registry.subject_records(&asked.links.trial, &subject, asked.page.clone()).await {
        Ok(list) => list,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let mut amended: BTreeMap<u64, RecordView> = BTreeMap::new();
    for view in &list.records {
        let Some(seq) = Read::new(view).amends() else { continue };
        if list.records.iter().any(|other| other.seq.0 == seq) {
            continue;
        }
        // The record stands on an earlier part of the list. Without it the change is told without its old side.
        if let Ok(old) = earlier(&asked, seq).await {
            amended.insert(seq, old);
        }
    }
    let records: Vec<Read<'_>> = list.records.iter().map(Read::new).collect();
    let before = |seq: u64| {
        let on_this_part =
            records.iter().find(|record| record.view.seq.0 == seq).map(|record| record.whole.clone());
        on_this_part.or_else(|| amended.get(&seq).map(|view| Read::new(view).whole))
    };
    let links = &asked.links;
    // Whoever reads on has seen the course already.
    let course = match asked.page.after {
        None => timeline::section(&asked, &subject).await,
        Some(_) => Ok(html! {}),
    };
    let course = match course {
        Ok(course) => course,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let casebook = links.to(&format!("/subjects/{subject}/casebook"), &[]);
    let main = html! {
        h1 { "Subject " (subject) }
        p { a.button href=(format!("/trials/{}/subjects/{subject}/record", links.trial)) { "Record something about " (subject) } }
        (course)
        p { a href=(casebook) { "Casebook" } ": every value with every value before it." }
        h2 { "Trail" }
        @if records.is_empty() { (nothing("is no further record of this subject", &list.covers)) }
        @else {
            p { "Every record of the subject, in the order of the log." }
            ol.trail { @for record in &records { (entry(record, &before, links)) } }
        }
        (pager(
            asked.page.after.is_some().then(|| links.subject(&subject, None)),
            list.next.as_ref().map(|next| links.subject(&subject, Some(next))),
        ))
    };
    Ok(page::trial(&asked, Here::Subjects, &format!("Subject {subject}"), &list.covers, &main))
}

async fn earlier(asked: &Asked, seq: u64) -> Result<RecordView, api::Problem> {
    let position =
        serde_json::from_value(seq.into()).map_err(|error| api::Problem::internal(error.to_string()))?;
    asked.registry.record(&asked.links.trial, position).await
}

fn entry(record: &Read<'_>, before: &dyn Fn(u64) -> Option<Value>, links: &Links) -> Markup {
    let view = record.view;
    html! {
        li {
            div.fact {
                p.kind { a href=(links.record(view.seq)) { "#" (view.seq) } " " strong { (record.kind()) } }
                p { "dated " (record.text("/occurred_on").unwrap_or("no day")) }
            }
            div.act {
                p { (record.actor()) }
                @if let Some(from) = record.taken_from() { p { (from) } }
                p { "recorded " (instant(record.member("recorded_at"))) }
                @if let Some(signed) = record.text("/signed_at") { p.quiet { "signed " (instant(signed)) } }
            }
            div.what {
                @match record.amends() {
                    Some(seq) => (amendment(record, before(seq).as_ref(), seq, links)),
                    None => {
                        @match signatures::named(record.event(), links) {
                            Some(named) => (named),
                            None => (statement(record.event())),
                        }
                    },
                }
                @if let Some(by) = view.amended_by {
                    p { strong { "Amended" } " by " a href=(links.record(by)) { "#" (by) } ": no longer the latest version." }
                }
                (signatures::on(view, &|seq| links.to_record(seq)))
                @if !view.findings.is_empty() { (findings::listed(&view.findings, &record.confirmed())) }
            }
        }
    }
}

/// What a reader looks for first, whatever the kind of event.
pub(crate) const GIST: [&str; 15] = [
    "planned",
    "number",
    "scope",
    "reason",
    "coding/pt",
    "status",
    "vital_status",
    "means",
    "severity",
    "serious_reported",
    "outcome",
    "response/status",
    "relapse/relapsed",
    "sex",
    "planned_infusions",
];

fn statement(event: &Value) -> Markup {
    let members = event.get("data").map(leaves).unwrap_or_default();
    let first =
        |path: &'static str| members.iter().find(|(name, _)| name == path).map(|(_, value)| (path, *value));
    let gist: Vec<(&str, &Value)> = GIST.into_iter().filter_map(first).collect();
    html! {
        @if members.len() > MEMBERS_OPEN && !gist.is_empty() {
            p {
                @for (index, (path, value)) in gist.iter().enumerate() {
                    @if index > 0 { " · " }
                    span.quiet { (name(path)) } " " (shown(value))
                }
            }
        }
        details open[members.len() <= MEMBERS_OPEN] {
            summary { (counted(members.len() as u64, "item stated", "items stated")) }
            dl.members { @for (path, value) in &members { dt { (name(path)) } dd { (shown(value)) } } }
        }
    }
}

/// What an amendment did, to which record, and why.
pub(crate) fn amendment(record: &Read<'_>, old: Option<&Value>, seq: u64, links: &Links) -> Markup {
    let reason = record.text("/amends/reason").unwrap_or_default();
    html! {
        p {
            @if record.is_void() { strong { "Void: " } "declares that " } @else { strong { "Replaces " } }
            a href=(links.record(seq)) { "#" (seq) }
            @if record.is_void() { " never held" }
            ". Why: " strong { (words(reason)) }
            @if record.event().pointer("/amends/comment").is_some() { ", with a sealed comment" } "."
        }
        @match old.map(|old| &old["event"]) {
            Some(old) if record.is_void() => (statement(old)),
            Some(old) => (changes::listed(&changes::between(old, record.event()))),
            None => p { "The record it amends cannot be shown just now." },
        }
    }
}

/// The record that `record` amends, if it amends one and that can be had.
pub(crate) async fn amended(asked: &Asked, record: &Read<'_>) -> Option<Value> {
    let view = earlier(asked, record.amends()?).await.ok()?;
    Some(Read::new(&view).whole)
}
