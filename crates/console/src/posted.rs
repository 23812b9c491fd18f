//! A form as it was sent: the trial it is about, and its fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Problem;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::header::CONTENT_TYPE;

use crate::Console;
use crate::asked::{Asked, Failure};

/// Most items of one list in a form: an event of 64,000 bytes holds fewer.
const ITEMS_MAX: usize = 1_000;

/// The fields of a form by their names, in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given(pub(crate) BTreeMap<String, Vec<String>>);

impl Given {
    /// The first value of a field that is not blank.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.trim().is_empty())
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.entry(name.into()).or_default().push(value.into());
    }

    /// How many items of the list at `name` there are: one more than the highest index with a value.
    pub(crate) fn items(&self, name: &str) -> usize {
        let prefix = format!("{name}[");
        let filled = self.0.iter().filter(|(_, values)| values.iter().any(|value| !value.trim().is_empty()));
        let indexes =
            filled.filter_map(|(key, _)| key.strip_prefix(&prefix)?.split_once(']')?.0.parse::<usize>().ok());
        indexes.filter(|index| *index < ITEMS_MAX).max().map_or(0, |highest| highest.saturating_add(1))
    }
}

/// A form that came through the door for forms.
pub(crate) struct Posted {
    pub(crate) asked: Asked,
    pub(crate) given: Given,
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let asked = Asked::from_request_parts(&mut parts, console).await?;
        match read(Request::from_parts(parts, body), console).await {
            Ok(given) => Ok(Self { asked, given }),
            Err(problem) => Err(asked.fail(problem)),
        }
    }
}

async fn read(request: Request, console: &Arc<Console>) -> Result<Given, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut given = Given::default();
    if kind.starts_with("multipart/form-data") {
        let unreadable = |error: &dyn std::fmt::Display| Problem::bad_request(error.to_string());
        let mut parts =
            Multipart::from_request(request, console).await.map_err(|error| unreadable(&error))?;
        while let Some(field) = parts.next_field().await.map_err(|error| unreadable(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let text = field.text().await.map_err(|error| unreadable(&error))?;
            given.add(name, text);
        }
        return Ok(given);
    }
    let body = axum::body::Bytes::from_request(request, console).await;
    let body = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    for (name, value) in form_urlencoded::parse(&body) {
        // Browsers end lines with both; a text is what its author sees.
        given.add(name, value.replace("\r\n", "\n"));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_are_counted_up_to_the_last_that_says_something() {
        let mut given = Given::default();
        assert_eq!(given.items("d:criteria"), 0);
        given.add("d:criteria[0].id", "I1");
        given.add("d:criteria[2].id", "I3");
        given.add("d:criteria[7].id", " ");
        given.add("d:criteria_other[9].id", "x");
        given.add("d:criteria[x].id", "x");
        assert_eq!(given.items("d:criteria"), 3);
        assert_eq!(given.value("d:criteria[7].id"), None);
    }
}
