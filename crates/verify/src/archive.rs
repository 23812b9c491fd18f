//! Verifying an archive as it is served, or the bundle that it was exported into: files, checkpoint, tree, records.
//!
//! An archive is one more source of records; what it adds is judged around the same fold. Nothing in it is trusted: not
//! its checkpoint until a known key signed it, not its tiles until they hash to the checkpoint's root.

mod bundle;
mod source;
mod store;

use std::sync::mpsc::channel;

use chain::note::VerifierKey;
use chain::tile::{TileKind, TilePath};
use chain::{Position, Record, RecordHash, RootHash, SignedCheckpoint, TreeSize};
use clinical::{Event, Trial};

pub(crate) use source::{LeafTile, Leaves};
pub(crate) use store::{Read, Store, bundle_at, hashes_at};

use crate::code::{Absence, Code, Evidence};
use crate::copy::{CERTIFICATE, Part};
use crate::files::{Files, Listed};
use crate::findings::Findings;
use crate::fold::Fold;
use crate::manifest::{LOG, MANIFEST};
use crate::parse::Parsed;
use crate::published::Reports;
use crate::report::{Fork, Place, Report, Sealed};
use crate::seal::{self, Judged, Trust};
use crate::source::{Source, SourceError};
use crate::tally::Tally;
use crate::tree::{Grown, Tree};
use crate::{Anchors, Depth, Options, conclude, run};
use source::ArchiveSource;
use store::CHECKPOINT;

/// How an archive's files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As they are served: `checkpoint` and `tile/…`. It may be written to meanwhile: files of records beyond the
    /// checkpoint, and writes that are not finished, are counted and not judged.
    Archive,
    /// A bundle: `MANIFEST`, `log/…`, `keys/…`, `reports/…`, `README.html`, and nothing else.
    Bundle,
    /// A certified copy of a site's part: `MANIFEST`, `certificate.json`, `log/…` with other sites' records left out, the
    /// proofs of its own, and pages for people.
    Copy,
}

impl Shape {
    /// The shape that these files have, by whether a certificate, a MANIFEST, a checkpoint or a tile stands at the top; `None` if
    /// there is none of them.
    ///
    /// # Errors
    /// The files cannot be listed.
    pub fn of(files: &dyn Files) -> Result<Option<Self>, SourceError> {
        let listed = files.list()?;
        let has = |path: &str| listed.iter().any(|file| file.path == path);
        Ok(if has(CERTIFICATE) {
            Some(Self::Copy)
        } else if has(MANIFEST) || is_bundle_without_manifest(&listed) {
            Some(Self::Bundle)
        } else if has(CHECKPOINT) || listed.iter().any(|file| file.path.starts_with("tile/")) {
            Some(Self::Archive)
        } else {
            None
        })
    }
}

/// Whether files lie about as in a bundle, though its list is gone: a log in its directory, and what is handed over with it.
/// Judged as anything less, nobody would miss the list, or look at the reports.
fn is_bundle_without_manifest(listed: &[Listed]) -> bool {
    let begins = |start: &str| listed.iter().any(|file| file.path.starts_with(start));
    begins("log/") && (begins("keys/") || begins("reports/") || begins("README.html"))
}

/// What is checked around records while they are folded.
pub(crate) struct Around<'f> {
    /// `None` for records without a tree around them.
    pub tree: Option<Tree<'f>>,
    pub reports: Reports,
    pub part: Option<Part<'f>>,
}

impl Around<'_> {
    /// Takes in the next record that was folded.
    pub(crate) fn record(&mut self, parsed: &Parsed, findings: &mut Findings) -> Result<(), SourceError> {
        let form = parsed.form.as_deref().and_then(|form| form.as_ref().ok());
        let event = form.and_then(|form| Some((form.event.as_ref().ok()?, form.recorded_at)));
        let seq = form.map(|form| form.seq).unwrap_or_default();
        self.reports.record(seq, event, parsed.hash, findings);
        if let Some(part) = &mut self.part {
            part.record(seq, event.map(|(event, _)| event), parsed.hash, findings)?;
        }
        self.tree.as_mut().map_or(Ok(()), |tree| tree.record(parsed.hash, findings))
    }
}

/// Verifies an archive or a bundle: every file, the checkpoint and who vouches for it, the tree from the records up,
/// and all that [`verify`](crate::verify) does of the records.
///
/// Any files get an answer. Of each only as much is read as its kind may hold; beside the bounds of
/// [`verify`](crate::verify), memory is the few bundles whose records are being checked and some hundred bytes a file.
///
/// # Errors
/// [`SourceError`]: the files could not be read.
pub fn verify_archive(
    files: &dyn Files,
    shape: Shape,
    anchors: &Anchors,
    options: Options<'_>,
) -> Result<Report, SourceError> {
    let mut findings = Findings::new(options.findings_kept_max);
    // Whether records are read, and so what is said of them can be made anew.
    let reads = options.depth > Depth::Tree;
    let prefix = match shape {
        Shape::Archive => "",
        Shape::Bundle | Shape::Copy => LOG,
    };
    // The checkpoint before the list: what an archive's writer adds meanwhile is beyond it.
    let checkpoint_path = format!("{prefix}{CHECKPOINT}");
    let checkpoint = store::checkpoint(files, prefix)?;
    let mut listed = files.list()?;
    listed.sort_unstable();
    let mut files_listed = Tally { count: listed.len() as u64, failed: 0 };
    let mut sealed = Sealed { files: listed.len() as u64, ..Sealed::default() };
    let (manifest, listing) = match shape {
        Shape::Archive => Default::default(),
        Shape::Bundle | Shape::Copy => bundle::check(files, &listed, shape, &mut findings)?,
    };
    let (store, others) = Store::new(files, prefix, &listed);
    for path in others {
        if shape == Shape::Archive && store::is_unfinished(&path) {
            sealed.files_beyond += 1;
            continue;
        }
        files_listed.failed += 1;
        at_file(&mut findings, Evidence::FileUnexpected, &path, "it is no file of an archive");
    }

    let signed = read_checkpoint(checkpoint, &checkpoint_path, &mut findings);
    let part = match shape {
        Shape::Copy if reads => Some(Part::of(files, &listed, listing, signed.as_ref(), &mut findings)?),
        Shape::Archive | Shape::Bundle | Shape::Copy => None,
    };
    let claim = signed.as_ref().map(|signed| (signed.claim().size, signed.claim().root));
    let size = claim.map_or_else(|| store.size(), |(size, _)| size);
    for tile in store.tiles().filter(|tile| !is_reached(*tile, size)) {
        if shape == Shape::Archive && is_reached(tile, TreeSize(u64::MAX)) {
            sealed.files_beyond += 1;
        } else {
            files_listed.failed += 1;
            let what = format!("it is beyond the checkpoint's {size} records");
            at_file(&mut findings, Evidence::FileUnexpected, &store.path(tile), &what);
        }
    }

    let (to_tree, leaves) = channel();
    let source = ArchiveSource::new(&store, size, to_tree, shape == Shape::Copy);
    let policy = anchors.policy.as_ref();
    let brought = given(anchors);
    let given = if brought.is_empty() { key_of_opening(&source)? } else { brought.clone() };
    let cosigned = signed.iter().chain(&anchors.checkpoints);
    let times = cosigned.flat_map(|signed| seal::times(signed, &given, policy)).collect();
    let fold = Fold::new(anchors, options.depth, findings, times);
    let wanted = anchors.checkpoints.iter().map(|known| known.claim().size).collect();
    let tree = Tree::new(&store, size, claim.map(|(_, root)| root), wanted, leaves);
    let strict = options.strict;
    let reports = reports_of(files, shape, &listed, &options)?;
    let tells_reports = shape == Shape::Bundle || options.published || !options.reports.is_empty();
    let mut around = Around { tree: Some(tree), reports, part };
    let mut fold = run(source, fold, &mut around, options)?;
    let Around { tree, reports, part } = around;
    let grown = tree.expect("it was put there").finish(&mut fold.findings)?;
    let (reports, reports_tally) = reports.finish(&mut fold.findings);
    sealed.reports = reports;
    fold.finish();

    let mut part_checks = Vec::new();
    if let Some(part) = part {
        let (seen, said, proofs) = part.finish(fold.trial.as_ref(), fold.covers.genesis, &mut fold.findings);
        sealed.part = seen;
        part_checks = vec![said.check("certificate"), proofs.check("proofs")];
    }
    // Only the records say which keys had to sign.
    let named = fold.log_keys(&brought).cloned();
    let trust = Trust { given, named: named.as_ref(), gaps: fold.has_gaps(), policy };
    let judged = signed.as_ref().map(|signed| judge(&trust, signed, &checkpoint_path, &mut fold.findings));
    let known = Known::sort(anchors, &trust, &mut fold.findings);
    let root = hold_root(&grown, claim, &checkpoint_path, &mut fold.findings);
    let held = known.hold(&grown, signed.as_ref(), judged.as_ref(), &root, &mut fold.findings);
    fold.covers.known_size = fold.covers.known_size.max(held.size);
    sealed.forks = held.forks;
    let mut checks = vec![files_listed.check("files")];
    if shape != Shape::Archive {
        checks.push(manifest.check("manifest"));
    }
    if let Some(judged) = judged {
        checks.push(judged.signatures.check("checkpoint signatures"));
        if anchors.policy.is_some() {
            checks.push(judged.cosignatures.check("cosignatures"));
        }
        if judged.seen.quorum == Some(true) {
            fold.covers.known_size = fold.covers.known_size.max(size);
        }
        sealed.checkpoint = Some(judged.seen);
    }
    checks.push(grown.files.check("tiles and bundles"));
    checks.push(grown.leaves.check("records in the tree"));
    checks.push(root.check("root"));
    checks.push(held.tally.check("known checkpoints"));
    checks.extend(part_checks);
    if tells_reports {
        checks.push(reports_tally.check("reports"));
    }
    Ok(conclude(fold, strict, checks, Some(sealed)))
}

/// The reports that come with a bundle, if its records are read, and those that are brought.
fn reports_of(
    files: &dyn Files,
    shape: Shape,
    listed: &[Listed],
    options: &Options<'_>,
) -> Result<Reports, SourceError> {
    let mut reports = match shape {
        Shape::Bundle if options.depth > Depth::Tree => Reports::of(files, listed)?,
        Shape::Archive | Shape::Bundle | Shape::Copy => Reports::default(),
    };
    reports.bring(&options.reports, options.published);
    Ok(reports)
}

/// Judges the checkpoint that was found, and says what of it does not hold.
fn judge(trust: &Trust<'_>, signed: &SignedCheckpoint, path: &str, findings: &mut Findings) -> Judged {
    let judged = trust.judge(signed);
    for (code, detail) in &judged.found {
        at_file(findings, *code, path, detail);
    }
    judged
}

/// Whether a log of `size` has something at a tile's place, be it of another width.
fn is_reached(tile: TilePath, size: TreeSize) -> bool {
    match tile.kind() {
        TileKind::Entries => bundle_at(tile.index(), size),
        TileKind::Hashes(level) => hashes_at(level, tile.index(), size),
    }
    .is_some()
}

/// A finding about a file as a whole, listed before those about records.
pub(crate) fn at_file(findings: &mut Findings, code: impl Into<Code>, path: &str, detail: &str) {
    let place = Place { stored_at: Some(path.to_owned()), ..Place::default() };
    findings.add(code.into(), 0, place, || detail.to_owned());
}

fn read_checkpoint(bytes: Option<Vec<u8>>, path: &str, findings: &mut Findings) -> Option<SignedCheckpoint> {
    let Some(bytes) = bytes else {
        at_file(findings, Absence::CheckpointMissing, path, "");
        return None;
    };
    SignedCheckpoint::parse(&bytes)
        .inspect_err(|error| at_file(findings, Evidence::CheckpointMalformed, path, &error.to_string()))
        .ok()
}

/// The log's keys that were brought: the one given, else those of the policy.
fn given(anchors: &Anchors) -> Vec<VerifierKey> {
    match (&anchors.log_key, &anchors.policy) {
        (Some(key), _) => vec![key.clone()],
        (None, Some(policy)) => policy.logs().to_vec(),
        (None, None) => Vec::new(),
    }
}

/// The log's key in its opening, which the genesis pins.
fn key_of_opening(source: &ArchiveSource<'_>) -> Result<Vec<VerifierKey>, SourceError> {
    let opening = source.record(Position(0))?;
    let stated = opening.and_then(|bytes| {
        let event = Event::decode(Record::parse(&bytes).ok()?.event).ok()?;
        let trial = Trial::open(&event, RecordHash::of(&bytes))?;
        VerifierKey::from_text(&trial.log_key).ok()
    });
    Ok(stated.into_iter().collect())
}

/// Holds the tree against the checkpoint's root.
fn hold_root(
    grown: &Grown,
    claim: Option<(TreeSize, RootHash)>,
    path: &str,
    findings: &mut Findings,
) -> Tally {
    let mut tally = Tally::default();
    if let (Some(root), Some((size, stated))) = (grown.root, claim) {
        tally.add(root == stated);
        if root != stated {
            let place = Place { stored_at: Some(path.to_owned()), ..Place::default() };
            findings.add(Evidence::WrongRoot.into(), u64::MAX, place, || {
                format!("states root {stated} for {size} records; they hash to {root}")
            });
        }
    }
    tally
}

/// Checkpoints that were brought to compare with, and are the log's.
struct Known<'a> {
    checkpoints: Vec<&'a SignedCheckpoint>,
}

/// What came of comparing.
#[derive(Default)]
struct Held {
    /// The largest known size that the archive continues.
    size: TreeSize,
    forks: Vec<Fork>,
    tally: Tally,
}

impl<'a> Known<'a> {
    fn sort(anchors: &'a Anchors, trust: &Trust<'_>, findings: &mut Findings) -> Self {
        let mut known = Self { checkpoints: Vec::new() };
        for signed in &anchors.checkpoints {
            let judged = trust.judge(signed);
            if judged.is_signed {
                known.checkpoints.push(signed);
            } else {
                at_file(findings, Absence::KnownCheckpointUnusable, &Self::name(signed), "");
            }
        }
        known
    }

    fn name(signed: &SignedCheckpoint) -> String {
        format!("known checkpoint of size {}", signed.claim().size)
    }

    /// Holds the archive's tree against each.
    fn hold(
        &self,
        grown: &Grown,
        signed: Option<&SignedCheckpoint>,
        judged: Option<&Judged>,
        root: &Tally,
        findings: &mut Findings,
    ) -> Held {
        let mut held = Held::default();
        let mut differs = |code: Evidence, known: &SignedCheckpoint, detail: String| {
            let place = Place { stored_at: Some(Self::name(known)), ..Place::default() };
            findings.add(code.into(), u64::MAX, place, || detail);
        };
        // A root that is not the checkpoint's proves nothing of what the log's key signed.
        let vouched = signed.filter(|_| judged.is_some_and(|judged| judged.is_signed) && root.failed == 0);
        for known in &self.checkpoints {
            let claim = known.claim();
            let size = signed.map(|signed| signed.claim().size);
            let same_size = signed.map(SignedCheckpoint::claim).filter(|found| found.size == claim.size);
            let found = match same_size {
                Some(found) => Some(found.root),
                None => grown.roots.iter().find(|(size, _)| *size == claim.size).map(|(_, root)| *root),
            };
            match (found, vouched) {
                (Some(found), _) if found == claim.root => {
                    held.tally.add(true);
                    held.size = held.size.max(claim.size);
                }
                (Some(found), Some(vouched)) => {
                    held.tally.add(false);
                    held.forks.push(Fork { known: known.to_string(), found: vouched.to_string() });
                    let size = vouched.claim().size;
                    differs(
                        Evidence::Fork,
                        known,
                        format!(
                            "the log signed root {} for its first {} records, and {size} records of which the first {} have root {found}",
                            claim.root, claim.size, claim.size
                        ),
                    );
                }
                (Some(found), None) => {
                    held.tally.add(false);
                    differs(
                        Evidence::WrongRoot,
                        known,
                        format!(
                            "states root {} for {} records; they hash to {found}",
                            claim.root, claim.size
                        ),
                    );
                }
                (None, _) if size.is_some_and(|size| size < claim.size) => {
                    held.tally.add(false);
                    differs(
                        Evidence::ShorterThanKnown,
                        known,
                        format!(
                            "the log signed for {} records; {} are here",
                            claim.size,
                            size.unwrap_or_default()
                        ),
                    );
                }
                // The records or hashes that it takes are missing, which has been said.
                (None, _) => {}
            }
        }
        held
    }
}
