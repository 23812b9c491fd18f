//! Which keys a checkpoint has to be signed with: those known from elsewhere, until the log's own records say it.
//!
//! A copy that holds records follows a change of the log's key by itself. If a checkpoint is signed by no key that is due,
//! the records up to it are read before anything of it is believed: they must continue the tree seen last, or begin with the
//! genesis that is known, and name the key by an authority that goes back to there. Nothing of them enters the copy
//! before that, and a checkpoint that is not believed accuses nobody: anybody can have made it.

use chain::bundle;
use chain::checkpoint::SignedCheckpoint;
use chain::note::VerifierKey;
use chain::tile::{TILE_WIDTH, bundles, new_bundles};
use chain::tree;
use chain::{Position, RecordHash, TreeSize};

use super::records::{Held, Leaves};
use super::site::Incoming;
use super::tiles;
use super::{DiskError, Mirror, Scope, StepError, Tree, fetch};
use crate::authority::Authority;
use crate::fetch::{Fetch, FetchError, Resource};

impl Mirror {
    /// Lets the mirror follow changes of the log's key through the records it copies, which are read for that from the
    /// copy's beginning. One that copies no records stays with the keys it was given.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn following(mut self, mut authority: Box<dyn Authority>) -> Result<Self, DiskError> {
        if self.scope == Scope::Hashes {
            return Ok(self);
        }
        if let Some(copied) = &self.copied {
            let tree = Tree::from(copied);
            let mut leaves = Leaves::new(tree);
            for path in bundles(tree.size) {
                let bytes = self.disk.get(path).await?.unwrap_or_default();
                let entries = bundle::decode(&bytes, path.width()).unwrap_or_default();
                for (seq, entry) in (path.index() * u64::from(TILE_WIDTH)..).zip(entries) {
                    // What is damaged says nothing here; the step that needs it names it.
                    let leaf = leaves.at(Held::Here(&self.disk), seq).await;
                    if leaf.is_ok_and(|leaf| leaf == RecordHash::of(entry)) {
                        authority.follow(entry);
                    }
                }
            }
        }
        self.authority = Some(authority);
        Ok(self)
    }

    /// The keys that a checkpoint of this size has to be signed with, each of them, as the records say; else those known
    /// from elsewhere, of which one is enough.
    pub(super) fn check_signed(
        &self,
        authority: Option<&dyn Authority>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), StepError> {
        let size = checkpoint.claim().size;
        let due = authority.map(|authority| authority.due(size)).unwrap_or_default();
        if due.is_empty() {
            return checkpoint.verify(&self.anchors.logs, &[]).map(drop).map_err(StepError::Untrusted);
        }
        let trusted = checkpoint.verify(&due, &[]).map_err(StepError::Untrusted)?;
        match due.iter().find(|key| !trusted.logs.contains(key)) {
            None => Ok(()),
            Some(key) => Err(StepError::SignatureMissing { size, key: key.to_string() }),
        }
    }

    /// The keys of which one at least has signed what was copied.
    pub(super) fn keys_of(&self, size: TreeSize) -> Vec<VerifierKey> {
        let due = self.authority.as_ref().map(|authority| authority.due(size)).unwrap_or_default();
        if due.is_empty() { self.anchors.logs.clone() } else { due }
    }

    /// Believes a checkpoint by its signatures, if need be by those of keys that the records up to it name.
    pub(super) async fn trust(
        &mut self,
        from: &dyn Fetch,
        served: &SignedCheckpoint,
    ) -> Result<(), StepError> {
        let Err(untrusted) = self.check_signed(self.authority.as_deref(), served) else { return Ok(()) };
        let ahead = match self.read_ahead(from, served).await {
            Ok(Some(ahead)) => ahead,
            Err(error @ StepError::Fetch { source: FetchError::Failed(_) | FetchError::Forbidden, .. }) => {
                return Err(error);
            }
            // What is wrong with the rest does not matter: nobody has signed for it.
            Ok(None) | Err(_) => return Err(untrusted),
        };
        // The key known from elsewhere must be one of the log's: else the genesis alone would do.
        let named = ahead.named();
        if !named.iter().any(|key| self.anchors.logs.contains(key)) {
            return Err(untrusted);
        }
        self.check_signed(Some(&*ahead), served)?;
        Ok(self.remember(named)?)
    }

    /// Keeps the names of the log's keys: what is signed with them is read again when the mirror is opened next.
    pub(super) fn remember(&mut self, named: Vec<VerifierKey>) -> Result<(), DiskError> {
        let known = |key: &VerifierKey| self.anchors.logs.contains(key) || self.remembered.contains(key);
        if !named.iter().all(known) {
            self.disk.put_keys(&named)?;
            self.remembered = named;
        }
        Ok(())
    }

    /// What the records up to a checkpoint, that nobody vouches for yet, say of the log's keys. None if they are not the
    /// log's as far as it is known, or if the mirror cannot know.
    async fn read_ahead(
        &self,
        from: &dyn Fetch,
        served: &SignedCheckpoint,
    ) -> Result<Option<Box<dyn Authority>>, StepError> {
        let Some(authority) = &self.authority else { return Ok(None) };
        let (tree, have) = (Tree::from(served), self.have());
        let is_bound = match (&self.seen, self.anchors.genesis) {
            (Some(seen), _) => is_continued(from, Tree::from(seen), tree).await?,
            (None, Some(genesis)) if tree.size > TreeSize(0) => {
                Leaves::new(tree).at(Held::There(from), 0).await? == genesis
            }
            (None, _) => false,
        };
        if !is_bound || tree.size <= have {
            return Ok(None);
        }
        let mut ahead = authority.branch();
        let mut leaves = Leaves::new(tree);
        if let Scope::Site(site) = &self.scope {
            let mut incoming = Incoming::new(from, site, have.0.checked_sub(1).map(Position));
            while let Some((seq, record)) = incoming.next_before(tree.size.0).await? {
                if leaves.at(Held::There(from), seq).await? != RecordHash::of(&record) {
                    return Ok(None);
                }
                ahead.follow(&record);
            }
            return Ok(Some(ahead));
        }
        for path in new_bundles(have, tree.size) {
            let bytes = fetch(from, Resource::Tile(path)).await?;
            let wrong = |source| StepError::WrongBundle { path, source };
            let entries = bundle::decode(&bytes, path.width()).map_err(wrong)?;
            for (seq, entry) in (path.index() * u64::from(TILE_WIDTH)..).zip(entries) {
                if leaves.at(Held::There(from), seq).await? != RecordHash::of(entry) {
                    return Ok(None);
                }
                ahead.follow(entry);
            }
        }
        Ok(Some(ahead))
    }
}

/// Whether a larger tree is proven to continue one that was seen.
async fn is_continued(from: &dyn Fetch, old: Tree, new: Tree) -> Result<bool, StepError> {
    if new.size <= old.size {
        return Ok(false);
    }
    let nodes = tree::consistency_nodes(old.size, new.size).map_err(StepError::WrongTiles)?;
    let fetched = tiles::fetch_for(from, &nodes, new).await?;
    let mut hashes = tiles::open(&fetched, new).map_err(StepError::WrongTiles)?;
    let proof = tree::consistency_proof(&mut hashes, old.size, new.size).map_err(StepError::WrongTiles)?;
    Ok(tree::verify_consistency(old.size, old.root, new.size, new.root, &proof).is_ok())
}
