//! What would be signed, shown before anybody signs it: the statement, what it would raise, and the ways to sign.

use api::{KeyView, Problem, Rehearsal, Rehearsed};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use clinical::event::text_pointers;
use clinical::statement::commits_to_text_key;
use clinical::{ConfirmReason, Confirmed, ConfirmedFinding, Finding, Severity, Statement};
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

/// The field in which more is said about the reasons.
const COMMENT: &str = "confirmed_comment";

/// The findings that whoever signs has to confirm: all that are more than good to know.
fn to_confirm(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.severity > Severity::Notice)
}

/// The field that asks why the statement stands in spite of a finding.
fn field(finding: &Finding) -> String {
    format!("confirmed {} {}", finding.code.as_str(), finding.pointer)
}

/// The reasons that can be given: what has no comment has none that only a comment tells.
fn reasons(statement: &Statement) -> impl Iterator<Item = ConfirmReason> {
    let takes_comment = takes_comment(statement);
    ConfirmReason::ALL.iter().copied().filter(move |reason| takes_comment || *reason != ConfirmReason::Other)
}

/// Whether more can be said about the reasons: the text is sealed for a subject.
fn takes_comment(statement: &Statement) -> bool {
    text_pointers(statement.kind).contains(&"/confirmed/comment")
}

/// It is not said yet of each finding why the statement stands.
struct Unconfirmed;

/// Why the statement stands in spite of what would be found, as the form says it; nothing if nothing would be found.
fn confirmed(
    given: &Given,
    statement: &Statement,
    found: &[Finding],
) -> Result<Option<Confirmed<String>>, Unconfirmed> {
    let reason =
        |finding: &Finding| reasons(statement).find(|one| given.value(&field(finding)) == Some(one.as_str()));
    let each = to_confirm(found).map(|finding| ConfirmedFinding::new(finding, reason(finding)?));
    let mut findings = each.collect::<Option<Vec<_>>>().ok_or(Unconfirmed)?;
    findings.sort_by(|one, other| one.place().cmp(&other.place()));
    findings.dedup_by(|one, other| one.place() == other.place());
    let comment = given.value(COMMENT).filter(|_| takes_comment(statement)).map(str::to_owned);
    let is_told = comment.is_some() || findings.iter().all(|one| one.reason != ConfirmReason::Other);
    if !is_told {
        return Err(Unconfirmed);
    }
    Ok((!findings.is_empty()).then_some(Confirmed { comment, findings }))
}

/// The page that shows what would be signed, once it is said why it stands; `signed` is what a signature names, and `form`
/// the address that the form was sent to.
pub(super) fn shown(
    asked: &Asked,
    (given, form): (&Given, &str),
    mut rehearsal: Rehearsal,
    rehearsed: &Rehearsed,
    signed: &Markup,
) -> Response {
    let found = &rehearsed.findings;
    let confirmed = confirmed(given, &rehearsal.statement, found);
    let is_confirmed = confirmed.is_ok();
    rehearsal.statement.confirmed = confirmed.unwrap_or_default();
    let Rehearsal { key, statement } = &rehearsal;
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
        section {
            h2 { "What would be looked at" }
            @if found.is_empty() { p { "Nothing." } }
            @else if is_confirmed { (findings::listed(found, confirmed_of(statement))) }
            @else { (to_be_confirmed(given, form, statement, found)) }
        }
        @if is_confirmed {
            @if let Some(signer) = signer { (here(asked, signer, statement)) }
            section {
                h2 { "Sign it on your own machine" }
                form #prepared method="post" action=(format!("/trials/{}/statement", asked.links.trial)) {
                    (posting::token())
                    input type="hidden" name="rehearsal" value=(text_of(&rehearsal));
                    @if let Some(signer) = signer { p.signer { "As " (who(signer)) } }
                    p { "Download the statement, sign it on your own machine, and submit what comes out. The server keeps nothing of it." }
                    p { button.main { "Download the statement" } }
                }
                pre.bytes tabindex="0" aria-label="How to sign the statement" {
                    "trialbook sign " (file_name(statement)) " --key YOUR.key --server ADDRESS --trial " (asked.links.trial) " --out signed.json"
                }
            }
            (super::submit::upload(asked))
        }
        (again(asked, given, form))
    };
    headers::signing(page::trial(asked, Here::Record, &title, &asked.detail.trial.covers, &main))
}

fn confirmed_of(statement: &Statement) -> &[ConfirmedFinding] {
    statement.confirmed.as_ref().map(|confirmed| confirmed.findings.as_slice()).unwrap_or_default()
}

/// Asks why the statement stands in spite of each finding. The answers are stated with it.
fn to_be_confirmed(given: &Given, form: &str, statement: &Statement, found: &[Finding]) -> Markup {
    let asked_in: Vec<String> = to_confirm(found).map(field).collect();
    let good_to_know: Vec<Finding> =
        found.iter().filter(|finding| finding.severity <= Severity::Notice).cloned().collect();
    let is_told_before = asked_in.iter().any(|name| given.value(name).is_some());
    html! {
        p { "It would be recorded all the same, because it may be true. Look at each, and correct the form where it is a mistake. Where it is none, say why: your reason is signed with the statement." }
        @if !good_to_know.is_empty() { (findings::listed(&good_to_know, &[])) }
        form.stated method="post" action=(form) {
            (posting::token())
            (filled_in(given, |name| name != COMMENT && asked_in.iter().all(|asked| asked != name)))
            input type="hidden" name="step" value="prepare";
            @if is_told_before { div.alert role="alert" { p { "✗ Say of each why it stands; another reason is told in the comment." } } }
            @for (index, finding) in to_confirm(found).enumerate() {
                div.field {
                    label for=(format!("confirmed-{index}")) { (findings::severity(finding.severity)) " " (finding.code.meaning()) }
                    div {
                        select id=(format!("confirmed-{index}")) name=(asked_in[index]) required {
                            option value="" { "choose why it stands" }
                            @for reason in reasons(statement) {
                                option value=(reason.as_str()) selected[given.value(&asked_in[index]) == Some(reason.as_str())] { (findings::because(reason)) }
                            }
                        }
                        p.quiet { (findings::place(finding)) }
                    }
                }
            }
            @if takes_comment(statement) {
                div.field {
                    label for=(COMMENT) { "More about why" }
                    div {
                        textarea id=(COMMENT) name=(COMMENT) rows="2" { (given.value(COMMENT).unwrap_or_default()) }
                        p.quiet { "Free text; sealed before it is signed." }
                    }
                }
            }
            p { button.main { "Go on to sign" } }
        }
    }
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
    let mut members = leaves(&whole);
    // First what is so, then why it is stated in spite of what is found.
    members.sort_by_key(|(path, _)| path.starts_with("confirmed/"));
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

/// What was filled in, kept in the page, but for what a form asks itself and what its buttons say.
fn filled_in(given: &Given, is_kept: impl Fn(&str) -> bool) -> Markup {
    html! {
        @for (name, values) in &given.0 {
            @if name != "step" && name != "more" && is_kept(name) {
                @for value in values { input type="hidden" name=(name) value=(value); }
            }
        }
    }
}

/// Back to the form, with everything that was filled in.
fn again(asked: &Asked, given: &Given, form: &str) -> Markup {
    if asked.parameter("kind").is_empty() {
        return html! { p { "Not what you mean? " a href=(format!("/trials/{}/record", asked.links.trial)) { "Begin again" } "." } };
    }
    html! {
        section {
            h2 { "Not what you mean?" }
            form method="post" action=(form) {
                (filled_in(given, |_| true))
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

/// The statement as a file, if it says of everything that it would raise why it stands.
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
    let confirmed = confirmed_of(&rehearsal.statement);
    let unconfirmed =
        to_confirm(&found).find(|finding| clinical::confirmed::reason(confirmed, finding).is_none());
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
