//! The one door for everything that changes something: whether it was sent from a page of ours, by whose session it says,
//! and not too often.
//!
//! Every route that takes another method than GET lies behind [`checked`], and every form holds [`token`].

use std::sync::Arc;

use api::{FormToken, Posted, Problem};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use crate::Console;
use crate::asked::Failure;
use crate::visit;

/// Longest form: as long as the longest request of the API.
const FORM_BYTES_MAX: usize = api::REQUEST_BYTES_MAX;

/// The form's field that carries the token, and the header that does in a script's request.
const FIELD: &str = "form_token";
const HEADER: &str = "x-trialbook-form-token";

/// What every form holds.
pub(crate) fn token() -> Markup {
    let token = visit::current().and_then(|visit| visit.form_token);
    html! { @if let Some(token) = token { input type="hidden" name=(FIELD) value=(token.as_str()); } }
}

/// Lets through what reads, and what was sent from a page of ours by the person whose session it is in.
pub(crate) async fn checked(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, FORM_BYTES_MAX).await else {
        let detail = format!("a form holds {FORM_BYTES_MAX} bytes at most");
        let problem = Problem::new(413, "request-too-large", "The form is too long.", detail);
        return Failure::new(problem).into_response();
    };
    let token = console.gate.cookies().session(&parts.headers).map(FormToken::of);
    // Who states a header is asked for by it, whatever the cookies say; no page of another site can have it sent.
    let ours = parts.headers.contains_key(header::AUTHORIZATION)
        || api::is_from_ourselves(&parts.headers)
            && token.is_none_or(|token| carries(&parts.headers, &bytes, &token));
    if !ours {
        let detail = "open the page again, and send the form from there";
        let problem =
            Problem::new(403, "form-not-ours", "The form was not sent from a page of its session.", detail);
        return Failure::new(console.gate.refuse(&parts, problem).await).into_response();
    }
    if let Err(problem) = console.gate.posting(&parts).await {
        return Failure::new(problem).into_response();
    }
    parts.extensions.insert(Posted);
    // Only now the session says who it is that looks at the answer.
    visit::known(State(console), Request::from_parts(parts, Body::from(bytes)), next).await
}

/// Whether a request carries its session's token: in a header, or in a field of its form.
fn carries(headers: &HeaderMap, body: &[u8], token: &FormToken) -> bool {
    if let Some(stated) = headers.get(HEADER) {
        return stated.to_str().is_ok_and(|stated| token.matches(stated));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        // The token is a hash that nobody else knows: where its field stands, it does not matter in which part.
        let field = format!("name=\"{FIELD}\"\r\n\r\n{}\r\n", token.as_str());
        return body.windows(field.len()).any(|part| part == field.as_bytes());
    }
    form_urlencoded::parse(body).any(|(name, value)| name == FIELD && token.matches(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_carries_its_own_sessions_token_in_each_way_that_there_is() {
        let (own, other) = (FormToken::of("tbs_1"), FormToken::of("tbs_2"));
        let check = |pairs: &[(&'static str, &str)], body: &str, due: bool| {
            assert_eq!(carries(&headers(pairs), body.as_bytes(), &own), due, "{pairs:?} {body}");
        };
        check(&[], "", false);
        check(&[], &format!("a=1&form_token={}", own.as_str()), true);
        check(&[], &format!("a=1&form_token={}", other.as_str()), false);
        check(&[], &format!("a=form_token%3D{}", own.as_str()), false);
        check(&[("x-trialbook-form-token", own.as_str())], "{}", true);
        // A header that is wrong is not made right by a field.
        check(&[("x-trialbook-form-token", "1")], &format!("form_token={}", own.as_str()), false);
        let part = |token: &FormToken| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\n{}\r\n--b--\r\n",
                token.as_str()
            )
        };
        let multipart = ("content-type", "multipart/form-data; boundary=b");
        check(&[multipart], &part(&own), true);
        check(&[multipart], &part(&other), false);
    }
}
