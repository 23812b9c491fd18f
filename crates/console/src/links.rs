//! Addresses of the pages. Each keeps what the reader looks at, so that one walk through the pages shows one cut.

use std::fmt::{Display, Write as _};

use api::{AsOf, ReportKind};
use clinical::{Date, PartialDate, SubjectId, TrialId};
use maud::{Markup, html};

use crate::list;

/// Addresses within one trial.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// Whether what is made is a file of its own, from which nothing leads anywhere.
    pub(crate) on_paper: bool,
    /// Whether who looks may see single subjects and records, and so what is behind a number: if not, nothing leads there.
    pub(crate) to_subjects: bool,
    pub(crate) trial: TrialId,
    pub(crate) as_of: Option<AsOf>,
    pub(crate) cutoff: Option<Date>,
}

impl Links {
    pub(crate) fn overview(&self) -> String {
        self.path("", None)
    }

    /// A part of the outcome report; the first has no name.
    pub(crate) fn outcomes(&self, part: &str) -> String {
        self.part("/outcomes", part)
    }

    /// A part of the safety report; the first has no name.
    pub(crate) fn safety(&self, part: &str) -> String {
        self.part("/safety", part)
    }

    fn part(&self, tail: &str, part: &str) -> String {
        if part.is_empty() { self.path(tail, None) } else { self.path(&format!("{tail}/{part}"), None) }
    }

    pub(crate) fn findings(&self, after: Option<&dyn Display>) -> String {
        self.path("/findings", after)
    }

    pub(crate) fn subjects(&self, after: Option<&dyn Display>) -> String {
        self.path("/subjects", after)
    }

    pub(crate) fn subject(&self, subject: &SubjectId, after: Option<&dyn Display>) -> String {
        self.path(&format!("/subjects/{subject}"), after)
    }

    pub(crate) fn inspection(&self) -> String {
        self.path("/inspection", None)
    }

    pub(crate) fn intact(&self) -> String {
        self.path("/intact", None)
    }

    /// The trail of the whole trial, as far as the query lets it through.
    pub(crate) fn trail(&self, query: &[(&str, String)]) -> String {
        self.to("/trail", query)
    }

    /// A page of the trial with more in its address.
    pub(crate) fn to(&self, tail: &str, query: &[(&str, String)]) -> String {
        let path = self.path(tail, None);
        if query.is_empty() {
            return path;
        }
        let mut more = form_urlencoded::Serializer::new(String::new());
        more.extend_pairs(query);
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}{}", more.finish())
    }

    /// The ways to the files of what stands at a page of the trial.
    pub(crate) fn takeaway(&self, tail: &str, query: &[(&str, String)]) -> Markup {
        let with = |format: &str| self.to(tail, &[query, &[("format", format.to_owned())]].concat());
        list::takeaway(&with("csv"), &with("json"))
    }

    /// Where something is stated.
    pub(crate) fn recording(&self) -> String {
        self.path("/record", None)
    }

    pub(crate) fn record(&self, seq: impl Display) -> String {
        self.path(&format!("/records/{seq}"), None)
    }

    /// What is behind a cell of a report.
    pub(crate) fn sources(&self, report: ReportKind, cell: &str, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("report", report.as_str());
        query.extend_pairs(self.as_of.as_ref().map(|as_of| ("as_of", as_of.to_string())));
        query.extend_pairs(self.cutoff.map(|day| ("cutoff", PartialDate::from(day).to_string())));
        query.extend_pairs(after.map(|after| ("after", after)));
        // Last: a row's address becomes that of a cell in it by what is appended.
        query.append_pair("cell", cell);
        format!("/trials/{}/sources?{}", self.trial, query.finish())
    }

    /// A record's position, and the way to it.
    pub(crate) fn to_record(&self, seq: impl Display + Copy) -> Markup {
        html! { @if self.to_subjects { a href=(self.record(seq)) { "#" (seq) } } @else { "#" (seq) } }
    }

    /// Identifiers, dates and positions hold nothing that a URL would have to escape.
    fn path(&self, tail: &str, after: Option<&dyn Display>) -> String {
        let mut path = format!("/trials/{}{tail}", self.trial);
        let mut mark = '?';
        let as_of = self.as_of.as_ref().map(|as_of| as_of as &dyn Display);
        let cutoff = self.cutoff.as_ref().map(|date| date as &dyn Display);
        for (name, value) in [("as_of", as_of), ("cutoff", cutoff), ("after", after)] {
            if let Some(value) = value {
                // Writing to a string does not fail.
                let _ = write!(path, "{mark}{name}={value}");
                mark = '&';
            }
        }
        path
    }
}
