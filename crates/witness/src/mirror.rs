//! A copy of a log in a directory, which follows what a server serves and believes none of it.
//!
//! ```text
//! log/checkpoint, log/tile/…   an archive: what a verifier reads; whole for its checkpoint at any time
//! seen                         the latest checkpoint proven to continue all before it; never goes back
//! keys                         the log's keys that its records name, where they are not those the mirror was given
//! scope                        what is copied, fixed when the directory is made
//! cosignatures/<size>          the checkpoint of that size with our cosignature
//! forks/, faults/              evidence against the log: see below
//! lock                         held while a mirror is open
//! ```
//!
//! Of a site's copy the entry bundles hold the records that the site may read, and an empty entry for each other one.
//!
//! A step writes in this order; what a crash leaves behind each of them, the next step takes up:
//!
//! | written | a crash behind it leaves |
//! |---|---|
//! | `keys`, if a key is new | a key that the log names, and of which nothing is made yet |
//! | `seen` | a promise kept from now on; `log/checkpoint` is still the earlier one, and all it needs is there |
//! | hash tiles, from the top level down, each held against the one above | tiles that are found again and not fetched again |
//! | entry bundles, each record held against its leaf | bundles that are written again with the same bytes |
//! | `log/checkpoint` | earlier partial tiles, which go when the mirror is opened next |
//! | removal of earlier partial tiles | nothing to do |
//!
//! Evidence comes in two kinds. `forks/` holds signed checkpoints that cannot all be of one log; `faults/` holds records
//! that the log's signed tree does contain though they are none, or name another record before them than it does.

mod cosign;
mod disk;
mod error;
mod keys;
mod records;
mod site;
mod tiles;

use std::fmt;
use std::path::{Path, PathBuf};

use chain::checkpoint::SignedCheckpoint;
use chain::note::VerifierKey;
use chain::tree::{self, SIZE_MAX};
use chain::{RecordHash, RootHash, TreeSize};

use crate::authority::Authority;
use crate::fetch::{Fetch, FetchError, Resource, Site};
use disk::Disk;
use tiles::Tiles;

pub use cosign::{CosignError, OwnCosignature};
pub use disk::DiskError;
pub use error::{MirrorOpenError, RecordFault, Sides, SiteAnswerFault, StepError};
pub use tiles::{NotLoaded, TilesError};

/// What is known of a log before anything is fetched, from elsewhere than the server.
#[derive(Debug, Clone)]
pub struct Anchors {
    /// The log's verifier keys: one, or both where a log changes its key and the mirror does not follow that by itself.
    pub logs: Vec<VerifierKey>,
    /// Hash of its first record, if it is known.
    pub genesis: Option<RecordHash>,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Checkpoints and hash tiles: enough to witness, and to prove records that somebody else shows.
    Hashes,
    /// These, and the records that a site may read.
    Site(Site),
    /// Everything.
    Whole,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashes => f.write_str("hashes"),
            Self::Site(site) => write!(f, "site {site}"),
            Self::Whole => f.write_str("whole"),
        }
    }
}

/// What a step has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Records that the copy covered before.
    pub from: TreeSize,
    /// Records that it covers now.
    pub size: TreeSize,
    /// The root over them.
    pub root: RootHash,
    /// Hash tiles written.
    pub tiles: u64,
    /// Records written.
    pub records: u64,
    /// Records of other sites' subjects that the server sent to a site. They were not kept; the server should not have
    /// sent them.
    pub foreign: u64,
}

/// A tree as a checkpoint states it.
#[derive(Debug, Clone, Copy)]
struct Tree {
    size: TreeSize,
    root: RootHash,
}

impl From<&SignedCheckpoint> for Tree {
    fn from(checkpoint: &SignedCheckpoint) -> Self {
        Self { size: checkpoint.claim().size, root: checkpoint.claim().root }
    }
}

/// An open mirror. It reads and writes files between what it fetches, on the thread that drives it, and needs tokio's
/// runtime.
pub struct Mirror {
    disk: Disk,
    anchors: Anchors,
    scope: Scope,
    seen: Option<SignedCheckpoint>,
    copied: Option<SignedCheckpoint>,
    /// What the records copied say of the log's keys, and those that they name, as they were kept.
    authority: Option<Box<dyn Authority>>,
    remembered: Vec<VerifierKey>,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Mirror {
    /// Opens the mirror in a directory, or makes it (mode 0700).
    ///
    /// # Errors
    /// [`MirrorOpenError`].
    pub async fn open(directory: &Path, anchors: Anchors, scope: Scope) -> Result<Self, MirrorOpenError> {
        Self::on(Disk::open(directory).await?, anchors, scope).await
    }

    async fn on(disk: Disk, anchors: Anchors, scope: Scope) -> Result<Self, MirrorOpenError> {
        let found = disk.scope(&scope.to_string())?;
        if found != scope.to_string() {
            return Err(MirrorOpenError::OtherScope { found, asked: scope });
        }
        let remembered = disk.keys()?;
        let known = [&anchors.logs[..], &remembered[..]].concat();
        let seen = checkpoint("seen", disk.seen()?, &known)?;
        let copied = checkpoint("log/checkpoint", disk.checkpoint().await?, &known)?;
        let size = |checkpoint: &Option<SignedCheckpoint>| checkpoint.as_ref().map(|read| read.claim().size);
        if size(&copied) > size(&seen) {
            // It was written before the other: who takes it away or sets it back would have the mirror forget.
            return Err(MirrorOpenError::SetBack);
        }
        let mirror = Self { disk, anchors, scope, seen, copied, authority: None, remembered };
        mirror.sweep().await?;
        Ok(mirror)
    }

    /// The latest checkpoint proven to continue all before it.
    pub fn seen(&self) -> Option<&SignedCheckpoint> {
        self.seen.as_ref()
    }

    /// The checkpoint for which the copy is whole.
    pub fn copied(&self) -> Option<&SignedCheckpoint> {
        self.copied.as_ref()
    }

    /// Files of evidence against the log that were kept so far, by this mirror or in earlier runs.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn evidence(&self) -> Result<Vec<PathBuf>, DiskError> {
        self.disk.evidence()
    }

    /// How many records the copy covers.
    fn have(&self) -> TreeSize {
        self.copied.as_ref().map_or(TreeSize(0), |checkpoint| checkpoint.claim().size)
    }

    /// Fetches the latest checkpoint, holds it against the last one seen, and completes the copy for it. Whatever of an
    /// earlier step was cut off or refused is taken up again.
    ///
    /// # Errors
    /// [`StepError`]. The copy then is whole for the checkpoint it had, and nothing false has entered it.
    pub async fn step(&mut self, from: &dyn Fetch) -> Result<Step, StepError> {
        let bytes = fetch(from, Resource::Checkpoint).await?;
        let served = SignedCheckpoint::parse(&bytes).map_err(StepError::NotACheckpoint)?;
        let size = served.claim().size;
        if size > SIZE_MAX {
            return Err(StepError::TooLarge { size });
        }
        self.trust(from, &served).await?;
        let tiles = self.follow(from, &served).await?;
        self.complete(from, tiles).await
    }

    /// Holds a checkpoint, signed by the log, against the last one seen, and makes it that one if it continues it. Gives
    /// tiles that were fetched for that and held against its root.
    async fn follow(&mut self, from: &dyn Fetch, served: &SignedCheckpoint) -> Result<Tiles, StepError> {
        let new = Tree::from(served);
        let Some(seen) = &self.seen else {
            let tiles = tiles::fetch_for(from, &[], new).await?;
            tiles::open(&tiles, new).map_err(StepError::WrongTiles)?;
            return self.see(served, tiles);
        };
        let old = Tree::from(seen);
        if new.size < old.size {
            let contradicts = self.root_at(new.size).await.is_some_and(|root| root != new.root);
            return Err(self.refuse(seen, served, contradicts));
        }
        if new.size == old.size {
            if new.root != old.root {
                return Err(self.refuse(seen, served, true));
            }
            // The same tree with more cosignatures is worth having; with fewer it is not.
            let more = seen.note().lines().iter().all(|line| served.note().lines().contains(line));
            return if more && seen != served { self.see(served, Tiles::new()) } else { Ok(Tiles::new()) };
        }
        let nodes = tree::consistency_nodes(old.size, new.size).map_err(StepError::WrongTiles)?;
        let tiles = tiles::fetch_for(from, &nodes, new).await?;
        let proof = {
            let mut hashes = tiles::open(&tiles, new).map_err(StepError::WrongTiles)?;
            tree::consistency_proof(&mut hashes, old.size, new.size).map_err(StepError::WrongTiles)?
        };
        // The proof is made of hashes that are the new tree's, each of them. So if it does not hold, no proof does.
        if tree::verify_consistency(old.size, old.root, new.size, new.root, &proof).is_err() {
            return Err(self.refuse(seen, served, true));
        }
        self.see(served, tiles)
    }

    fn see(&mut self, served: &SignedCheckpoint, tiles: Tiles) -> Result<Tiles, StepError> {
        self.disk.put_seen(served)?;
        self.seen = Some(served.clone());
        Ok(tiles)
    }

    /// Keeps both sides.
    fn refuse(&self, seen: &SignedCheckpoint, served: &SignedCheckpoint, contradicts: bool) -> StepError {
        let kept = self.disk.keep_sides(seen, served).map(|(seen, served)| Sides { seen, served });
        let (seen, served) = (seen.claim().size, served.claim().size);
        if contradicts {
            StepError::Forked { seen, served, kept }
        } else {
            StepError::RolledBack { seen, served, kept }
        }
    }

    /// The root that our own copy has at a size, if it reaches that far and is sound.
    async fn root_at(&self, size: TreeSize) -> Option<RootHash> {
        let copied = Tree::from(self.copied.as_ref()?);
        if size > copied.size {
            return None;
        }
        let tiles = self.disk.tiles_for(&tree::nodes_of(size), copied.size).await.ok()?;
        tree::root(&mut tiles::open(&tiles, copied).ok()?, size).ok()
    }

    /// Fetches what the copy lacks for the checkpoint seen, and publishes that checkpoint in it.
    async fn complete(&mut self, from: &dyn Fetch, known: Tiles) -> Result<Step, StepError> {
        let have = self.have();
        let tree = self.seen.as_ref().map_or(Tree { size: have, root: RootHash::empty() }, Tree::from);
        let mut step =
            Step { from: have, size: tree.size, root: tree.root, tiles: 0, records: 0, foreign: 0 };
        if tree.size > have {
            step.tiles = self.copy_tiles(from, have, tree, known).await?;
            self.check_genesis(tree).await?;
            let mut authority = self.authority.as_ref().map(|authority| authority.branch());
            let mut follow = |record: &[u8]| {
                if let Some(authority) = &mut authority {
                    authority.follow(record);
                }
            };
            match &self.scope {
                Scope::Hashes => {}
                Scope::Whole => step.records = self.copy_bundles(from, have, tree, &mut follow).await?,
                Scope::Site(site) => {
                    (step.records, step.foreign) =
                        self.copy_site(from, site, have, tree, &mut follow).await?;
                }
            }
            if let (Some(authority), Some(seen)) = (authority, &self.seen) {
                // The records may say that it has to be signed with other keys than were known before them.
                self.check_signed(Some(&*authority), seen)?;
                self.remember(authority.named())?;
                self.authority = Some(authority);
            }
        }
        if self.copied != self.seen
            && let Some(seen) = &self.seen
        {
            self.disk.put_checkpoint(seen).await?;
            self.copied = Some(seen.clone());
            self.remove_superseded(have, tree.size).await?;
        }
        Ok(step)
    }

    async fn check_genesis(&self, tree: Tree) -> Result<(), StepError> {
        let Some(expected) = self.anchors.genesis else { return Ok(()) };
        let found = records::Leaves::new(tree).at(records::Held::Here(&self.disk), 0).await?;
        if found == expected { Ok(()) } else { Err(StepError::GenesisDiffers { expected, found }) }
    }
}

/// A checkpoint out of the mirror's directory.
fn checkpoint(
    name: &'static str,
    bytes: Option<Vec<u8>>,
    logs: &[VerifierKey],
) -> Result<Option<SignedCheckpoint>, MirrorOpenError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let damaged = |what| MirrorOpenError::State { name, what };
    let checkpoint = SignedCheckpoint::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
    checkpoint.verify(logs, &[]).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(checkpoint))
}

async fn fetch(from: &dyn Fetch, resource: Resource<'_>) -> Result<Vec<u8>, StepError> {
    let failed = |source| StepError::Fetch { what: resource.to_string(), source };
    let bytes = from.fetch(resource).await.map_err(failed)?;
    let limit = resource.bytes_max();
    if bytes.len() > limit { Err(failed(FetchError::TooLarge { limit })) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
