//! What must agree before anything is signed: the journal, what was kept, and the archive.

use std::collections::{BTreeMap, BTreeSet};

use chain::tile::TilePath;
use chain::{RootHash, SignedCheckpoint, TreeSize};
use keep::{Kept, Purpose};

use super::{Desk, Sealer};
use crate::growth::{Files, Growth};
use crate::refusal::{ArchiveFault, Fault, Refusal, Side};

/// What was found at one moment. Another notary may go on while it is checked.
#[derive(PartialEq)]
struct Found {
    signed: Option<Kept>,
    witnessed: Option<Kept>,
}

impl Sealer {
    /// Checks everything up to the last checkpoint: recomputes the tree from the journal's bytes, and holds what was kept
    /// and the archive against it. Signs nothing and changes nothing, but for what cut-off writes have left.
    pub(crate) fn check(desk: Desk) -> Result<Self, (Desk, Fault)> {
        loop {
            let checked = desk.found().map_err(Fault::from).and_then(|found| match desk.check(&found) {
                Ok(checked) => Ok(Some(checked)),
                // What was held against each other may not have been of one moment.
                Err(fault) if desk.found().is_ok_and(|now| now == found) => Err(fault),
                Err(_) => Ok(None),
            });
            match checked {
                Ok(Some(Checked { growth, signed, witnessed, served, partial })) => {
                    return Ok(Self { desk, growth, signed, witnessed, served, partial });
                }
                Ok(None) => {}
                Err(fault) => return Err((desk, fault)),
            }
        }
    }
}

struct Checked {
    growth: Growth,
    signed: Option<SignedCheckpoint>,
    witnessed: Option<SignedCheckpoint>,
    served: Option<SignedCheckpoint>,
    partial: BTreeSet<TilePath>,
}

/// Roots that somebody has stated, to be held against the journal's.
type Marks = BTreeMap<TreeSize, Vec<(Side, RootHash)>>;

impl Desk {
    fn found(&self) -> Result<Found, crate::refusal::Failure> {
        Ok(Found { signed: self.last(Purpose::Signed)?, witnessed: self.last(Purpose::Witnessed)? })
    }

    fn check(&self, found: &Found) -> Result<Checked, Fault> {
        let signed = found.signed.as_ref().map(|kept| self.read_kept(Side::Kept, kept)).transpose()?;
        let witnessed =
            found.witnessed.as_ref().map(|kept| self.read_kept(Side::Witnessed, kept)).transpose()?;
        let served = self.archive.checkpoint()?;
        let served = served.map(|bytes| self.read(Side::Archive, &bytes)).transpose()?;

        let kept = signed.as_ref().map(|signed| signed.claim().size);
        let mut marks = Marks::new();
        let sides = [(Side::Kept, &signed), (Side::Witnessed, &witnessed), (Side::Archive, &served)];
        for (side, stated) in sides {
            let Some(claim) = stated.as_ref().map(SignedCheckpoint::claim) else { continue };
            if Some(claim.size) > kept {
                return Err(Refusal::StateBehind { kept, side, size: claim.size }.into());
            }
            marks.entry(claim.size).or_default().push((side, claim.root));
        }
        let size = kept.unwrap_or_default();
        self.wait_for(size, &Side::Kept)?;
        self.archive.sweep()?;
        let growth = self.recompute(size, &marks)?;
        let partial = self.archive.list()?.into_iter().filter(|path| !path.is_full());
        let partial = partial.map(TilePath::full).collect();
        Ok(Checked { growth, signed, witnessed, served, partial })
    }

    /// Recomputes the tree of `size` from the journal, with the roots of `marks` and the archive's files held against it.
    fn recompute(&self, size: TreeSize, marks: &Marks) -> Result<Growth, Fault> {
        let mut growth = Growth::default();
        // A fault of the archive is told only when it is known that the journal is the log that was signed.
        let mut damage = None;
        for (mark, stated) in marks {
            self.follow(&mut growth, *mark, |_, files| self.compare(files, &mut damage))?;
            for (side, theirs) in stated {
                let ours = growth.root();
                if ours != *theirs {
                    let (side, size, theirs) = (side.clone(), *mark, *theirs);
                    return Err(Refusal::Fork { side, size, ours, theirs }.into());
                }
            }
        }
        debug_assert_eq!(growth.size(), size, "what was kept is the last mark");
        self.compare(growth.partials(), &mut damage)?;
        match damage {
            Some((path, fault)) => Err(Refusal::Archive { path, fault }.into()),
            None => Ok(growth),
        }
    }

    /// Holds the archive's files against these, and notes the first that is not the same.
    fn compare(&self, files: Files, damage: &mut Option<(TilePath, ArchiveFault)>) -> Result<(), Fault> {
        for (path, bytes) in files.into_all() {
            if damage.is_some() {
                break;
            }
            let fault = match self.archive.get(path) {
                Ok(Some(there)) if there == bytes => continue,
                Ok(Some(_)) | Err(archive::GetError::TooLarge { .. }) => ArchiveFault::Different,
                Ok(None) => ArchiveFault::Missing,
                Err(error) => return Err(error.into()),
            };
            *damage = Some((path, fault));
        }
        Ok(())
    }
}
