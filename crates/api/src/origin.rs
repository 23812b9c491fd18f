//! Where a browser says that a request comes from: nothing that changes anything is taken from a page of another site.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Whether a browser says that it sends this from a page of ours. What is no browser says nothing of it, and has no session
/// that another page could use.
pub fn is_from_ourselves(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // Every browser of today says where a request comes from, over TLS and on this machine; it alone writes this header.
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let host = text(header::HOST.as_str()).unwrap_or_default();
    text(header::ORIGIN.as_str())
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, authority)| authority == host))
}

/// Refuses what a page of another site has a browser send. Whoever states a token in a header is no such page.
pub(crate) async fn checked(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || request.headers().contains_key(header::AUTHORIZATION) || is_from_ourselves(request.headers())
    {
        return next.run(request).await;
    }
    let detail = "a browser says that a page of another site has sent this";
    Problem::new(403, "form-not-ours", "The request was not sent from a page of this registry.", detail)
        .into_response()
}

/// Adds to an answer what keeps it out of caches and of pages of other sites, where it does not say otherwise.
pub(crate) async fn kept_private(mut response: Response) -> Response {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_a_browser_sends_from_another_place_is_not_ours() {
        let check = |pairs: &[(&'static str, &str)], due: bool| {
            assert_eq!(is_from_ourselves(&headers(pairs)), due, "{pairs:?}");
        };
        check(&[], true);
        check(&[("sec-fetch-site", "same-origin"), ("origin", "null")], true);
        for elsewhere in ["cross-site", "same-site", "none", ""] {
            check(&[("sec-fetch-site", elsewhere)], false);
        }
        check(&[("host", "localhost:1"), ("origin", "http://localhost:1")], true);
        check(&[("host", "localhost:1"), ("origin", "http://localhost:2")], false);
        check(&[("host", "localhost:1"), ("origin", "http://evil.example")], false);
        check(&[("host", "localhost:1"), ("origin", "null")], false);
        check(&[("origin", "http://evil.example")], false);
    }
}
