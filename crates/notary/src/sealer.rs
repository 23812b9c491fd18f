//! The steps from one checkpoint to the next, and the check before the first of them. No thread, no clock: what is done
//! when is `run`'s matter.

mod check;

use std::collections::BTreeSet;
use std::sync::Arc;

use archive::BlockingArchive;
use chain::note::Signer;
use chain::tile::{TileHashes, TilePath, TileReadError};
use chain::tree::{self, TreeError};
use chain::{Checkpoint, RootHash, SignedCheckpoint, TreeSize};
use journal::Journal;
use keep::{AdvanceError, Checkpoints, Kept, Purpose};

use crate::growth::{Files, Growth, JournalFault};
use crate::keys::LogKeys;
use crate::refusal::{Failure, Fault, Refusal, Side};

/// Read from the journal at once, in bytes: what is held in memory while its files are written, about twice.
const READ_BYTES: usize = 8 << 20;

/// The log's keys, and where the log and its state are.
pub(crate) struct Desk {
    pub(crate) origin: String,
    pub(crate) keys: Arc<dyn LogKeys>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) archive: BlockingArchive,
    pub(crate) keep: Arc<Checkpoints>,
}

/// A notary that has checked everything up to its last checkpoint.
pub(crate) struct Sealer {
    desk: Desk,
    /// The journal up to the last checkpoint.
    growth: Growth,
    /// The last checkpoint signed and kept; none if there never was one.
    signed: Option<SignedCheckpoint>,
    /// The last one whose quorum was kept.
    witnessed: Option<SignedCheckpoint>,
    /// What the archive serves.
    served: Option<SignedCheckpoint>,
    /// Full tiles in whose place partial ones may still be.
    partial: BTreeSet<TilePath>,
}

impl Desk {
    /// Reads bytes that must be a checkpoint signed by this log.
    fn read(&self, side: Side, bytes: &[u8]) -> Result<SignedCheckpoint, Refusal> {
        let refuse =
            |what: String| Refusal::NotACheckpoint { side: side.clone(), origin: self.origin.clone(), what };
        match SignedCheckpoint::parse(bytes) {
            Ok(signed) if signed.claim().origin() != self.origin => {
                Err(refuse("it is another log's".to_owned()))
            }
            Ok(signed) => match signed.verify(&self.keys.due(signed.claim().size), &[]) {
                Ok(_) => Ok(signed),
                // Which keys are due up to its own end the journal says, and of what lies behind that it cannot know.
                Err(error) if error.is_unknown() && signed.claim().size > self.journal.head().size => {
                    Err(Refusal::KeyUnknown { side, size: signed.claim().size })
                }
                Err(error) => Err(refuse(error.to_string())),
            },
            Err(error) => Err(refuse(error.to_string())),
        }
    }

    fn last(&self, purpose: Purpose) -> Result<Option<Kept>, Failure> {
        Ok(self.keep.last(&self.origin, purpose)?)
    }

    /// The note of a checkpoint that was kept.
    fn read_kept(&self, side: Side, kept: &Kept) -> Result<SignedCheckpoint, Refusal> {
        let signed = self.read(side.clone(), &kept.note)?;
        if state(&signed) == (kept.size, kept.root) {
            Ok(signed)
        } else {
            let what = format!("its note is over {}, it was kept as over {}", signed.claim().size, kept.size);
            Err(Refusal::NotACheckpoint { side, origin: self.origin.clone(), what })
        }
    }

    /// Signs with every key that is due when the log has `due_at` records.
    fn sign(&self, size: TreeSize, root: RootHash, due_at: TreeSize) -> Result<SignedCheckpoint, Failure> {
        let checkpoint =
            Checkpoint::new(&self.origin, size, root).expect("the name of a key is that of a log");
        let due = self.keys.due(due_at).into_iter();
        let signers = due.map(|key| self.keys.signer(&key).ok_or(Failure::KeyMissing { key, size }));
        let signers = signers.collect::<Result<Vec<Signer>, _>>()?;
        let signers: Vec<&Signer> = signers.iter().collect();
        Ok(SignedCheckpoint::sign(checkpoint, &signers).expect("there is a signer, and there are few"))
    }

    /// Follows the journal from `growth` to `to`, handing over each batch's full files and the size it ends at.
    fn follow(
        &self,
        growth: &mut Growth,
        to: TreeSize,
        mut each: impl FnMut(&mut Growth, Files) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while growth.size() < to {
            let from = growth.size().next_position();
            let records = self.journal.read(from, READ_BYTES)?;
            if records.is_empty() {
                return Err(JournalFault::Withheld { seq: from }.into());
            }
            let mut files = Files::default();
            let due = usize::try_from(to.0 - from.0).unwrap_or(usize::MAX);
            for record in records.iter().take(due) {
                growth.append(record, &mut files)?;
                self.keys.follow(record);
            }
            each(growth, files)?;
        }
        Ok(())
    }
}

/// Size and root, as they are kept.
pub(crate) fn state(signed: &SignedCheckpoint) -> (u64, [u8; 32]) {
    (signed.claim().size.0, signed.claim().root.0)
}

fn kept(signed: &SignedCheckpoint) -> Kept {
    let (size, root) = state(signed);
    Kept { size, root, note: signed.to_string().into_bytes() }
}

impl Sealer {
    pub(crate) fn size(&self) -> TreeSize {
        self.growth.size()
    }

    pub(crate) fn signed(&self) -> Option<&SignedCheckpoint> {
        self.signed.as_ref()
    }

    pub(crate) fn served(&self) -> Option<&SignedCheckpoint> {
        self.served.as_ref()
    }

    pub(crate) fn witnessed(&self) -> Option<&SignedCheckpoint> {
        self.witnessed.as_ref()
    }

    /// What to ask witnesses about before anything is signed: the last checkpoint, or the empty tree's, of which there
    /// is one alone, signed with the keys of today: the first may be gone before anything was sealed.
    pub(crate) fn standing(&self) -> Result<SignedCheckpoint, Failure> {
        let served = self.served.as_ref().filter(|_| !self.is_unpublished());
        match served.or(self.signed.as_ref()) {
            Some(standing) => Ok(standing.clone()),
            None => self.desk.sign(TreeSize(0), RootHash::empty(), TreeSize(u64::MAX)),
        }
    }

    /// Whether the last checkpoint signed is not what the archive serves.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.signed.as_ref().map(state) != self.served.as_ref().map(state)
    }

    /// Steps 1 to 5: seals the journal up to `to`, which must be durable and beyond the last checkpoint, and keeps the
    /// signed checkpoint. After a failure the last checkpoint is what it was, and all may be tried again.
    pub(crate) fn seal(&mut self, to: TreeSize) -> Result<(), Fault> {
        let before = self.growth.size();
        let mut next = self.growth.clone();
        let archive = &self.desk.archive;
        let write = |files: Files| -> Result<(), Fault> {
            archive.put_all(files.bundles)?;
            Ok(archive.put_all(files.tiles)?)
        };
        self.desk.follow(&mut next, to, |_, files| write(files))?;
        let mut partials = next.partials();
        // Those of levels that have not grown are there since the last checkpoint.
        partials.retain(|path| !path.exists_in(before));
        self.partial.extend(partials.paths().map(TilePath::full));
        write(partials)?;

        let old = (before, self.growth.root());
        prove(archive, old, (next.size(), next.root()))?;
        let signed = self.desk.sign(next.size(), next.root(), next.size())?;
        let expected = self.signed.as_ref().map(state);
        match self.desk.keep.advance(&self.desk.origin, Purpose::Signed, expected, &kept(&signed)) {
            Ok(()) => {}
            Err(AdvanceError::Conflict { actual }) => return self.adopt(actual),
            Err(AdvanceError::Store(error)) => return Err(error.into()),
            // Sizes only grow here, and stay below 2^53.
            Err(AdvanceError::NoContinuation { .. } | AdvanceError::TooLarge { .. }) => {
                return self.adopt(self.desk.last(Purpose::Signed)?);
            }
        }
        self.growth = next;
        self.signed = Some(signed);
        Ok(())
    }

    /// Goes on from a checkpoint that another notary, or an earlier try of ours, has kept: if the journal says the same.
    fn adopt(&mut self, actual: Option<Kept>) -> Result<(), Fault> {
        let ours = self.growth.size();
        let kept = actual.as_ref().map(|actual| TreeSize(actual.size));
        let Some(actual) = actual.filter(|_| kept >= Some(ours)) else {
            // What was kept is gone, under our hands.
            return Err(Refusal::StateBehind { kept, side: Side::Signed, size: ours }.into());
        };
        let size = TreeSize(actual.size);
        self.desk.wait_for(size, &Side::Kept)?;
        let mut growth = self.growth.clone();
        // Before it is read: the records say whose signature it needs.
        self.desk.follow(&mut growth, size, |_, _| Ok(()))?;
        let signed = self.desk.read_kept(Side::Kept, &actual)?;
        let (found, theirs) = (growth.root(), signed.claim().root);
        if found != theirs {
            return Err(Refusal::Fork { side: Side::Kept, size, ours: found, theirs }.into());
        }
        self.partial.extend(growth.partials().paths().map(TilePath::full));
        self.growth = growth;
        self.signed = Some(signed);
        Ok(())
    }

    /// Steps 6 and 7: puts `checkpoint`, the last one with whatever cosignatures, into the archive, and gives whether it
    /// did: if another notary has gone on meanwhile, its checkpoint is the last one to go on from.
    pub(crate) fn publish(&mut self, checkpoint: &SignedCheckpoint) -> Result<bool, Fault> {
        let bytes = checkpoint.to_string().into_bytes();
        let Desk { keep, archive, origin, .. } = &self.desk;
        // While it is held, nobody can keep, and so nobody publish, a larger one.
        let done = keep.while_last(origin, Purpose::Signed, |last| match last {
            Some(last) if (last.size, last.root) == state(checkpoint) => {
                archive.put_checkpoint(bytes).map(|()| None)
            }
            last => Ok(Some(last)),
        })?;
        match done? {
            None => {
                self.served = Some(checkpoint.clone());
                Ok(true)
            }
            Some(last) => self.adopt(last).map(|()| false),
        }
    }

    /// Step 8: keeps a checkpoint that the quorum has cosigned.
    pub(crate) fn keep_witnessed(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), Fault> {
        let expected = self.witnessed.as_ref().map(state);
        match self.desk.keep.advance(&self.desk.origin, Purpose::Witnessed, expected, &kept(checkpoint)) {
            Ok(()) => {
                self.witnessed = Some(checkpoint.clone());
                Ok(())
            }
            Err(AdvanceError::Conflict { actual }) => {
                // Another notary was quicker. Its checkpoint too was kept as signed before, and checked when adopted.
                let actual =
                    actual.map(|actual| self.desk.read_kept(Side::Witnessed, &actual)).transpose()?;
                self.witnessed = actual;
                Ok(())
            }
            Err(AdvanceError::NoContinuation { .. } | AdvanceError::TooLarge { .. }) => Ok(()),
            Err(AdvanceError::Store(error)) => Err(error.into()),
        }
    }

    /// Step 9: removes partial tiles and bundles in whose place the served checkpoint has full ones, but for those of
    /// the checkpoint witnessed last.
    pub(crate) fn tidy(&mut self) -> Result<(), Failure> {
        let served = self.served.as_ref().map_or(TreeSize(0), |served| served.claim().size);
        let witnessed = self.witnessed.as_ref().map(|witnessed| witnessed.claim().size);
        let due: Vec<_> = self.partial.iter().copied().filter(|full| is_within(*full, served)).collect();
        for full in due {
            let mut kept_one = false;
            for partial in self.desk.archive.partials(full)? {
                if witnessed.is_some_and(|size| partial.exists_in(size)) {
                    kept_one = true;
                } else {
                    self.desk.archive.remove(partial)?;
                }
            }
            if !kept_one {
                self.partial.remove(&full);
            }
        }
        Ok(())
    }

    /// The last checkpoint that is kept, by whichever notary.
    pub(crate) fn last_kept_size(&self) -> Result<Option<TreeSize>, Failure> {
        Ok(self.desk.last(Purpose::Signed)?.map(|kept| TreeSize(kept.size)))
    }
}

/// Whether a tree of `size` has this full tile.
fn is_within(full: TilePath, size: TreeSize) -> bool {
    full.full().exists_in(size)
}

impl Desk {
    /// That the journal is as long as somebody says.
    fn wait_for(&self, size: TreeSize, side: &Side) -> Result<(), Refusal> {
        let journal = self.journal.head().size;
        if journal < size {
            return Err(Refusal::JournalShorter { journal, side: side.clone(), size });
        }
        Ok(())
    }
}

/// Step 3: reads the tiles at the right edge back and proves from them that the new tree continues the old one.
fn prove(
    archive: &BlockingArchive,
    (old, old_root): (TreeSize, RootHash),
    (new, root): (TreeSize, RootHash),
) -> Result<(), Fault> {
    let fetch = |path| -> Result<Vec<u8>, Fault> {
        archive.get(path)?.ok_or_else(|| Failure::Vanished { path }.into())
    };
    let refuse = |what: String| Fault::from(Refusal::ReadBack { size: new, what });
    let unfit = |error: TileReadError<Fault>| match error {
        TileReadError::Fetch { source, .. } => source,
        TileReadError::Malformed(error) => refuse(error.to_string()),
        TileReadError::WrongTile { path, .. } => refuse(format!("{path} is not what the level above says")),
        TileReadError::WrongRoot { found, .. } => refuse(format!("their root is {found}, not {root}")),
        TileReadError::OutsideTree { node, .. } => refuse(format!("{node} is not in the tree")),
    };
    let mut hashes = TileHashes::open(fetch, new, root).map_err(unfit)?;
    let proof = match tree::consistency_proof(&mut hashes, old, new) {
        Ok(proof) => proof,
        Err(TreeError::Read(error)) => return Err(unfit(error)),
        Err(TreeError::Shrunk { .. } | TreeError::OutsideTree { .. } | TreeError::Count { .. }) => {
            return Err(refuse(format!("there is no proof from {old}")));
        }
    };
    tree::verify_consistency(old, old_root, new, root, &proof).map_err(|error| refuse(error.to_string()))
}
