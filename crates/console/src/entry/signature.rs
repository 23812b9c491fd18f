//! Signing what is on record: the records to choose from, and what they say once more before anybody signs.
//!
//! Which of them may be signed is decided by the registrar when it is rehearsed.

use api::{Page, Problem, RecordView};
use clinical::endorsement::is_signable;
use clinical::{EventKind, Statement};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{LOOKED_THROUGH, at};
use crate::asked::Asked;
use crate::figures::{columns, table};
use crate::posted::Given;
use crate::signatures::{MEANINGS, done, gist, said, waits};
use crate::trail::Read;
use crate::words::{instant, words};

/// The field that names a record to be signed.
const STATEMENT: &str = "statement";

/// The subject's records that are in force and can be signed, of the site that is given, if one is.
async fn signable(asked: &Asked, site: Option<&str>) -> Result<Vec<RecordView>, Problem> {
    let subject = asked.parameter("subject").parse();
    let subject =
        subject.map_err(|_| Problem::not_found("choose a subject first: a signature is about one"))?;
    let page = Page { after: None, limit: Some(LOOKED_THROUGH) };
    let list = asked.registry.subject_records(&asked.links.trial, &subject, page).await?;
    let is_signable = |view: &RecordView| {
        let read = Read::new(view);
        let kind = read.text("/kind").and_then(EventKind::from_name);
        view.amended_by.is_none()
            && !read.is_void()
            && kind.is_some_and(is_signable)
            && site.is_none_or(|site| read.text("/site") == Some(site))
    };
    Ok(list.records.into_iter().filter(is_signable).collect())
}

/// What the form is filled with: what waits, or the record that the address names.
pub(super) async fn filled(asked: &Asked, site: Option<&str>) -> Result<Given, Problem> {
    let mut given = Given::default();
    match asked.given(STATEMENT) {
        Some(seq) => given.add(STATEMENT, seq),
        None => {
            for view in signable(asked, site).await?.iter().filter(|view| waits(view).is_some()) {
                given.add(STATEMENT, view.seq.to_string());
            }
        }
    }
    Ok(given)
}

/// What a signature that is corrected says.
pub(super) fn again(data: &Value) -> Given {
    let mut given = Given::default();
    given.add("meaning", data["meaning"].as_str().unwrap_or_default());
    for named in data["statements"].as_array().into_iter().flatten() {
        given.add(STATEMENT, named["seq"].to_string());
    }
    given
}

/// The meaning, and the records to choose from.
pub(super) async fn choice(
    asked: &Asked,
    given: &Given,
    problem: Option<&Problem>,
) -> Result<Markup, Problem> {
    let views = signable(asked, given.value("site")).await?;
    let chosen: Vec<&str> = given.all(STATEMENT).collect();
    let meaning = given.value("meaning").unwrap_or("endorsement");
    let about_data = problem.filter(|problem| problem.pointer.starts_with("/data"));
    Ok(html! {
        @if let Some(problem) = about_data { p.wrong { "✗ " (problem.detail) } }
        fieldset.set {
            legend { "What your signature means" }
            @for one in MEANINGS {
                label.choice {
                    input type="radio" name="meaning" value=(one.as_str()) checked[one.as_str() == meaning] required;
                    " " (words(one.as_str())) ": " span.quiet { (said(one)) }
                }
            }
        }
        @if views.is_empty() { p.nothing { "There is no statement of this site about the subject that could be signed." } }
        @else {
            (table(
                "Statements in force; those that wait for a signature are chosen already",
                &columns(&["Record", "Kind", "Date of the fact", "What it says", "Entered by", "Recorded", "Signatures"]),
                &html! { @for view in &views { (row(asked, view, &chosen)) } },
            ))
        }
    })
}

fn row(asked: &Asked, view: &RecordView, chosen: &[&str]) -> Markup {
    let (read, seq) = (Read::new(view), view.seq.to_string());
    html! {
        tr {
            th scope="row" {
                label.choice {
                    input type="checkbox" name=(STATEMENT) value=(seq) checked[chosen.contains(&seq.as_str())];
                    " #" (seq)
                }
            }
            td { a href=(asked.links.record(view.seq)) { (read.kind()) } }
            td { (read.text("/occurred_on").unwrap_or("–")) }
            td { (gist(&read)) }
            td { (read.actor()) @if let Some(from) = read.taken_from() { br; (from) } }
            td { (instant(read.member("recorded_at"))) }
            td { (crate::signatures::on(view, &|seq| asked.links.to_record(seq))) }
        }
    }
}

/// `data` of the signature: the meaning, and the chosen records by their hashes.
pub(super) async fn data(asked: &Asked, given: &Given) -> Result<Map<String, Value>, Problem> {
    let mut seqs = Vec::new();
    for seq in given.all(STATEMENT) {
        let seq: u64 = seq.trim().parse().map_err(|error| at("/data/statements", &error))?;
        seqs.push(seq);
    }
    seqs.sort_unstable();
    seqs.dedup();
    if seqs.is_empty() {
        return Err(at("/data/statements", &"choose what you sign"));
    }
    let mut statements = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let view = named(asked, seq).await?;
        statements.push(json!({"hash": view.hash, "seq": view.seq}));
    }
    let meaning =
        given.value("meaning").ok_or_else(|| at("/data/meaning", &"say what the signature means"))?;
    let data = json!({"meaning": meaning, "statements": statements});
    Ok(data.as_object().cloned().unwrap_or_default())
}

async fn named(asked: &Asked, seq: u64) -> Result<RecordView, Problem> {
    let position = serde_json::from_value(seq.into()).map_err(|error| at("/data/statements", &error))?;
    asked.registry.record(&asked.links.trial, position).await
}

/// What the records say that a signature names, whole: nobody signs what was not put before the eyes.
pub(super) async fn shown(asked: &Asked, statement: &Statement) -> Result<Markup, Problem> {
    if statement.kind != EventKind::Signature || statement.data.is_empty() {
        return Ok(html! {});
    }
    let seqs = statement.data.get("statements").and_then(Value::as_array).into_iter().flatten();
    let mut views = Vec::new();
    for seq in seqs.filter_map(|named| named["seq"].as_u64()) {
        views.push(named(asked, seq).await?);
    }
    let meaning =
        statement.data.get("meaning").and_then(|meaning| serde_json::from_value(meaning.clone()).ok());
    Ok(html! {
        section {
            h2 { "What you sign" }
            @if let Some(meaning) = meaning { p { strong { (done(meaning)) } ", of each: " (said(meaning)) "." } }
            @for view in &views { (whole(asked, view)) }
        }
    })
}

fn whole(asked: &Asked, view: &RecordView) -> Markup {
    let read = Read::new(view);
    let members = read.event().get("data").map(crate::values::leaves).unwrap_or_default();
    html! {
        h3 {
            a href=(asked.links.record(view.seq)) { "Record #" (view.seq) } ": " (read.kind())
            @if let Some(on) = read.text("/occurred_on") { ", " (on) }
        }
        p {
            "Entered by " (read.actor()) ", recorded " (instant(read.member("recorded_at")))
            @if let Some(from) = read.taken_from() { "; " (from) } "."
        }
        (table(
            &format!("What record #{} states", view.seq),
            &columns(&["Member", "Value"]),
            &html! {
                @for (path, value) in &members {
                    tr { th scope="row" { (crate::values::name(path)) } td { (crate::values::shown(value)) } }
                }
            },
        ))
    }
}
