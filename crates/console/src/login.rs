//! Signing in with a token, for a person's browser: it is put into a cookie for the session, and nowhere else.

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;

use crate::asked::Failure;
use crate::headers;
use crate::page;

#[derive(Clone)]
struct Door {
    gate: api::Gate,
    /// Whether the cookie may travel over TLS alone.
    secure: bool,
}

/// `/login` and `/logout`. `secure` where the pages are served over TLS.
pub fn login(gate: api::Gate, secure: bool) -> Router {
    Router::new()
        .route("/login", get(form).post(enter))
        .route("/logout", post(leave))
        .layer(axum::middleware::map_response(headers::secure))
        .with_state(Door { gate, secure })
}

async fn form() -> Response {
    let main = html! {
        h1 { "Sign in" }
        p { "With the token that the registry's operator gave you. It stays in this browser until the browser is closed, or until you sign out." }
        form method="post" action="/login" {
            p {
                label for="token" { "Token" } " "
                input #token name="token" type="password" autocomplete="off" required;
                " " button { "Sign in" }
            }
        }
        form method="post" action="/logout" { p { button { "Sign out" } } }
    };
    page::general("Sign in", &main)
}

#[derive(Deserialize)]
struct Entering {
    token: String,
}

async fn enter(State(door): State<Door>, Form(entering): Form<Entering>) -> Result<Response, Failure> {
    let token = entering.token.trim();
    door.gate.admits(token).await.map_err(Failure::new)?;
    // A token that is admitted holds nothing that would end a cookie's value; one of an open registry is not looked at.
    let cookie = HeaderValue::from_str(&door.cookie(token, ""));
    let cookie =
        cookie.ok().filter(|_| token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    let cookie = cookie.ok_or_else(|| Failure::new(api::Problem::bad_request("this is no token")))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

async fn leave(State(door): State<Door>) -> Response {
    match HeaderValue::from_str(&door.cookie("", "; Max-Age=0")) {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Door {
    fn cookie(&self, token: &str, age: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", api::TOKEN_COOKIE)
    }
}
