//! Whether the cosignatures that are there are enough, and who is missing.

use super::{Member, Policy, Quorum};
use crate::checkpoint::{SignedCheckpoint, TrustError, TrustedCheckpoint};
use crate::note::VerifierKey;

/// What a policy makes of a set of cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation<'p> {
    /// Names of the policy's witnesses that cosigned, in its order.
    pub cosigned: Vec<&'p str>,
    /// What the quorum lacks, from the quorum down; empty if it is met.
    pub short: Vec<Shortfall<'p>>,
}

/// A group, or a single witness that is the quorum, that lacks cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall<'p> {
    /// Its name.
    pub name: &'p str,
    /// How many of its members must witness.
    pub needed: usize,
    /// How many do.
    pub present: usize,
    /// Names of its members that do not, in its order.
    pub missing: Vec<&'p str>,
}

impl Evaluation<'_> {
    /// Whether the quorum is met.
    pub fn is_met(&self) -> bool {
        self.short.is_empty()
    }
}

impl Policy {
    /// Says whether checked cosignatures by these keys meet the quorum. Keys that the policy does not know count for
    /// nothing, and none counts twice.
    pub fn evaluate<'k>(&self, cosigned: impl IntoIterator<Item = &'k VerifierKey>) -> Evaluation<'_> {
        let mut witnesses = vec![false; self.witnesses.len()];
        for key in cosigned {
            if let Some(place) = self.witnesses.iter().position(|known| known == key) {
                witnesses[place] = true;
            }
        }
        // A group's members stand above it, so one pass decides them all.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let present = group.members.iter().filter(|member| holds(&witnesses, &groups, **member)).count();
            groups.push(present >= group.threshold);
        }
        let names = self.witness_names.iter().zip(&witnesses);
        let cosigned = names.filter(|(_, holds)| **holds).map(|(name, _)| name.as_str()).collect();

        let mut short = Vec::new();
        let mut unmet: Vec<Member> = match self.quorum {
            Quorum::Of(member) if !holds(&witnesses, &groups, member) => vec![member],
            Quorum::Of(_) | Quorum::None => Vec::new(),
        };
        if let [member @ Member::Witness(_)] = unmet[..] {
            let name = self.name(member);
            short.push(Shortfall { name, needed: 1, present: 0, missing: vec![name] });
        }
        // Nothing is a member of two groups, so each is come to once.
        while let Some(member) = unmet.pop() {
            let Member::Group(place) = member else { continue };
            let group = &self.groups[place];
            let lacking: Vec<_> =
                group.members.iter().copied().filter(|member| !holds(&witnesses, &groups, *member)).collect();
            short.push(Shortfall {
                name: &group.name,
                needed: group.threshold,
                present: group.members.len() - lacking.len(),
                missing: lacking.iter().map(|member| self.name(*member)).collect(),
            });
            unmet.extend(lacking.into_iter().rev());
        }
        Evaluation { cosigned, short }
    }

    /// Checks a signed checkpoint by the policy's keys, and says whether its quorum is met. `logs` are log keys known
    /// otherwise, where the policy names none; give [`Policy::logs`] where it does.
    ///
    /// # Errors
    /// [`TrustError`]: the checkpoint is not the log's, or a cosignature does not hold.
    pub fn check<'k>(
        &'k self,
        checkpoint: &SignedCheckpoint,
        logs: &'k [VerifierKey],
    ) -> Result<(TrustedCheckpoint<'k>, Evaluation<'k>), TrustError> {
        let trusted = checkpoint.verify(logs, &self.witnesses)?;
        let evaluation = self.evaluate(trusted.cosignatures.iter().map(|cosignature| cosignature.key));
        Ok((trusted, evaluation))
    }
}

fn holds(witnesses: &[bool], groups: &[bool], member: Member) -> bool {
    match member {
        Member::Witness(place) => witnesses[place],
        Member::Group(place) => groups[place],
    }
}
