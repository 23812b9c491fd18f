//! What holds of the sources of either report: the records behind a cell.

use clinical::report::{AskedSources, Covered, Parameters, ReportCell, Sources, cells};

use crate::{Log, Reporting, Rows};

/// What is behind the cell; the first `limit` subjects after `after`.
///
/// # Errors
/// What the report says.
pub fn behind<R: Reporting>(
    log: &Log<R>,
    cutoff: &str,
    (cell, after, limit): (&str, Option<&str>, usize),
) -> Result<Sources, String> {
    let asked = AskedSources { cell: cell.to_owned(), after: after.map(str::to_owned), limit };
    of_rows::<R>(log.rows(), cutoff, &asked)
}

fn of_rows<R: Reporting>(rows: Rows, cutoff: &str, asked: &AskedSources) -> Result<Sources, String> {
    let parameters = Parameters { cutoff: Some(cutoff.parse().unwrap()) };
    R::sources(rows, &parameters, Covered { records: 1, head: chain::RecordHash([7; 32]) }, asked)
}

/// Of how many cells that are no counts one is asked for.
const OTHERS_LOOKED_AT: usize = 10;

/// Of how many cells one is looked into, records and all.
const LOOKED_INTO: usize = 25;

/// Asks for the sources of every count of the report and of some of the other cells: each that counts somebody has its subjects, and each count is the sum
/// of what it is of each subject; those of `no_sums`, ends of paths, are not sums. Gives how many cells of each kind
/// there were: counts, others with sources, about no subject.
pub fn every_count_adds_up<R: Reporting>(log: &Log<R>, cutoff: &str, no_sums: &[&str]) -> [usize; 3] {
    let (rows, report) = (log.rows(), serde_json::to_value(log.report(cutoff)).unwrap());
    let (mut found, mut wrong) = ([0; 3], Vec::new());
    for (at, ReportCell { cell: path, value, .. }) in cells(&report).into_iter().enumerate() {
        // Texts and limits have the sources of their row, which has counts too.
        if !value.is_u64() && at % OTHERS_LOOKED_AT != 0 {
            continue;
        }
        // None are shown of most cells: whether there are any, `next` tells.
        let limit = usize::from(at % LOOKED_INTO == 0);
        let sources = match of_rows::<R>(
            rows.clone(),
            cutoff,
            &AskedSources { cell: path.clone(), after: None, limit },
        ) {
            Ok(sources) => sources,
            Err(error) => {
                assert!(error.contains("is about no subject"), "{path}: {error}");
                found[2] += 1;
                continue;
            }
        };
        assert_eq!(sources.value, value, "{path}");
        let any = !sources.subjects.is_empty() || sources.next.is_some();
        match sources.adds_up {
            Some(adds_up) => {
                let sum = !no_sums.iter().any(|end| path.ends_with(end));
                if adds_up != sum || any != (value != 0) {
                    wrong.push(format!("{path} = {value}, adds up: {adds_up}"));
                }
                found[0] += 1;
            }
            None => found[1] += 1,
        }
        for subject in &sources.subjects {
            assert!(!subject.records.is_empty(), "{path}: {}", subject.subject);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    found
}
