//! A list to be read and to be taken away: the same rows as a table on a page, as CSV and as JSON.
//!
//! It finds nothing by itself: rows come from whoever asked the registry.

use api::{Covers, Problem, ReportKind, ReportView};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use clinical::TrialId;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::figures::{columns, table};
use crate::links::Links;

/// Most rows of one file: beyond them a filter is to be asked for.
pub(crate) const EXPORT_ROWS_MAX: usize = 100_000;

/// A column: its name in files, and its heading, which begins with `#` where numbers stand below it.
pub(crate) type Column = (&'static str, &'static str);

/// A value of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    href: Option<String>,
    is_loud: bool,
}

impl Cell {
    /// A value as it is; empty where there is none.
    pub(crate) fn of(text: impl std::fmt::Display) -> Self {
        Self { text: text.to_string(), href: None, is_loud: false }
    }

    /// A value that may be absent.
    pub(crate) fn maybe(text: Option<impl std::fmt::Display>) -> Self {
        text.map_or_else(Self::default, Self::of)
    }

    /// A record's position, and the way to it.
    pub(crate) fn record(seq: impl std::fmt::Display + Copy, links: &Links) -> Self {
        Self { href: Some(links.record(seq)), ..Self::of(seq) }
    }

    /// A value with the way to what is behind it.
    pub(crate) fn leading(text: impl std::fmt::Display, href: String) -> Self {
        Self { href: Some(href), ..Self::of(text) }
    }

    /// A subject, and the way to its page.
    pub(crate) fn subject(subject: Option<&clinical::SubjectId>, links: &Links) -> Self {
        subject.map_or_else(Self::default, |subject| Self::leading(subject, links.subject(subject, None)))
    }

    /// A value that a reader looks for.
    pub(crate) fn loud(text: impl std::fmt::Display) -> Self {
        Self { is_loud: true, ..Self::of(text) }
    }

    fn shown(&self) -> Markup {
        let text = html! { @if self.text.is_empty() { "–" } @else if self.is_loud { strong { (self.text) } } @else { (self.text) } };
        match &self.href {
            Some(href) => html! { a href=(href) { (text) } },
            None => text,
        }
    }
}

/// A row; as many cells as the list has columns.
pub(crate) type Row = Vec<Cell>;

/// The rows as a table.
pub(crate) fn shown(caption: &str, heads: &[Column], rows: &[Row]) -> Markup {
    let is_number = |index: usize| heads.get(index).is_some_and(|(_, heading)| heading.starts_with('#'));
    let headings: Vec<&str> = heads.iter().map(|(_, heading)| *heading).collect();
    table(
        caption,
        &columns(&headings),
        &html! {
            @for row in rows {
                tr {
                    @for (index, cell) in row.iter().enumerate() {
                        @if index == 0 { th scope="row" { (cell.shown()) } }
                        @else if is_number(index) { td.number { (cell.shown()) } }
                        @else { td { (cell.shown()) } }
                    }
                }
            }
        },
    )
}

/// In which form a list is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Json,
}

impl Format {
    /// What the address asks for; `None`: a page.
    pub(crate) fn asked(text: Option<&str>) -> Result<Option<Self>, Problem> {
        match text {
            None => Ok(None),
            Some("csv") => Ok(Some(Self::Csv)),
            Some("json") => Ok(Some(Self::Json)),
            Some(_) => Err(Problem::bad_request("format is csv or json")),
        }
    }
}

/// A list as a file.
pub(crate) fn file(
    format: Format,
    (trial, name): (&TrialId, &str),
    covers: &Covers,
    heads: &[Column],
    rows: &[Row],
) -> Response {
    let (content_type, ending, body) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv", csv(heads, rows)),
        Format::Json => {
            let rows: Vec<Value> = rows.iter().map(|row| object(heads, row)).collect();
            let whole = json!({
                "covers": {"head": covers.head, "records": covers.records}, "list": name, "rows": rows,
                "trial": trial
            });
            ("application/json", "json", format!("{whole}\n"))
        }
    };
    attachment(content_type, &format!("{trial}-{name}-{}.{ending}", covers.records), body)
}

/// The columns of a report's cells: where it stands, as `sources` asks for it, the nearest label, and what it says.
const CELLS: [Column; 3] = [("cell", "Cell"), ("label", "Label"), ("value", "Value")];

/// A report as a file: its canonical JSON as it is published, or all its cells.
pub(crate) fn report(format: Format, trial: &TrialId, kind: ReportKind, view: &ReportView) -> Response {
    let name = |ending: &str| format!("{trial}-{}-{}.{ending}", kind.as_str(), view.covers.records);
    let json = view.report.get();
    if format == Format::Json {
        return attachment("application/json", &name("json"), json.to_owned());
    }
    // The registry hands out JSON; what is not would show as a report without cells.
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let rows: Vec<Row> = clinical::report::cells(&value)
        .into_iter()
        .map(|cell| vec![Cell::of(cell.cell), Cell::maybe(cell.label), Cell::of(text(cell.value))])
        .collect();
    attachment("text/csv; charset=utf-8", &name("csv"), csv(&CELLS, &rows))
}

fn attachment(content_type: &'static str, name: &str, body: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let heads = [(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (heads, body).into_response()
}

fn object(heads: &[Column], row: &[Cell]) -> Value {
    let members: Map<String, Value> = heads
        .iter()
        .zip(row)
        .map(|((name, heading), cell)| ((*name).to_owned(), member(heading, &cell.text)))
        .collect();
    Value::Object(members)
}

fn member(heading: &str, text: &str) -> Value {
    let number = text.parse::<i64>().ok().filter(|_| heading.starts_with('#'));
    match number {
        Some(number) => number.into(),
        None if text.is_empty() => Value::Null,
        None => text.into(),
    }
}

/// RFC 4180, in UTF-8.
fn csv(heads: &[Column], rows: &[Row]) -> String {
    let mut text = heads.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    text.push_str("\r\n");
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&field(&cell.text));
        }
        text.push_str("\r\n");
    }
    text
}

/// A field that no spreadsheet takes for a formula: what begins like one gets an apostrophe before it, but for a number.
fn field(text: &str) -> String {
    let begins_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && text.parse::<f64>().is_err();
    let guard = if begins_formula { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// The ways to the list's files.
pub(crate) fn takeaway(csv: &str, json: &str) -> Markup {
    html! {
        p.takeaway {
            "Take all of it away: "
            a href=(csv) download { "CSV" } " · " a href=(json) download { "JSON" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [Column; 3] = [("who", "Who"), ("days", "#Days"), ("note", "Note")];

    #[test]
    fn no_field_is_taken_for_a_formula_and_none_breaks_its_row() {
        let check = |text: &str, due: &str| assert_eq!(field(text), due, "{text}");
        check("plain", "plain");
        check("=1+1", "'=1+1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0");
        check("-cmd", "'-cmd");
        check("-3", "-3");
        check("\tx", "'\tx");
        check("a,b", "\"a,b\"");
        check("say \"so\"", "\"say \"\"so\"\"\"");
        check("=a,b", "\"'=a,b\"");
        check("two\nlines", "\"two\nlines\"");
    }

    #[test]
    fn the_same_rows_stand_in_each_form() {
        let rows = vec![
            vec![Cell::of("li.wei"), Cell::of(-3), Cell::loud("late, <b>")],
            vec![Cell::of("an.li"), Cell::default(), Cell::leading("x", "/y".to_owned())],
        ];
        assert_eq!(csv(&HEADS, &rows), "who,days,note\r\nli.wei,-3,\"late, <b>\"\r\nan.li,,x\r\n");
        assert_eq!(object(&HEADS, &rows[0]), json!({"who": "li.wei", "days": -3, "note": "late, <b>"}));
        assert_eq!(object(&HEADS, &rows[1]), json!({"who": "an.li", "days": null, "note": "x"}));
        let page = shown("All", &HEADS, &rows).into_string();
        assert!(
            page.contains("<strong>late, &lt;b&gt;</strong>") && page.contains("<a href=\"/y\">x</a>"),
            "{page}"
        );
        assert!(page.contains("<td class=\"number\">-3</td>"), "{page}");
    }

    #[test]
    fn a_form_that_there_is_not_is_refused() {
        assert_eq!(Format::asked(None).unwrap(), None);
        assert_eq!(Format::asked(Some("csv")).unwrap(), Some(Format::Csv));
        assert_eq!(Format::asked(Some("xlsx")).unwrap_err().status, 400);
    }
}
