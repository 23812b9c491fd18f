//! What goes with every answer, and the files that the pages refer to.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Of every page but `/verify`. Nothing is loaded but our own style sheet and icon, nothing runs, nothing is framed, forms go to ourselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Of the pages on which a person signs or makes a key: they run our one script, which asks ourselves for text keys.
const SIGNING_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Adds the headers to an answer. A page holds subjects' data: no cache may keep it.
pub(crate) async fn secure(mut response: Response) -> Response {
    let status = response.status();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // The one page that runs a script has its own policy.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../assets/console.css"))
}

/// A page whose forms lead on to these origins, too.
pub(crate) fn leading_on_to(mut response: Response, origins: &[String]) -> Response {
    let policy = POLICY.replace("form-action 'self'", &format!("form-action 'self' {}", origins.join(" ")));
    // What is no header's value stands in no address either; the page's own policy then stays.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A page on which the script that signs may run.
pub(crate) fn signing(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(SIGNING_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) async fn signer() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../assets/sign.js"))
}

pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}

pub(crate) fn asset(content_type: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "max-age=300")], body).into_response()
}
