//! What would be signed, shown before anybody signs it: the statement, what it would raise, and the ways to sign.

use api::{KeyView, Problem, Rehearsal, Rehearsed};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use clinical::event::text_pointers;
use clinical::statement::commits_to_text_key;
use clinical::{Finding, Severity, Statement};
use maud::{Markup, html};
use serde_json::Value;

use crate::asked::{Asked, Failure};
use crate::figures::{columns, table};
use crate::findings;
use crate::headers;
use crate::page::{self, Here};
use crate::posted::{Given, Posted};
use crate::posting;
use crate::values::{leaves, name, shown as value};
use crate::words::{heading, words};

/// The findings that whoever signs has to confirm: all that are more than good to know.
fn to_confirm(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.severity > Severity::Notice)
}

/// The value that confirms a finding.
fn confirmation(finding: &Finding) -> String {
    format!("{} {}", finding.code.as_str(), finding.pointer)
}

/// The page that shows what would be signed; `signed` is what a signature names.
pub(super) fn shown(
    asked: &Asked,
    given: &Given,
    rehearsal: &Rehearsal,
    rehearsed: &Rehearsed,
    signed: &Markup,
) -> Response {
    let Rehearsal { key, statement } = rehearsal;
    let signer = asked.detail.keys.iter().find(|known| known.key == *key);
    let title = format!(
        "{}{}: look before you sign",
        heading(statement.kind.as_str()),
        statement.subject.as_ref().map(|subject| format!(" of {subject}")).unwrap_or_default()
    );
    let main = html! {
        h1 { (title) }
        p.note { strong { "Once recorded it is never deleted, only corrected by a further statement." } }
        (signed)
        section { h2 { "Exactly this is stated" } (stated(statement)) }
        form #prepared method="post" action=(format!("/trials/{}/statement", asked.links.trial)) {
            (posting::token())
            input type="hidden" name="rehearsal" value=(text_of(rehearsal));
            section { h2 { "What would be looked at" } (confirmed(&rehearsed.findings)) }
            @if let Some(signer) = signer { (here(asked, signer, statement)) }
            section {
                h2 { "Sign it on your own machine" }
                @if let Some(signer) = signer { p.signer { "As " (who(signer)) } }
                p { "Download the statement, sign it on your own machine, and submit what comes out. The server keeps nothing of it." }
                p { button.main { "Download the statement" } }
                pre.bytes tabindex="0" aria-label="How to sign the statement" {
                    "trialbook sign " (file_name(statement)) " --key YOUR.key --server ADDRESS --trial " (asked.links.trial) " --out signed.json"
                }
            }
        }
        (super::submit::upload(asked))
        (again(asked, given))
    };
    headers::signing(page::trial(asked, Here::Record, &title, &asked.detail.trial.covers, &main))
}

/// Signing in this browser. It shows itself where the script runs.
fn here(asked: &Asked, signer: &KeyView, statement: &Statement) -> Markup {
    html! {
        section #here hidden data-trial=(asked.links.trial) data-genesis=(asked.detail.trial.genesis)
            data-key=(signer.key) data-holder=(signer.holder) data-pointers=(text_pointers(statement.kind).join(" "))
            data-commits=[commits_to_text_key(statement).then_some("yes")] {
            h2 { "Sign it here" }
            p { "With your key file, in this browser alone. The key leaves neither your machine nor this page, and is forgotten when the page is left or nobody touches it for three minutes." }
            div #locked {
                div.field { label for="keyfile" { "Your key file" } div { input #keyfile type="file"; } }
                div.field { label for="passphrase" { "Its passphrase" } div { input #passphrase type="password" autocomplete="off"; } }
                p { button #open type="button" { "Open the key" } }
            }
            p #said role="status" {}
            div #ready hidden {
                pre.bytes #event tabindex="0" aria-label="The event, as it is signed" {}
                p.signer { "You sign as " (who(signer)) "." }
                p { button.main #sign type="button" { "Sign and submit" } " " button #forget type="button" { "Forget the key" } }
            }
        }
        script src="/assets/sign.js" defer {}
    }
}

fn who(signer: &KeyView) -> Markup {
    html! { strong { (signer.holder) } ", " (words(signer.role.as_str())) ", " (signer.organisation) }
}

fn text_of(rehearsal: &Rehearsal) -> String {
    // Its keys are texts and it holds no floats: it is always JSON.
    serde_json::to_string(rehearsal).unwrap_or_default()
}

fn stated(statement: &Statement) -> Markup {
    let whole = serde_json::to_value(statement).unwrap_or_default();
    let texts: Vec<String> = text_pointers(statement.kind)
        .iter()
        .map(|pointer| pointer.trim_start_matches('/').to_owned())
        .collect();
    let members = leaves(&whole);
    html! {
        (table(
            "Members of the statement",
            &columns(&["Member", "Value"]),
            &html! {
                @for (path, member) in &members {
                    @if !matches!(member, Value::Object(members) if members.is_empty()) {
                        tr {
                            th scope="row" { (name(path.strip_prefix("data/").unwrap_or(path))) }
                            td { (value(member)) @if texts.contains(path) { " " small { "sealed before it is signed: only who is entitled at the site reads it" } } }
                        }
                    }
                }
            },
        ))
    }
}

fn confirmed(found: &[Finding]) -> Markup {
    html! {
        @if found.is_empty() { p { "Nothing." } }
        @else {
            p { "It would be recorded all the same, because it may be true. Look at each, and correct the form where it is a mistake." }
            (findings::listed(found))
            @for finding in to_confirm(found) {
                p {
                    label.choice {
                        input type="checkbox" name="confirmed" value=(confirmation(finding)) required;
                        " It is so: " (finding.code.meaning())
                    }
                }
            }
        }
    }
}

/// Back to the form, with everything that was filled in.
fn again(asked: &Asked, given: &Given) -> Markup {
    let kind = asked.parameter("kind");
    if kind.is_empty() {
        return html! { p { "Not what you mean? " a href=(format!("/trials/{}/record", asked.links.trial)) { "Begin again" } "." } };
    }
    let action = match asked.parameter("subject") {
        "" => format!("/trials/{}/record/{kind}", asked.links.trial),
        subject => format!("/trials/{}/subjects/{subject}/record/{kind}", asked.links.trial),
    };
    html! {
        section {
            h2 { "Not what you mean?" }
            form method="post" action=(action) {
                @for (name, values) in &given.0 {
                    @if name != "step" && name != "more" { @for value in values { input type="hidden" name=(name) value=(value); } }
                }
                p { button name="step" value="edit" { "Change what is filled in" } }
            }
        }
    }
}

/// What the downloaded file is called.
fn file_name(statement: &Statement) -> String {
    let about = statement.subject.as_ref().map(|subject| format!("-{subject}")).unwrap_or_default();
    format!("{}{about}.json", statement.kind)
}

/// The statement as a file, once everything that it would raise is confirmed.
pub(super) async fn download(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    match statement(&asked, &given).await {
        Ok(statement) => {
            let disposition = format!("attachment; filename=\"{}\"", file_name(&statement));
            let headers = [
                (header::CONTENT_TYPE, "application/json".to_owned()),
                (header::CONTENT_DISPOSITION, disposition),
            ];
            let text = serde_json::to_string(&statement).unwrap_or_default();
            Ok((headers, format!("{text}\n")).into_response())
        }
        Err(problem) => Err(asked.fail(problem)),
    }
}

async fn statement(asked: &Asked, given: &Given) -> Result<Statement, Problem> {
    let rehearsal: Rehearsal = serde_json::from_str(given.value("rehearsal").unwrap_or_default())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    let found = asked.registry.rehearse(&asked.links.trial, rehearsal.clone()).await?.findings;
    let unconfirmed = to_confirm(&found)
        .find(|finding| !given.all("confirmed").any(|given| given == confirmation(finding)));
    match unconfirmed {
        None => Ok(rehearsal.statement),
        Some(finding) => Err(Problem::new(
            409,
            "finding-unconfirmed",
            "Something that would be found is not confirmed.",
            format!("{} ({})", finding.code.meaning(), finding.code.as_str()),
        )),
    }
}
