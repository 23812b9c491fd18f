//! A report as text: one sentence first, then each check with its count, then findings with place and what to look at:
//! evidence and what is missing one by one, conduct by code with its first records.
//! ASCII only, so that any terminal, log or printer shows it.

use std::fmt;

use chain::{Instant, TreeSize};

use crate::code::{Class, Code};
use crate::copy::Texts;
use crate::report::{Finding, PartSeen, Report, Verdict};

impl Report {
    /// The outcome in one sentence.
    pub fn sentence(&self) -> String {
        let records = self.covers.records;
        let conduct = self.count(Class::Conduct);
        let verdict = match self.verdict {
            Verdict::Intact => match self.part() {
                Some(part) => format!(
                    "Intact as the part of site {}: the {records} records in it hold, back to the known genesis{}; {} others of \
                     the log are left out",
                    ascii(&part.site),
                    self.sealing(),
                    self.covers.left_out
                ),
                None => {
                    format!("Intact: all {records} records hold, back to the known genesis{}", self.sealing())
                }
            },
            Verdict::ConsistentNotAuthenticated => format!(
                "Consistent, not authenticated: all {records} records hold, but no genesis was given to hold them against"
            ),
            Verdict::Broken => {
                format!("Broken: {} evidence findings in {records} records", self.count(Class::Evidence))
            }
            Verdict::Undecided => format!(
                "Undecided: nothing contradicts in {records} records, but {}",
                match self.count(Class::Absence) {
                    1 => "a thing needed is missing".to_owned(),
                    count => format!("{count} things needed are missing"),
                }
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

impl Report {
    fn part(&self) -> Option<&PartSeen> {
        self.sealed.as_ref()?.part.as_ref()
    }

    /// What vouches for an intact archive.
    fn sealing(&self) -> String {
        let Some(checkpoint) = self.sealed.as_ref().and_then(|sealed| sealed.checkpoint.as_ref()) else {
            return String::new();
        };
        let witnesses = match (checkpoint.quorum, checkpoint.cosigned.len()) {
            (Some(true), 1) => ", cosigned by 1 witness as the policy asks".to_owned(),
            (Some(true), count) if count > 1 => format!(", cosigned by {count} witnesses as the policy asks"),
            _ => String::new(),
        };
        format!(", under the checkpoint that the log signed{witnesses}")
    }

    fn write_sealed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(sealed) = &self.sealed else { return Ok(()) };
        write!(f, "files    {}", sealed.files)?;
        match sealed.files_beyond {
            0 => writeln!(f)?,
            beyond => writeln!(f, ", {beyond} of them beyond the checkpoint and not judged")?,
        }
        if let Some(part) = &sealed.part {
            write_part(f, part)?;
        }
        for report in &sealed.reports {
            let judgement = match report.follows {
                Some(true) => "follows from",
                Some(false) => "does not follow from",
                None => "not judged, by its own word of",
            };
            let (path, engine) = (ascii(&report.path), ascii(&report.engine));
            writeln!(f, "report   {path} by {engine}: {judgement} {} records", report.records)?;
        }
        let Some(checkpoint) = &sealed.checkpoint else { return Ok(()) };
        writeln!(f, "origin   {}", ascii(&checkpoint.origin))?;
        writeln!(f, "size     {} records under root {}", checkpoint.size, checkpoint.root)?;
        for key in &checkpoint.signed_by {
            writeln!(f, "signed   {}", ascii(key))?;
        }
        for by in &checkpoint.cosigned {
            let time = i64::try_from(by.time).ok().and_then(|time| time.checked_mul(1_000_000));
            let time = time.and_then(|time| Instant::from_microseconds(time).ok());
            let time = time.map_or_else(|| format!("second {}", by.time), |time| time.to_string());
            writeln!(f, "cosigned {} at {time}", ascii(&by.witness))?;
        }
        if !checkpoint.unchecked.is_empty() {
            let names: Vec<String> = checkpoint.unchecked.iter().map(|name| ascii(name)).collect();
            writeln!(f, "further  signatures of unknown keys, not checked: {}", names.join(", "))?;
        }
        Ok(())
    }

    /// Both sides of each fork as they were signed: the proof to keep.
    fn write_forks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fork in self.sealed.iter().flat_map(|sealed| &sealed.forks) {
            for (title, note) in [("known", &fork.known), ("found", &fork.found)] {
                writeln!(f, "\nFork, the checkpoint {title}:")?;
                note.lines().try_for_each(|line| writeln!(f, "  {}", ascii(line)))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence())?;
        writeln!(f)?;
        writeln!(f, "records  {} ({} bytes)", self.covers.records, self.covers.bytes)?;
        if self.covers.missing > 0 {
            writeln!(f, "missing  {} records that ought to be there", self.covers.missing)?;
        }
        if self.covers.left_out > 0 {
            writeln!(
                f,
                "left out {} records of others; nothing shows that none of them belongs here",
                self.covers.left_out
            )?;
        }
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
        self.write_sealed(f)?;
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
        self.write_forks(f)
    }
}

impl Report {
    fn write_class(&self, f: &mut fmt::Formatter<'_>, class: Class) -> fmt::Result {
        let total = self.count(class);
        if total == 0 {
            return Ok(());
        }
        let title = match class {
            Class::Evidence => "Evidence",
            Class::Absence => "Missing",
            Class::Conduct => "Conduct",
        };
        writeln!(f, "\n{title} ({total})")?;
        for (code, count) in self.found.iter().filter(|(code, _)| code.class() == class) {
            writeln!(f, "  {count:>8}  {code}: {} See docs/findings/{code}.md", ascii(code.meaning()))?;
            if class == Class::Conduct {
                self.write_places(f, *code, *count)?;
            }
        }
        if class == Class::Conduct {
            return Ok(());
        }
        let mut unlisted = total;
        for finding in self.findings.iter().filter(|finding| finding.class() == class) {
            writeln!(f, "  {}", Line(finding))?;
            unlisted -= 1;
        }
        if unlisted > 0 {
            writeln!(f, "  and {unlisted} more, counted above")?;
        }
        Ok(())
    }

    /// The records of one code's first findings: conduct may be found of every record, and is no breach to be taken in
    /// line by line.
    fn write_places(&self, f: &mut fmt::Formatter<'_>, code: Code, count: u64) -> fmt::Result {
        let of_code = self.findings.iter().filter(|finding| finding.code == code);
        let first: Vec<String> = of_code
            .filter_map(|finding| finding.place.seq)
            .take(PLACES_SHOWN_MAX)
            .map(|seq| seq.to_string())
            .collect();
        let more = match count - first.len() as u64 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        writeln!(f, "            record {}{more}", first.join(", "))
    }
}

/// Records shown of each code of conduct.
const PLACES_SHOWN_MAX: usize = 5;

/// What a certified copy says of itself.
fn write_part(f: &mut fmt::Formatter<'_>, part: &PartSeen) -> fmt::Result {
    writeln!(f, "part     site {}, copied at {}", ascii(&part.site), part.made_at)?;
    match (&part.certified_by, part.signature_holds) {
        (None, _) => writeln!(f, "         certified by nobody's key")?,
        (Some(by), holds) => {
            let judgement = match holds {
                Some(true) => "the signature holds, by the records that are here",
                Some(false) => "the signature does NOT hold",
                None => "not judged",
            };
            writeln!(f, "         certified by {}: {judgement}", ascii(by))?;
        }
    }
    let texts = match part.texts {
        Texts::Sealed => "free text stays sealed",
        Texts::Opened => "free text was opened for them",
    };
    writeln!(f, "         its pages are for people, and checked by their digests alone; {texts}")
}

/// One finding on one line.
struct Line<'a>(&'a Finding);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { code, place, detail } = self.0;
        match place.seq {
            Some(seq) => write!(f, "record {seq}")?,
            None if place.stored_at.is_some() => {}
            None => f.write_str("log")?,
        }
        if !place.pointer.is_empty() {
            write!(f, " {}", ascii(&place.pointer))?;
        }
        if let Some(offset) = place.offset {
            write!(f, " byte {offset}")?;
        }
        match &place.stored_at {
            Some(stored_at) if place.seq.is_none() => f.write_str(&ascii(stored_at))?,
            Some(stored_at) => write!(f, " ({})", ascii(stored_at))?,
            None => {}
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chain::Position;
    use clinical::FindingCode;

    use super::*;
    use crate::report::{Covers, Place};

    #[test]
    fn conduct_is_told_by_code_with_its_first_records() {
        let code = Code::Conduct(FindingCode::ConsentMissing);
        let finding = |seq| Finding {
            code,
            place: Place { seq: Some(Position(seq)), ..Place::default() },
            detail: code.meaning().to_owned(),
        };
        let report = |count: u64| Report {
            verdict: Verdict::Intact,
            strict: false,
            checks: Vec::new(),
            findings: (0..count.min(7)).map(finding).collect(),
            found: BTreeMap::from([(code, count)]),
            covers: Covers::default(),
            sealed: None,
            kinds: BTreeMap::new(),
        };
        let end = |count| report(count).to_string().split_once("Conduct").unwrap().1.to_owned();
        let meaning = "consent-missing: No consent is stated. See docs/findings/consent-missing.md";
        assert_eq!(end(2), format!(" (2)\n         2  {meaning}\n            record 0, 1\n"));
        assert_eq!(
            end(254),
            format!(" (254)\n       254  {meaning}\n            record 0, 1, 2, 3, 4, and 249 more\n")
        );
    }
}
