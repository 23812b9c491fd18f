//! A site's records: fetched in order, and kept in entry bundles of which the other entries are empty.

use std::borrow::Cow;
use std::collections::VecDeque;

use chain::tile::{TILE_WIDTH, TilePath, bundle_of};
use chain::{Position, Record, RecordHash, TreeSize, bundle};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::records::{Held, Leaves};
use super::{Mirror, SiteAnswerFault, StepError, Tree, fetch};
use crate::fetch::{Fetch, Resource, Site};

/// A line of an answer.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    #[serde(borrow)]
    record: Cow<'a, str>,
}

/// What of an event says whose it is.
#[derive(Deserialize)]
struct Whose<'a> {
    subject: Option<IgnoredAny>,
    #[serde(borrow)]
    site: Option<Cow<'a, str>>,
}

/// Whether a site may read an event: it has no subject, or the subject is the site's. What does not say is not kept.
fn is_for(site: &Site, event: &[u8]) -> bool {
    serde_json::from_slice::<Whose<'_>>(event)
        .is_ok_and(|whose| whose.subject.is_none() || whose.site.as_deref() == Some(site.as_str()))
}

/// The records that the server has for a site, one after another.
pub(super) struct Incoming<'a> {
    from: &'a dyn Fetch,
    site: &'a Site,
    after: Option<Position>,
    buffered: VecDeque<(u64, Vec<u8>)>,
    ended: bool,
}

impl<'a> Incoming<'a> {
    /// Those behind a position.
    pub(super) fn new(from: &'a dyn Fetch, site: &'a Site, after: Option<Position>) -> Self {
        Self { from, site, after, buffered: VecDeque::new(), ended: false }
    }

    /// The next record, if it is before `end`.
    pub(super) async fn next_before(&mut self, end: u64) -> Result<Option<(u64, Vec<u8>)>, StepError> {
        if self.buffered.is_empty() && !self.ended {
            let bytes = fetch(self.from, Resource::Site { site: self.site, after: self.after }).await?;
            self.take_in(&bytes)?;
            self.ended = self.buffered.is_empty();
        }
        match self.buffered.front() {
            Some((seq, _)) if *seq < end => Ok(self.buffered.pop_front()),
            _ => Ok(None),
        }
    }

    fn take_in(&mut self, answer: &[u8]) -> Result<(), StepError> {
        let wrong = |fault| StepError::WrongAnswer { fault };
        let answer = answer.strip_suffix(b"\n").unwrap_or(answer);
        if answer.is_empty() {
            return Ok(());
        }
        for (line, bytes) in (1..).zip(answer.split(|byte| *byte == b'\n')) {
            let read: Line<'_> =
                serde_json::from_slice(bytes).map_err(|_| wrong(SiteAnswerFault::Line { line }))?;
            let seq = Position(read.seq);
            if self.after.is_some_and(|after| seq <= after) {
                return Err(wrong(SiteAnswerFault::Order { seq }));
            }
            self.after = Some(seq);
            self.buffered.push_back((read.seq, read.record.into_owned().into_bytes()));
        }
        Ok(())
    }
}

impl Mirror {
    /// Copies a site's records by which `tree` is larger than what the copy has; gives how many are new, and how many
    /// came that are not the site's. Each of the new ones is handed to `follow`.
    pub(super) async fn copy_site(
        &self,
        from: &dyn Fetch,
        site: &Site,
        have: TreeSize,
        tree: Tree,
        follow: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(u64, u64), StepError> {
        let width = u64::from(TILE_WIDTH);
        let after = have.0.checked_sub(1).map(Position);
        let mut incoming = Incoming::new(from, site, after);
        let mut leaves = Leaves::new(tree);
        let (mut kept, mut foreign) = (0, 0);
        for index in have.0 / width..tree.size.0.div_ceil(width) {
            let first = index * width;
            let end = tree.size.0.min(first + width);
            let Some((path, _)) = bundle_of(Position(first), tree.size) else { continue };
            let mut entries = self.earlier_entries(have, index, &mut leaves).await?;
            entries.resize(usize::from(path.width()), Vec::new());
            while let Some((seq, record)) = incoming.next_before(end).await? {
                leaves.check(&self.disk, seq, &record).await?;
                if !Record::parse(&record).is_ok_and(|read| is_for(site, read.event)) {
                    foreign += 1;
                } else if let Some(entry) =
                    usize::try_from(seq - first).ok().and_then(|at| entries.get_mut(at))
                {
                    follow(&record);
                    *entry = record;
                    kept += 1;
                }
            }
            self.put_entries(path, &entries).await?;
        }
        Ok((kept, foreign))
    }

    /// What the copy's partial bundle at its end holds, if it is the one of this index. It is about to be written into
    /// another bundle, so that it is held against the tree again.
    async fn earlier_entries(
        &self,
        have: TreeSize,
        index: u64,
        leaves: &mut Leaves,
    ) -> Result<Vec<Vec<u8>>, StepError> {
        let last = have.0.checked_sub(1).and_then(|last| bundle_of(Position(last), have));
        let Some((path, _)) = last.filter(|(path, _)| path.index() == index && !path.is_full()) else {
            return Ok(Vec::new());
        };
        let own = |what| StepError::OwnCopy { path, what };
        let bytes = self.disk.get(path).await?.ok_or_else(|| own("it is not there".to_owned()))?;
        let entries = bundle::decode(&bytes, path.width()).map_err(|error| own(error.to_string()))?;
        for (seq, entry) in (index * u64::from(TILE_WIDTH)..).zip(&entries) {
            if !entry.is_empty() && RecordHash::of(entry) != leaves.at(Held::Here(&self.disk), seq).await? {
                return Err(own(format!("its record at position {seq} is not the log's")));
            }
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Writes a bundle. A step that was cut off may have left one with more records in it, if the server has become less
    /// generous since: then that one stays. With fewer it is refused as another file.
    async fn put_entries(&self, path: TilePath, entries: &[Vec<u8>]) -> Result<(), StepError> {
        if let Some(there) = self.disk.get(path).await? {
            let there = bundle::decode(&there, path.width()).unwrap_or_default();
            let covers = |(old, new): (&&[u8], &Vec<u8>)| new.is_empty() || old == new;
            if there.len() == entries.len() && there.iter().zip(entries).all(covers) {
                return Ok(());
            }
        }
        let own = |error: bundle::EncodeError| StepError::OwnCopy { path, what: error.to_string() };
        let bytes = bundle::encode(entries.iter().map(Vec::as_slice)).map_err(own)?;
        Ok(self.disk.put_all(vec![(path, bytes)]).await?)
    }
}
