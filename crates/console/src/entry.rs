//! Stating something: the form of a kind of event, what would be signed, and what became of it.
//!
//! Nothing is kept between two pages: what was filled in travels in them. What is recorded is decided by the signature that
//! a person made elsewhere, never by who may read these pages.

mod form;
mod keys;
mod prepared;
mod signature;
mod submit;
mod values;

use std::sync::Arc;

use api::{Page, Problem, Rehearsal, Rehearsed};
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use clinical::authority::{Entitlement, entitlement};
use clinical::{EventKind, PartialDate, SiteId, SubjectId, fields};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::Console;
use crate::asked::{Asked, Failure};
use crate::page::{self, Here};
use crate::posted::{Given, Posted};
use crate::trail::Read;
use crate::words::{heading, words};

use form::Sheet;

/// Records of a subject that are looked through for its site.
const LOOKED_THROUGH: usize = 1_000;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/trials/{trial}/record", get(kinds))
        .route("/trials/{trial}/record/{kind}", get(blank).post(send))
        .route("/trials/{trial}/subjects/{subject}/record", get(kinds))
        .route("/trials/{trial}/subjects/{subject}/record/{kind}", get(blank).post(send))
        .route("/trials/{trial}/keys/new", get(keys::new))
        .route("/trials/{trial}/keys/grant", get(keys::grant_form).post(keys::grant))
        .route("/trials/{trial}/keys/revoke", get(keys::revoke_form).post(keys::revoke))
        .route("/trials/{trial}/statement", post(prepared::download))
        .route("/trials/{trial}/submit", get(submit::form).post(submit::submit))
        .route("/trials/{trial}/receipt", post(submit::receipt))
}

/// What can be stated: one link a kind.
async fn kinds(asked: Asked) -> Result<Response, Failure> {
    let (subject, base) = (asked.parameter("subject"), address(&asked));
    let main = html! {
        h1 { "Record something" @if !subject.is_empty() { " about " (subject) } }
        p { "What you state is signed with your own key and never deleted; what was wrong is corrected by a further statement, on the page of its record." }
        ul.kinds { @for kind in fields::KINDS { li { a href=(format!("{base}/{kind}")) { (heading(kind.as_str())) } } } }
        @if !subject.is_empty() {
            p { a href=(format!("{base}/signature")) { "Sign what is on record about " (subject) } ": endorse what another entered, or state that you read or approve it." }
        }
        h2 { "Keys" }
        ul.kinds {
            li { a href=(format!("/trials/{}/keys/new", asked.links.trial)) { "Make a key of your own" } }
            li { a href=(format!("/trials/{}/keys/grant", asked.links.trial)) { "Grant somebody's key" } }
            li { a href=(format!("/trials/{}/keys/revoke", asked.links.trial)) { "Revoke a key that is lost, replaced or no longer needed" } }
        }
        p { "Signed elsewhere already? " a href=(format!("/trials/{}/submit", asked.links.trial)) { "Submit a signed statement" } "." }
    };
    Ok(page::trial(&asked, Here::Record, "Record something", &asked.detail.trial.covers, &main))
}

/// Where something is recorded: about the subject of the address, if it names one.
fn address(asked: &Asked) -> String {
    match asked.parameter("subject") {
        "" => format!("/trials/{}/record", asked.links.trial),
        subject => format!("/trials/{}/subjects/{subject}/record", asked.links.trial),
    }
}

/// The kind that the address names.
fn kind_of(asked: &Asked) -> Result<EventKind, Problem> {
    let named = EventKind::from_name(asked.parameter("kind"));
    let can_be_stated = |kind: &EventKind| *kind == EventKind::Signature || fields::KINDS.contains(kind);
    named
        .filter(can_be_stated)
        .ok_or_else(|| Problem::not_found("people at a site state nothing of this kind"))
}

/// The form, filled with the record that is corrected if one is named.
async fn blank(asked: Asked) -> Result<Response, Failure> {
    let made = async {
        let kind = kind_of(&asked)?;
        let site = match asked.given("site") {
            Some(site) => Some(site.to_owned()),
            None => site_of_subject(&asked).await,
        };
        let mut given = match asked.given("amends") {
            Some(seq) => amended(&asked, kind, seq).await?,
            None if kind == EventKind::Signature => signature::filled(&asked, site.as_deref()).await?,
            None => Given::default(),
        };
        if let (None, Some(site)) = (given.value("site"), site) {
            given.add("site", site);
        }
        sheet(&asked, kind, &given, None).await
    };
    made.await.map_err(|problem| asked.fail(problem))
}

/// What the record at `seq` states, for the form.
async fn amended(asked: &Asked, kind: EventKind, seq: &str) -> Result<Given, Problem> {
    let Ok(position) = serde_json::from_str(seq) else {
        return Err(Problem::not_found("a position is a number from 0 on"));
    };
    let view = asked.registry.record(&asked.links.trial, position).await?;
    let record = Read::new(&view);
    if record.text("/kind") != Some(kind.as_str())
        || record.text("/subject") != Some(asked.parameter("subject"))
    {
        return Err(Problem::not_found(format!("record {seq} is no such statement about this subject")));
    }
    if let Some(by) = view.amended_by {
        return Err(Problem::bad_request(format!(
            "record {seq} was amended by record {by}: correct the latest version"
        )));
    }
    let data = &record.event()["data"];
    let mut given = match kind {
        EventKind::Signature => signature::again(data),
        _ => values::filled(fields::of(kind), data),
    };
    given.add("amends", seq);
    for (name, pointer) in [
        ("site", "/site"),
        ("occurred_on", "/occurred_on"),
        ("means", "/taken_from/means"),
        ("reported_by", "/taken_from/reported_by/role"),
        ("reporter", "/taken_from/reported_by/id"),
    ] {
        given.add(name, record.text(pointer).unwrap_or_default());
    }
    Ok(given)
}

/// The site that the subject of the address belongs to, as far as it can be told.
async fn site_of_subject(asked: &Asked) -> Option<String> {
    let subject = asked.parameter("subject").parse().ok()?;
    let page = Page { after: None, limit: Some(LOOKED_THROUGH) };
    let list = asked.registry.subject_records(&asked.links.trial, &subject, page).await.ok()?;
    let records = list.records.iter().map(Read::new);
    let mut sites = records.filter_map(|record| {
        let to = record.text("/data/to").filter(|_| record.text("/kind") == Some("subject_transferred"));
        to.or_else(|| record.text("/site")).map(str::to_owned)
    });
    sites.next_back()
}

async fn sheet(
    asked: &Asked,
    kind: EventKind,
    given: &Given,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let choice = match kind {
        EventKind::Signature => Some(signature::choice(asked, given, problem).await?),
        _ => None,
    };
    let may_sign = |key: &&api::KeyView| {
        key.revoked_at.is_none() && entitlement(key.role, kind) == Entitlement::OwnSites
    };
    let subject = Some(asked.parameter("subject")).filter(|subject| !subject.is_empty());
    let amends = given.value("amends").and_then(|seq| seq.parse().ok());
    let sheet = Sheet {
        kind,
        fields: fields::of(kind),
        given,
        sites: &asked.detail.sites,
        signers: asked.detail.keys.iter().filter(may_sign).collect(),
        subject,
        amends,
        choice,
        problem,
    };
    let title = heading(kind.as_str());
    let main = html! {
        h1 { @if amends.is_some() { "Correct: " (words(kind.as_str())) } @else { (title) } @if let Some(subject) = subject { " of " (subject) } }
        (sheet.markup())
    };
    Ok(page::trial(asked, Here::Record, &title, &asked.detail.trial.covers, &main))
}

/// What was filled in: shown as it would be signed, or the form again with what is wrong in it.
async fn send(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    let kind = match kind_of(&asked) {
        Ok(kind) => kind,
        Err(problem) => return Err(asked.fail(problem)),
    };
    if given.value("step") != Some("prepare") {
        return sheet(&asked, kind, &given, None).await.map_err(|problem| asked.fail(problem));
    }
    let tried = async {
        let rehearsal = rehearsal(&asked, kind, &given).await?;
        let rehearsed = asked.registry.rehearse(&asked.links.trial, rehearsal.clone()).await?;
        let signed = signature::shown(&asked, &rehearsal.statement).await?;
        Ok::<(Rehearsal, Rehearsed, Markup), Problem>((rehearsal, rehearsed, signed))
    };
    match tried.await {
        Ok((rehearsal, rehearsed, signed)) => {
            let form = format!("{}/{kind}", address(&asked));
            Ok(prepared::shown(&asked, (&given, &form), rehearsal, &rehearsed, &signed))
        }
        // What is wrong with the statement is shown beside it; what is wrong with the asker is not about it.
        Err(problem) if problem.status == 401 => Err(asked.fail(problem)),
        Err(problem) => {
            let sheet = sheet(&asked, kind, &given, Some(&problem)).await;
            sheet.map_err(|problem| asked.fail(problem))
        }
    }
}

fn at(pointer: &str, detail: &impl ToString) -> Problem {
    let mut problem = Problem::new(
        400,
        clinical::RefusalCode::Malformed.as_str(),
        clinical::RefusalCode::Malformed.meaning(),
        detail.to_string(),
    );
    pointer.clone_into(&mut problem.pointer);
    problem
}

/// Where the signer has it from, if the form says so.
fn taken_from(given: &Given) -> Option<Value> {
    let text = |name: &str| given.value(name).map(str::trim);
    let (means, id, role) = (text("means"), text("reporter"), text("reported_by"));
    // Of one who says nothing of it, the signer states what the signer saw.
    means.or(id).or(role)?;
    let mut taken_from = json!({"means": means.unwrap_or_default()});
    if id.or(role).is_some() {
        taken_from["reported_by"] = json!({"role": role.unwrap_or_default()});
        if let Some(id) = id {
            taken_from["reported_by"]["id"] = id.into();
        }
    }
    Some(taken_from)
}

/// The statement that the form makes, and who is to sign it.
async fn rehearsal(asked: &Asked, kind: EventKind, given: &Given) -> Result<Rehearsal, Problem> {
    let text = |name: &str| given.value(name).map(str::trim);
    let mut statement = Map::new();
    statement.insert("kind".to_owned(), json!(kind));
    if let Some(day) = text("occurred_on") {
        let day: PartialDate = day.parse().map_err(|error| at("/occurred_on", &error))?;
        statement.insert("occurred_on".to_owned(), json!(day));
    }
    let site: SiteId = text("site").unwrap_or_default().parse().map_err(|error| at("/site", &error))?;
    statement.insert("site".to_owned(), json!(site));
    let subject = match asked.parameter("subject") {
        "" => text("subject").unwrap_or_default(),
        subject => subject,
    };
    let subject: SubjectId = subject.parse().map_err(|error| at("/subject", &error))?;
    statement.insert("subject".to_owned(), json!(subject));
    let mut data = match kind {
        EventKind::Signature => signature::data(asked, given).await?,
        _ => values::data(fields::of(kind), given),
    };
    if let Some(seq) = text("amends") {
        let position = serde_json::from_str(seq).map_err(|error| at("/amends/seq", &error))?;
        let view = asked.registry.record(&asked.links.trial, position).await?;
        let effect = text("effect").unwrap_or("replace");
        let reason = text("reason").ok_or_else(|| at("/amends/reason", &"say why it is corrected"))?;
        let mut amends = json!({"effect": effect, "hash": view.hash, "reason": reason, "seq": view.seq});
        if let Some(comment) = given.value("comment") {
            amends["comment"] = comment.into();
        }
        statement.insert("amends".to_owned(), amends);
        if effect == "void" {
            data.clear();
        } else if let Some(text_key) = Read::new(&view).event().pointer("/data/text_key") {
            // Who the subject's texts are sealed for is no matter of this form, and stays.
            data.insert("text_key".to_owned(), text_key.clone());
        }
    }
    statement.insert("data".to_owned(), Value::Object(data));
    if let Some(taken_from) = taken_from(given) {
        statement.insert("taken_from".to_owned(), taken_from);
    }
    let signer = text("signer").ok_or_else(|| at("/key", &"say who is to sign"))?;
    let rehearsal = json!({"key": signer, "statement": statement});
    serde_json::from_value(rehearsal).map_err(|error| at("", &error))
}
