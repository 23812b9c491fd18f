//! Signing in and out: with one's organisation, with an account's name and password, or with a token, for a session
//! that the registry keeps and ends.

use std::sync::Arc;

use api::{Credentials, Elsewhere, LetIn, Problem, Returned, local_path};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::Console;
use crate::asked::Failure;
use crate::words::counted;
use crate::{headers, page, posting, visit};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/login", get(form).post(enter))
        .route("/login/organisation", post(set_out))
        .route("/login/organisation/return", get(come_back))
        .route("/look", post(look))
        .route("/logout", post(leave))
}

/// Where somebody goes once signed in.
#[derive(Default, Deserialize)]
struct Going {
    to: Option<String>,
}

impl Going {
    fn to(&self) -> &str {
        self.to.as_deref().map_or("/", local_path)
    }
}

/// The address of the page to sign in on, for whoever goes on to `to` then.
pub(crate) fn address(to: &str) -> String {
    match local_path(to) {
        "/" => "/login".to_owned(),
        to => format!(
            "/login?{}",
            form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish()
        ),
    }
}

async fn form(State(console): State<Arc<Console>>, going: Result<Query<Going>, QueryRejection>) -> Response {
    let going = going.map_or_else(|_| Going::default(), |Query(going)| going);
    let in_session = visit::current().is_some_and(|visit| visit.in_session);
    let elsewhere = console.gate.elsewhere().await;
    let to = html! { @if going.to() != "/" { input type="hidden" name="to" value=(going.to()); } };
    let main = html! {
        h1 { "Sign in" }
        p { "A session ends when you sign out, after half an hour without use, and after twelve hours in any case." }
        @if let Some(elsewhere) = &elsewhere { (with_organisation(elsewhere, &to)) }
        form.entry method="post" action="/login" {
            h2 { "With an account" }
            p { label for="name" { "Name" } input #name name="name" autocomplete="username" autocapitalize="none" required; }
            p { label for="password" { "Password" } input #password name="password" type="password" autocomplete="current-password" required; }
            (to)
            (posting::token())
            p { button { "Sign in" } }
        }
        form.entry method="post" action="/login" {
            h2 { "With a token" }
            p { "The one that the registry's operator gave you. It is not kept in this browser." }
            p { label for="token" { "Token" } input #token name="token" type="password" autocomplete="off" required; }
            (to)
            (posting::token())
            p { button { "Sign in" } }
        }
        @if in_session { (sign_out()) }
    };
    let page = page::general("Sign in", &main);
    match elsewhere.and_then(|elsewhere| elsewhere.origins) {
        // A browser holds the policy against where the form's answer sends it, too.
        Some(origins) => headers::leading_on_to(page, &origins),
        None => page,
    }
}

fn with_organisation(elsewhere: &Elsewhere, to: &Markup) -> Markup {
    html! {
        @if elsewhere.origins.is_some() {
            form.entry #organisation method="post" action="/login/organisation" {
                h2 { "With your organisation" }
                p {
                    "At " strong { (elsewhere.name) } ", which then says who you are. Such a session ends after "
                    (counted(elsewhere.session_minutes, "minute", "minutes")) " at the latest."
                }
                (to)
                (posting::token())
                p { button { "Sign in with your organisation" } }
            }
        } @else {
            section.entry #organisation {
                h2 { "With your organisation" }
                p role="status" { strong { (elsewhere.name) } " cannot be reached just now. Open this page again in a while." }
            }
        }
    }
}

/// Sends a browser to the organisation.
async fn set_out(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Form(going): Form<Going>,
) -> Result<Response, Failure> {
    let begun = console.gate.set_out(&parts, going.to()).await.map_err(Failure::new)?;
    let cookie = cookie(&console.gate.cookies().keep_way(&begun.way, begun.seconds))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&begun.go_to)).into_response())
}

/// What the organisation sends a browser back with.
#[derive(Deserialize)]
struct Answered {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Lets in whoever comes back from the organisation.
async fn come_back(
    State(console): State<Arc<Console>>,
    parts: Parts,
    answered: Result<Query<Answered>, QueryRejection>,
) -> Result<Response, Failure> {
    let cookies = console.gate.cookies();
    let Query(Answered { state, code, error, iss: issuer }) = answered.map_err(|_| {
        Failure::new(Problem::bad_request("the part after ? is not what an organisation answers"))
    })?;
    let returned =
        Returned { state, code, error, issuer, way: cookies.way(&parts.headers).map(str::to_owned) };
    let LetIn { session, to } = console.gate.come_back(&parts, returned).await.map_err(Failure::new)?;
    console.gate.leave(&parts).await.map_err(Failure::new)?;
    let to = local_path(&to);
    // A browser sends the session's cookie along with what a page of ours asks for, not with what another site led to:
    // so there is a page between.
    let main = html! {
        h1 { "You are signed in" }
        p { a href=(to) { "Go on" } }
    };
    let mut response = page::general("Signed in", &main);
    let onwards = cookie(&format!("0; url={to}"))?;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("refresh"), onwards);
    headers.append(header::SET_COOKIE, cookie(&cookies.forget_way())?);
    headers.append(header::SET_COOKIE, cookie(&cookies.keep_session(&session))?);
    Ok(response)
}

/// The way out of a session.
pub(crate) fn sign_out() -> Markup {
    html! { form.leave method="post" action="/logout" { (posting::token()) button { "Sign out" } } }
}

#[derive(Deserialize)]
struct Entering {
    token: Option<String>,
    name: Option<String>,
    password: Option<String>,
    to: Option<String>,
}

async fn enter(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Form(entering): Form<Entering>,
) -> Result<Response, Failure> {
    let credentials = match (entering.token, entering.name, entering.password) {
        (Some(token), None, None) => Credentials::Token(token.trim().to_owned()),
        (None, Some(name), Some(password)) => {
            Credentials::Password { name: name.trim().to_owned(), password }
        }
        _ => return Err(Failure::new(Problem::bad_request("give a name and a password, or a token"))),
    };
    let to = entering.to.as_deref().map_or("/", local_path);
    begin(&console, &parts, credentials, to).await
}

#[derive(Deserialize)]
struct Looking {
    r#as: String,
}

/// In a demonstration: looks as one of its readers.
async fn look(
    State(console): State<Arc<Console>>,
    parts: Parts,
    Form(looking): Form<Looking>,
) -> Result<Response, Failure> {
    begin(&console, &parts, Credentials::Look(looking.r#as), "/").await
}

/// Begins a session, and ends the one that was.
async fn begin(
    console: &Console,
    parts: &Parts,
    credentials: Credentials,
    to: &str,
) -> Result<Response, Failure> {
    let session = console.gate.enter(parts, credentials).await.map_err(Failure::new)?;
    console.gate.leave(parts).await.map_err(Failure::new)?;
    go(&console.gate.cookies().keep_session(&session), to)
}

async fn leave(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    console.gate.leave(&parts).await.map_err(Failure::new)?;
    let open = console.gate.stands_open().await.map_err(Failure::new)?;
    go(&console.gate.cookies().forget_session(), if open { "/" } else { "/login" })
}

fn go(session: &str, to: &str) -> Result<Response, Failure> {
    Ok(([(header::SET_COOKIE, cookie(session)?)], Redirect::to(to)).into_response())
}

/// A cookie, or another header that a session's beginning sets.
fn cookie(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::new(Problem::internal("a session's name is no cookie")))
}

/// The offer to look at a demonstration as somebody.
pub(crate) fn offer(looks: &[(String, String)]) -> Markup {
    html! {
        @if !looks.is_empty() {
            section.looks #looks {
                h2 { "Look at this demonstration as" }
                p { "Each reads what its role may read, and nothing more." }
                form method="post" action="/look" {
                    (posting::token())
                    ul { @for (id, label) in looks { li { button name="as" value=(id) { (label) } } } }
                }
            }
        }
    }
}
