//! A report as text: one sentence first, then each check with its count, then findings with place and what to look at.
//! ASCII only, so that any terminal, log or printer shows it.

use std::fmt;

use chain::TreeSize;

use crate::code::Class;
use crate::report::{Finding, Report, Verdict};

impl Report {
    /// The outcome in one sentence.
    pub fn sentence(&self) -> String {
        let records = self.covers.records;
        let conduct = self.count(Class::Conduct);
        let verdict = match self.verdict {
            Verdict::Intact => format!("Intact: all {records} records hold, back to the known genesis"),
            Verdict::ConsistentNotAuthenticated => format!(
                "Consistent, not authenticated: all {records} records hold, but no genesis was given to hold them against"
            ),
            Verdict::Broken => {
                format!("Broken: {} evidence findings in {records} records", self.count(Class::Evidence))
            }
            Verdict::Undecided => format!(
                "Undecided: nothing contradicts in {records} records, but {} things needed are missing",
                self.count(Class::Absence)
            ),
        };
        match (conduct, self.strict) {
            (0, _) => format!("{verdict}."),
            (_, true) => format!("{verdict}; {conduct} findings of conduct."),
            (_, false) => {
                format!("{verdict}; {conduct} findings of conduct, which do not touch the verdict.")
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence())?;
        writeln!(f)?;
        writeln!(f, "records  {} ({} bytes)", self.covers.records, self.covers.bytes)?;
        writeln!(f, "head     {}", self.covers.head)?;
        if let Some(genesis) = self.covers.genesis {
            writeln!(f, "genesis  {genesis}")?;
        }
        match self.covers.known_size {
            TreeSize(0) => writeln!(
                f,
                "known    no size or receipt was given: a tail left out by whoever holds the files cannot show"
            )?,
            size => writeln!(f, "known    the first {size} records were held against what is known of them")?,
        }
        writeln!(f)?;
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.checks {
            let outcome = match check.failed {
                0 => "ok".to_owned(),
                failed => format!("{failed} do not hold"),
            };
            writeln!(f, "{:width$}  {:>10}  {outcome}", check.name, check.count)?;
        }
        for class in [Class::Evidence, Class::Absence, Class::Conduct] {
            self.write_class(f, class)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_class(&self, f: &mut fmt::Formatter<'_>, class: Class) -> fmt::Result {
        let total = self.count(class);
        if total == 0 {
            return Ok(());
        }
        let listed: Vec<&Finding> = self.findings.iter().filter(|finding| finding.class() == class).collect();
        let title = match class {
            Class::Evidence => "Evidence",
            Class::Absence => "Missing",
            Class::Conduct => "Conduct",
        };
        writeln!(f, "\n{title} ({total})")?;
        for (code, count) in self.found.iter().filter(|(code, _)| code.class() == class) {
            writeln!(f, "  {count:>8}  {code}: {} See docs/findings/{code}.md", ascii(code.meaning()))?;
        }
        for finding in &listed {
            writeln!(f, "  {}", Line(finding))?;
        }
        let unlisted = total - listed.len() as u64;
        if unlisted > 0 {
            writeln!(f, "  and {unlisted} more, counted above")?;
        }
        Ok(())
    }
}

/// One finding on one line.
struct Line<'a>(&'a Finding);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { code, place, detail } = self.0;
        match place.seq {
            Some(seq) => write!(f, "record {seq}")?,
            None => f.write_str("log")?,
        }
        if !place.pointer.is_empty() {
            write!(f, " {}", ascii(&place.pointer))?;
        }
        if let Some(offset) = place.offset {
            write!(f, " byte {offset}")?;
        }
        if let Some(stored_at) = &place.stored_at {
            write!(f, " ({})", ascii(stored_at))?;
        }
        write!(f, ": {code}")?;
        if !detail.is_empty() && detail != code.meaning() {
            write!(f, ": {}", ascii(detail))?;
        }
        Ok(())
    }
}

/// What evidence says is foreign: escaped, so that it can neither move a terminal's cursor nor fake a line.
fn ascii(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            ' '..='~' => out.push(character),
            other => out.extend(other.escape_default()),
        }
        out
    })
}
