//! People's keys: made in the browser, granted and revoked by whoever may, each by a statement that is signed like any other.

use api::{Problem, Rehearsal};
use axum::response::Response;
use clinical::authority::{Entitlement, Role, entitlement};
use clinical::{EventKind, PartialDate, Statement};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::form::refused;
use super::{at, prepared};
use crate::asked::{Asked, Failure};
use crate::headers;
use crate::page::{self, Here};
use crate::posted::{Given, Posted};
use crate::posting;
use crate::words::words;

/// Why a key is revoked.
const REASONS: [&str; 4] = ["left", "replaced", "lost", "compromised"];

/// Makes a key in the reader's browser, and the request to be granted it.
pub(super) async fn new(asked: Asked) -> Response {
    let main = html! {
        h1 { "A key of your own" }
        p { "What you sign with it is signed in your name. It is made in this browser; the server never sees it. Nobody else may have the file, and nobody can make it again." }
        (making(&asked))
        section {
            h2 { "By the command line" }
            pre.bytes tabindex="0" aria-label="How to make a key by the command line" {
                "trialbook keys new --holder YOUR.ID --organisation \"YOUR HOSPITAL\" --role coordinator --zone Asia/Shanghai --out your.key --passphrase-file FILE\n"
                "trialbook keys request --key your.key --genesis " (asked.detail.trial.genesis) " --site SITE > request.json"
            }
            p { "Then give " code { "request.json" } " to your principal investigator, who " a href=(address(&asked, "grant")) { "grants it" } "." }
        }
        script src="/assets/sign.js" defer {}
    };
    headers::signing(page::trial(
        &asked,
        Here::Record,
        "A key of your own",
        &asked.detail.trial.covers,
        &main,
    ))
}

fn making(asked: &Asked) -> Markup {
    html! {
        form.stated #make hidden data-genesis=(asked.detail.trial.genesis) {
            fieldset {
                legend { "Who you are" }
                div.field { label for="holder" { "Your id" } div { input #holder name="holder" required pattern="[a-z0-9][a-z0-9.\\-]{0,63}"; p.quiet { "small letters, digits, dots and hyphens, such as li.wei" } } }
                div.field { label for="organisation" { "Your organisation" } div { input #organisation name="organisation" required; p.quiet { "exactly as your principal investigator's key names it" } } }
                div.field { label for="role" { "Your role" } div { select #role name="role" required { @for role in site_roles() { option value=(role) selected[role == "coordinator"] { (words(role)) } } } } }
                div.field { label for="zone" { "Time zone you work in" } div { input #zone name="zone" required value=(asked.detail.sites.first().map_or("UTC", |site| site.zone.as_str())); } }
                fieldset.set { legend { "Sites" } @for site in &asked.detail.sites { label.choice { input type="checkbox" name="site" value=(site.site); " " (site.site) " · " (site.name) } } }
            }
            fieldset {
                legend { "Its passphrase" }
                div.field { label for="first" { "Passphrase" } div { input #first name="passphrase" type="password" autocomplete="new-password" required; p.quiet { "at least 12 characters; without it the file is of no use, to you either" } } }
                div.field { label for="again" { "Once more" } div { input #again name="again" type="password" autocomplete="new-password" required; } }
            }
            p { button.main { "Make the key" } }
        }
        p #said role="status" {}
        section #made hidden {
            h2 { "Save both" }
            p { a.button #keyfile href="#made" { "Your key file" } " Keep it where you alone can read it." }
            p { a.button #request href="#made" { "The request" } " Give it to your principal investigator; it holds no secret." }
            p { "Key " code.whole #keyid {} }
        }
    }
}

fn site_roles() -> impl Iterator<Item = &'static str> {
    Role::ALL.iter().filter(|role| role.is_of_a_site()).map(|role| role.as_str())
}

fn address(asked: &Asked, what: &str) -> String {
    format!("/trials/{}/keys/{what}", asked.links.trial)
}

/// The form by which somebody's request is granted.
pub(super) async fn grant_form(asked: Asked) -> Response {
    granting(&asked, &Given::default(), None)
}

fn granting(asked: &Asked, given: &Given, problem: Option<&Problem>) -> Response {
    let main = html! {
        h1 { "Grant a key" }
        p { "One line of the delegation log: whose key is entitled to what, at which sites, from when until when. Make sure in person that the request is from whom it names." }
        @if let Some(problem) = problem { (refused(problem)) }
        form.stated method="post" enctype="multipart/form-data" {
            (posting::token())
            fieldset {
                legend { "The request" }
                div.field { label for="file" { "File that the holder made" } div { input #file name="request" type="file"; } }
                div.field { label for="text" { "Or its text" } div { textarea #text name="request" rows="3" spellcheck="false" { (given.value("request").unwrap_or_default()) } } }
            }
            fieldset {
                legend { "For how long" }
                (dated(given, "from", "From", "at once, if nothing is stated"))
                (dated(given, "until", "Until", "until it is revoked, if nothing is stated"))
            }
            (signer(asked, given, EventKind::KeyGranted))
            p { button.main { "Look at what would be signed" } }
        }
    };
    page::trial(asked, Here::Record, "Grant a key", &asked.detail.trial.covers, &main)
}

fn dated(given: &Given, name: &str, label: &str, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            div { input id=(name) name=(name) value=[given.value(name)]; p.quiet { "2026-12-01, its beginning in UTC; " (hint) } }
        }
    }
}

fn signer(asked: &Asked, given: &Given, kind: EventKind) -> Markup {
    let may_sign =
        |key: &&api::KeyView| key.revoked_at.is_none() && entitlement(key.role, kind) != Entitlement::No;
    html! {
        fieldset {
            legend { "Who signs" }
            div.field {
                label for="signer" { "Signer" }
                div {
                    select #signer name="signer" required {
                        option value="" { "choose" }
                        @for key in asked.detail.keys.iter().filter(may_sign) {
                            option value=(key.key) selected[given.value("signer") == Some(&*key.key.to_string())] {
                                (key.holder) ", " (words(key.role.as_str())) ", " (key.organisation)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The beginning of a day, as an instant.
fn beginning(given: &Given, name: &str, pointer: &str) -> Result<Option<String>, Problem> {
    let Some(text) = given.value(name).map(str::trim) else { return Ok(None) };
    let day = text.parse::<PartialDate>().ok().and_then(PartialDate::day);
    let day = day.ok_or_else(|| at(pointer, &"a day is written like 2026-12-01"))?;
    Ok(Some(format!("{}T00:00:00.000000Z", PartialDate::from(day))))
}

/// The grant that the request asks for, shown as it would be signed.
pub(super) async fn grant(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    let made = || -> Result<Rehearsal, Problem> {
        let text = given.value("request").unwrap_or_default();
        let mut request: Statement = serde_json::from_str(text).map_err(|error| at("", &error))?;
        if request.kind != EventKind::KeyGranted {
            return Err(at("/kind", &"this is no request to be granted a key"));
        }
        for (name, member, pointer) in
            [("from", "valid_from", "/data/valid_from"), ("until", "valid_until", "/data/valid_until")]
        {
            if let Some(day) = beginning(&given, name, pointer)? {
                request.data.insert(member.to_owned(), day.into());
            }
        }
        rehearsal(&given, &json!(request))
    };
    match tried(&asked, (&given, "grant"), made()).await {
        Ok(page) => Ok(page),
        Err(problem) if problem.status == 401 => Err(asked.fail(problem)),
        Err(problem) => Ok(granting(&asked, &given, Some(&problem))),
    }
}

fn rehearsal(given: &Given, statement: &Value) -> Result<Rehearsal, Problem> {
    let signer = given.value("signer").ok_or_else(|| at("/key", &"say who is to sign"))?;
    serde_json::from_value(json!({"key": signer, "statement": statement})).map_err(|error| at("", &error))
}

/// What was `made` of the form that is sent to the page of that name, shown as it would be signed.
async fn tried(
    asked: &Asked,
    (given, page): (&Given, &str),
    made: Result<Rehearsal, Problem>,
) -> Result<Response, Problem> {
    let rehearsal = made?;
    let rehearsed = asked.registry.rehearse(&asked.links.trial, rehearsal.clone()).await?;
    Ok(prepared::shown(asked, (given, &address(asked, page)), rehearsal, &rehearsed, &html! {}))
}

/// The form by which a key is revoked.
pub(super) async fn revoke_form(asked: Asked) -> Response {
    let mut given = Given::default();
    if let Some(key) = asked.given("key") {
        given.add("key", key);
    }
    revoking(&asked, &given, None)
}

fn revoking(asked: &Asked, given: &Given, problem: Option<&Problem>) -> Response {
    let main = html! {
        h1 { "Revoke a key" }
        p { "From the next record on nothing is recorded that it signs. What it signed before stays; what it signed since the day you name is flagged, and looked at." }
        @if let Some(problem) = problem { (refused(problem)) }
        form.stated method="post" {
            (posting::token())
            fieldset {
                legend { "Which key, and why" }
                div.field {
                    label for="key" { "Key" }
                    div {
                        select #key name="key" required {
                            option value="" { "choose" }
                            @for key in asked.detail.keys.iter().filter(|key| key.revoked_at.is_none()) {
                                option value=(key.key) selected[given.value("key") == Some(&*key.key.to_string())] {
                                    (key.holder) ", " (words(key.role.as_str())) ", " (key.organisation) " · granted by #" (key.granted_at)
                                }
                            }
                        }
                    }
                }
                div.field { label for="why" { "Why" } div { select #why name="reason" required { option value="" { "choose" } @for reason in REASONS { option value=(reason) selected[given.value("reason") == Some(reason)] { (words(reason)) } } } } }
                div.field { label for="since" { "Others may have had it since" } div { input #since name="since" value=[given.value("since")]; p.quiet { "2026-11-20, 2026-11 or 2026; nothing, if nobody can have had it" } } }
            }
            (signer(asked, given, EventKind::KeyRevoked))
            p { button.main { "Look at what would be signed" } }
        }
    };
    page::trial(asked, Here::Record, "Revoke a key", &asked.detail.trial.covers, &main)
}

/// The revocation, shown as it would be signed.
pub(super) async fn revoke(Posted { asked, given }: Posted) -> Result<Response, Failure> {
    let mut data = json!({"key": given.value("key"), "reason": given.value("reason")});
    if let Some(since) = given.value("since") {
        data["suspected_since"] = since.trim().into();
    }
    let made = rehearsal(&given, &json!({"kind": EventKind::KeyRevoked, "data": data}));
    match tried(&asked, (&given, "revoke"), made).await {
        Ok(page) => Ok(page),
        Err(problem) if problem.status == 401 => Err(asked.fail(problem)),
        Err(problem) => Ok(revoking(&asked, &given, Some(&problem))),
    }
}
