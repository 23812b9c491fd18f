//! Findings as they come, bounded: of each code the first by place are kept in full, the rest are counted.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::report::{Finding, Place};

/// Longest detail or pointer that is kept, in bytes: what evidence says of itself may be as long as a record.
const TEXT_BYTES_MAX: usize = 300;

/// Place in the order of reading, then order of finding within one record.
type Key = (u64, u64);

#[derive(Debug)]
pub(crate) struct Findings {
    kept_max: usize,
    kept: BTreeMap<Code, BTreeMap<Key, Finding>>,
    found: BTreeMap<Code, u64>,
    serial: u64,
}

impl Findings {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept_max: kept_max.max(1), kept: BTreeMap::new(), found: BTreeMap::new(), serial: 0 }
    }

    /// Takes in a finding about the record read as number `ordinal` (the end of the log: [`u64::MAX`]). Findings may
    /// come in any order of ordinals: which ones are kept does not depend on it.
    pub(crate) fn add(&mut self, code: Code, ordinal: u64, place: Place, detail: impl FnOnce() -> String) {
        *self.found.entry(code).or_default() += 1;
        self.serial += 1;
        let kept = self.kept.entry(code).or_default();
        if kept.len() >= self.kept_max {
            match kept.last_entry() {
                Some(last) if last.key().0 > ordinal => drop(last.remove()),
                _ => return,
            }
        }
        let place = Place { pointer: shortened(place.pointer), ..place };
        kept.insert((ordinal, self.serial), Finding { code, place, detail: shortened(detail()) });
    }

    /// The kept findings, class by class and by place, and how many there are of each code.
    pub(crate) fn finish(self) -> (Vec<Finding>, BTreeMap<Code, u64>) {
        let mut findings: Vec<(Key, Finding)> = self.kept.into_values().flatten().collect();
        findings.sort_by_key(|(key, finding)| (finding.class(), key.0, finding.code, key.1));
        (findings.into_iter().map(|(_, finding)| finding).collect(), self.found)
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.truncate(end);
        text.push_str(" [cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Evidence;

    #[test]
    fn the_first_by_place_are_kept_whatever_the_order_of_finding_and_all_are_counted() {
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
            let mut findings = Findings::new(2);
            for ordinal in order {
                findings
                    .add(Evidence::BadSignature.into(), ordinal, Place::default(), || ordinal.to_string());
            }
            let (kept, found) = findings.finish();
            assert_eq!(kept.iter().map(|finding| &*finding.detail).collect::<Vec<_>>(), ["0", "1"]);
            assert_eq!(found[&Evidence::BadSignature.into()], 5);
        }
    }

    #[test]
    fn many_findings_of_one_code_crowd_out_no_other() {
        let mut findings = Findings::new(1);
        for ordinal in 0..9 {
            findings.add(Evidence::BadSignature.into(), ordinal, Place::default(), String::new);
        }
        findings.add(Evidence::BrokenLink.into(), 9, Place::default(), || "é".repeat(400));
        let (kept, _) = findings.finish();
        assert_eq!(kept.len(), 2);
        assert!(kept[1].detail.len() < 310 && kept[1].detail.ends_with("é [cut]"));
    }
}
