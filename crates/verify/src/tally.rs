//! Each check with how often it was made and did not hold.

use crate::report::Check;

/// How often something was checked and did not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub count: u64,
    pub failed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, holds: bool) {
        self.count += 1;
        self.failed += u64::from(!holds);
    }

    pub(crate) fn check(self, name: &'static str) -> Check {
        Check { name, count: self.count, failed: self.failed }
    }
}

/// A tally for each check.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub forms: Tally,
    pub positions: Tally,
    pub links: Tally,
    pub times: Tally,
    pub cosigned_times: Tally,
    pub events: Tally,
    pub ids: Tally,
    pub authority: Tally,
    pub signatures: Tally,
    pub genesis: Tally,
    pub log_key: Tally,
    pub known: Tally,
    pub conduct: Tally,
    pub cuts: Tally,
}

impl Tallies {
    pub(crate) fn checks(&self) -> Vec<Check> {
        [
            self.forms.check("record form"),
            self.positions.check("positions"),
            self.links.check("links"),
            self.times.check("times"),
            self.events.check("event form"),
            self.ids.check("event ids"),
            self.authority.check("authority"),
            self.signatures.check("signatures"),
            self.genesis.check("genesis"),
            self.log_key.check("log key"),
            self.known.check("known heads and receipts"),
            self.conduct.check("conduct"),
        ]
        .into_iter()
        // Only where there is a data cut, or a cosignature to hold records against.
        .chain(Some(self.cuts.check("data cuts")).filter(|check| check.count > 0))
        .chain(Some(self.cosigned_times.check("times against cosignatures")).filter(|check| check.count > 0))
        .collect()
    }
}
