//! Signing in and out: with an account's name and password, or with a token, for a session that the registry keeps and ends.

use std::sync::Arc;

use api::{Credentials, SESSION_COOKIE};
use axum::Router;
use axum::extract::{Form, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::Console;
use crate::asked::Failure;
use crate::{page, posting, visit};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/login", get(form).post(enter))
        .route("/look", post(look))
        .route("/logout", post(leave))
}

async fn form() -> Response {
    let in_session = visit::current().is_some_and(|visit| visit.in_session);
    let main = html! {
        h1 { "Sign in" }
        p { "A session ends when you sign out, after half an hour without use, and after twelve hours in any case." }
        form.entry method="post" action="/login" {
            h2 { "With an account" }
            p { label for="name" { "Name" } input #name name="name" autocomplete="username" autocapitalize="none" required; }
            p { label for="password" { "Password" } input #password name="password" type="password" autocomplete="current-password" required; }
            (posting::token())
            p { button { "Sign in" } }
        }
        form.entry method="post" action="/login" {
            h2 { "With a token" }
            p { "The one that the registry's operator gave you. It is not kept in this browser." }
            p { label for="token" { "Token" } input #token name="token" type="password" autocomplete="off" required; }
            (posting::token())
            p { button { "Sign in" } }
        }
        @if in_session { (sign_out()) }
    };
    page::general("Sign in", &main)
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
        _ => return Err(Failure::new(api::Problem::bad_request("give a name and a password, or a token"))),
    };
    begin(&console, &parts, credentials).await
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
    begin(&console, &parts, Credentials::Look(looking.r#as)).await
}

/// Begins a session, and ends the one that was.
async fn begin(console: &Console, parts: &Parts, credentials: Credentials) -> Result<Response, Failure> {
    let session = console.gate.enter(parts, credentials).await.map_err(Failure::new)?;
    console.gate.leave(parts).await.map_err(Failure::new)?;
    Ok(go(console, &session.0, "", "/"))
}

async fn leave(State(console): State<Arc<Console>>, parts: Parts) -> Result<Response, Failure> {
    console.gate.leave(&parts).await.map_err(Failure::new)?;
    let open = console.gate.stands_open().await.map_err(Failure::new)?;
    Ok(go(&console, "", "; Max-Age=0", if open { "/" } else { "/login" }))
}

fn go(console: &Console, session: &str, age: &str, to: &str) -> Response {
    let secure = if console.settings.secure { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response(),
        Err(_) => Failure::new(api::Problem::internal("a session's name is no cookie")).into_response(),
    }
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
