//! A sample of subjects drawn by a number that anybody can draw it with again, and a subject's casebook.

use api::{Page, Problem, RecordView};
use axum::response::Response;
use clinical::SubjectId;
use maud::html;
use sha2::{Digest as _, Sha256};

use crate::asked::{Asked, Failure};
use crate::copy::casebook_of;
use crate::list::{self, Cell, Column};
use crate::page::{self, Here, nothing};
use crate::trail::Read;
use crate::words::counted;

/// Subjects drawn, if not asked otherwise, and at most.
const DRAWN: u64 = 10;
const DRAWN_MAX: u64 = 50;

/// Draws for one subject at most: others are of the trial as a whole, or of one drawn already.
const TRIES_EACH: u64 = 8;

const HEADS: &[Column] =
    &[("subject", "Subject"), ("site", "Site"), ("drawn_by", "Drawn by record"), ("casebook", "Casebook")];

/// The position that the `draw`th draw falls on, of so many records.
fn drawn(seed: &str, draw: u64, records: u64) -> u64 {
    let digest = Sha256::digest(format!("{seed}\n{draw}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) % records.max(1)
}

pub(super) async fn sample(asked: Asked) -> Result<Response, Failure> {
    let covers = asked.detail.trial.covers.clone();
    let seed = asked.given("seed").unwrap_or("1").to_owned();
    let wanted = match asked.given("n").map_or(Ok(DRAWN), str::parse::<u64>) {
        Ok(wanted) if (1..=DRAWN_MAX).contains(&wanted) => wanted,
        _ => return Err(asked.fail(Problem::bad_request(format!("n is a number from 1 to {DRAWN_MAX}")))),
    };
    let links = &asked.links;
    let (mut rows, mut seen): (Vec<list::Row>, Vec<SubjectId>) = (Vec::new(), Vec::new());
    for draw in 0..wanted * TRIES_EACH {
        if covers.records == 0 || seen.len() as u64 >= wanted {
            break;
        }
        let Ok(seq) = serde_json::from_value(drawn(&seed, draw, covers.records).into()) else { continue };
        // Who may not read every record draws no sample.
        let view = match asked.registry.record(&links.trial, seq).await {
            Ok(view) => view,
            Err(problem) => return Err(asked.fail(problem)),
        };
        let read = Read::new(&view);
        let Some(subject) = read.text("/subject").and_then(|text| text.parse::<SubjectId>().ok()) else {
            continue;
        };
        if seen.contains(&subject) {
            continue;
        }
        rows.push(vec![
            Cell::subject(Some(&subject), links),
            Cell::maybe(read.text("/site")),
            Cell::record(view.seq, links),
            Cell::leading("casebook", links.to(&format!("/subjects/{subject}/casebook"), &[])),
        ]);
        seen.push(subject);
    }
    let main = html! {
        p.up { a href=(links.inspection()) { "Inspection" } }
        h1 { "Sample of subjects" }
        p {
            "Drawn by record, so that a subject of whom more is stated is drawn more often: draw number " code { "i" } " falls on "
            "the position that the first 8 bytes of SHA-256 of " code { "seed" } ", a line feed and " code { "i" }
            " leave when divided by the number of records, " (covers.records) ". Whoever has the log draws the same ones again."
        }
        form.filter method="get" action=(links.to("/inspection/sample", &[])) {
            p { label for="n" { "Subjects" } " " input #n name="n" type="number" min="1" max=(DRAWN_MAX) value=(wanted); }
            p { label for="seed" { "Seed" } " " input #seed name="seed" value=(seed) maxlength="64"; }
            p { button { "Draw" } }
        }
        @if rows.is_empty() { (nothing("is no record of a subject that was drawn", &covers)) }
        @else { (list::shown("Subjects drawn", HEADS, &rows)) }
    };
    Ok(page::trial(&asked, Here::Inspection, "Sample of subjects", &covers, &main))
}

/// Every record of a subject.
pub(crate) async fn all_records(
    asked: &Asked,
    subject: &SubjectId,
) -> Result<(api::Covers, Vec<RecordView>), Problem> {
    let (mut records, mut after, mut covers) = (Vec::new(), None, None);
    loop {
        let look = Page { after, limit: Some(super::PART) };
        let part = asked.registry.subject_records(&asked.links.trial, subject, look).await?;
        covers.get_or_insert(part.covers);
        records.extend(part.records);
        after = part.next.map(|next| next.to_string());
        if after.is_none() {
            let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
            return Ok((covers, records));
        }
    }
}

pub(super) async fn casebook(asked: Asked) -> Result<Response, Failure> {
    let subject: SubjectId = match asked.parameter("subject").parse() {
        Ok(subject) => subject,
        Err(error) => {
            let problem = Problem::not_found(format!("{error}"));
            return Err(asked.fail(problem));
        }
    };
    let (covers, records) = match all_records(&asked, &subject).await {
        Ok(found) => found,
        Err(problem) => return Err(asked.fail(problem)),
    };
    let zone = Read::new(&records[0]).text("/zone").unwrap_or("UTC").to_owned();
    let main = html! {
        p.up { a href=(asked.links.subject(&subject, None)) { "Subject " (subject) } }
        div.casebook { (casebook_of(&zone, &subject, &records)) }
        p.quiet {
            (counted(records.len() as u64, "record", "records")) ". Free text stays sealed here; a certified copy of the site, "
            "which opens without this program, is made with " code { "trialbook certified-copy" } "."
        }
    };
    Ok(page::trial(&asked, Here::Inspection, &format!("Casebook of {subject}"), &covers, &main))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_records_and_none_beyond_the_end() {
        let draws = |seed: &str| (0..100).map(|draw| drawn(seed, draw, 863)).collect::<Vec<_>>();
        assert_eq!(draws("1"), draws("1"));
        assert_ne!(draws("1"), draws("2"));
        assert!(draws("1").iter().all(|at| *at < 863));
        // By Python: int.from_bytes(hashlib.sha256(b"1\n0").digest()[:8], "big") % 863
        assert_eq!(drawn("1", 0, 863), 4);
    }
}
