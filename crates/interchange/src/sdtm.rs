//! A study as SDTM tables, and the statements that say the same.
//!
//! [`read`] takes a directory of XPT files; [`Study::plan`] says what an import would state, and lists everything it
//! would not. Nothing is dropped in silence: each row of each table that is read is named by a statement
//! (`data.import.rows`), by the trial's facts, or in [`Plan::not_imported`]; each column that no statement has an
//! item for is in [`Plan::columns_not_imported`] with the number of its values.

mod adverse_events;
mod columns;
mod dosing;
mod observations;
mod places;
mod plan;
mod source;
mod subjects;
mod trial;
mod units;
mod visits;

pub use plan::{ColumnNotImported, Counts, NotImported, Plan};
pub use trial::{SiteFacts, TrialFacts};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::xpt::{Table, XptError};
use source::{Domain, Row, Source};

/// Largest file that is read: the tables are held in memory, and those of a large trial have some hundred megabytes.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Why a directory cannot be read as a study.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory or a file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than two gibibytes.
    #[error("{} has {bytes} bytes, at most {FILE_BYTES_MAX} are read", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A table that every import needs is not there.
    #[error("there is no table {table} in {}: expected {expected}", dir.display())]
    TableMissing {
        /// The table.
        table: &'static str,
        /// Its file, or files.
        expected: &'static str,
        /// The directory.
        dir: PathBuf,
    },
    /// One table in more than one file.
    #[error("the table {table} stands in more than one file of {}", dir.display())]
    TableRepeated {
        /// The table.
        table: &'static str,
        /// The directory.
        dir: PathBuf,
    },
    /// A file that is no XPT file.
    #[error("{} is malformed", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What and where.
        source: XptError,
    },
    /// A column without which the table says nothing.
    #[error("{} has no column {column}", path.display())]
    ColumnMissing {
        /// Which file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// The table of subjects names no study.
    #[error("the table DM in {} names no study in STUDYID", dir.display())]
    StudyUnnamed {
        /// The directory.
        dir: PathBuf,
    },
}

/// A study's tables, read and not yet interpreted.
#[derive(Debug, Clone)]
pub struct Study {
    /// By domain, and within one by file name.
    sources: Vec<Source>,
    id: String,
    tables_not_read: Vec<String>,
}

/// Reads the XPT files of a directory: DM, DS, EX, SV, VS, AE, and LB as one file or split (`lbch.xpt`, `lbhe.xpt`, …);
/// SUPPDM, TA, TS and TV if they are there. The case of file names does not matter.
///
/// # Errors
/// [`ReadError`].
pub fn read(dir: &Path) -> Result<Study, ReadError> {
    let mut files: BTreeMap<Domain, Vec<(String, PathBuf)>> = BTreeMap::new();
    let mut tables_not_read = Vec::new();
    for (stem, path) in list(dir)? {
        match Domain::of_file(&stem) {
            Some(domain) => files.entry(domain).or_default().push((stem, path)),
            None => tables_not_read.push(stem),
        }
    }
    let mut sources = Vec::new();
    for domain in Domain::ALL {
        let found = files.remove(domain).unwrap_or_default();
        if found.is_empty() && domain.is_required() {
            let (table, expected) = (domain.code(), domain.expected());
            return Err(ReadError::TableMissing { table, expected, dir: dir.to_owned() });
        }
        // A split table has parts of different names; the whole beside its parts, or a name twice, is one too many.
        let whole = found.iter().any(|(stem, _)| stem == domain.code());
        let repeated = found.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if repeated || (whole && found.len() > 1) {
            return Err(ReadError::TableRepeated { table: domain.code(), dir: dir.to_owned() });
        }
        for (stem, path) in found {
            sources.push(read_table(*domain, stem, path)?);
        }
    }
    let id = sources
        .iter()
        .filter(|source| source.domain == Domain::Dm)
        .flat_map(Source::rows)
        .map(|row| row.text("STUDYID"))
        .find(|study| !study.is_empty());
    let Some(id) = id else {
        return Err(ReadError::StudyUnnamed { dir: dir.to_owned() });
    };
    Ok(Study { sources, id, tables_not_read })
}

/// The XPT files of a directory by upper-case stem, sorted.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, ReadError> {
    let failed = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_xpt = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xpt"));
        if let (true, Some(stem)) = (is_xpt, path.file_stem().and_then(|stem| stem.to_str())) {
            files.push((stem.to_ascii_uppercase(), path));
        }
    }
    files.sort();
    Ok(files)
}

fn read_table(domain: Domain, name: String, path: PathBuf) -> Result<Source, ReadError> {
    let failed = |source| ReadError::Io { path: path.clone(), source };
    let bytes = std::fs::metadata(&path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ReadError::TooLarge { path, bytes });
    }
    let content = std::fs::read(&path).map_err(failed)?;
    let table = match Table::parse(&content) {
        Ok(table) => table,
        Err(source) => return Err(ReadError::Malformed { path, source }),
    };
    if let Some(column) = domain.required_columns().iter().find(|column| table.column(column).is_none()) {
        return Err(ReadError::ColumnMissing { path, column });
    }
    Ok(Source { domain, name, table })
}

impl Study {
    /// The study's id, as the tables give it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What an import states, in an order that a registrar accepts, and what it leaves out.
    pub fn plan(&self) -> Plan {
        plan::make(self)
    }

    fn rows(&self, domain: Domain) -> impl Iterator<Item = Row<'_>> {
        self.sources.iter().filter(move |source| source.domain == domain).flat_map(Source::rows)
    }
}

#[cfg(test)]
mod tests;
