//! Re-derives everything from the records handed to it and says, with code and place, what does not hold.
//!
//! It trusts no index, no stored hash and no server: only the anchors that the caller brings from outside the
//! evidence. It shares with the registrar what an event may say and who may sign it (`clinical`), and nothing else. It
//! repairs nothing, and reads what it judges through two small traits: [`Source`] for
//! records, [`Files`] for an archive or a bundle, which is a source of records with a tree around them.

mod archive;
mod code;
pub mod copy;
mod files;
mod findings;
mod fold;
pub mod given;
pub mod hostile;
mod ids;
pub mod manifest;
mod parse;
mod pool;
mod published;
mod report;
mod seal;
mod source;
mod tally;
mod text;
mod tree;

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use chain::note::VerifierKey;
use chain::policy::Policy;
use chain::{Instant, NodeHash, Position, RecordHash, SignedCheckpoint, TreeSize};
use clinical::Event;

pub use bytes::Bytes;

pub use archive::{Shape, verify_archive};
pub use code::{Absence, Class, Code, Evidence};
pub use files::{DirFiles, Fault, FileDigest, Files, Listed, ZipFiles, ZipWriteError, ZipWriter};
pub use report::{
    Check, CheckpointSeen, CosignedBy, Covers, Finding, Fork, PartSeen, Place, Report, ReportSeen, Sealed,
    Verdict,
};
pub use source::{Damage, Gap, Records, Source, SourceError, Step};

use archive::Around;
use findings::Findings;
use fold::Fold;
use parse::{Parsed, SignatureDue};
use pool::{Pending, Pool};
use published::Reports;

/// What is known of the log from outside the evidence (FORMAT §7). Without a genesis nothing is authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchors {
    /// Hash of the record at position 0, printed when the trial was opened. It pins the sponsor's keys.
    pub genesis: Option<RecordHash>,
    /// The log's verifier key.
    pub log_key: Option<VerifierKey>,
    /// Sizes the log is known to have had, with the hash of its last record then. Only these show that nothing was left
    /// out before them: whoever holds the files can leave out a record and link the rest anew.
    pub known_heads: Vec<KnownHead>,
    /// What submitters were promised.
    pub receipts: Vec<Receipt>,
    /// Earlier checkpoints of the log, from wherever they were kept. An archive is held against them.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Which witnesses are known, and which of them must have cosigned an archive's checkpoint.
    pub policy: Option<Policy>,
}

/// An end that the log is known to have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownHead {
    /// How many records there were.
    pub size: TreeSize,
    /// Hash of the last one.
    pub head: RecordHash,
}

/// A promise that a record stands at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The position.
    pub seq: Position,
    /// The record's hash.
    pub hash: RecordHash,
    /// What proves the promise to others. Without it whoever brings the receipt vouches for it.
    pub note: Option<ReceiptNote>,
}

/// What proves a receipt: it binds the registry only if a key for receipts that the log grants has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptNote {
    /// The signed note.
    pub note: String,
    /// The path from the record to the note's root.
    pub path: Vec<NodeHash>,
}

/// How to verify.
pub struct Options<'a> {
    /// How many threads work, the calling one among them.
    pub threads: NonZeroUsize,
    /// How much is checked.
    pub depth: Depth,
    /// Whether conduct counts for the status.
    pub strict: bool,
    /// How many findings of each code are kept in full; the rest are counted.
    pub findings_kept_max: usize,
    /// Reports brought from elsewhere, each with the name it is spoken of by: made anew from the records they cover, and
    /// compared byte for byte. They follow, or [`Evidence::ReportNotFollowing`] or [`Absence::ReportUnchecked`] says what is
    /// the matter; of another version of this program's they are not judged.
    pub reports: Vec<(String, Vec<u8>)>,
    /// Whether each `report_published` is held against the reports at hand: those brought, and a bundle's own.
    pub published: bool,
    /// Called now and then, on the calling thread, with the records and bytes done.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
    /// Called, on the calling thread, with each record whose event can be read, in order; not at [`Depth::Tree`].
    pub each: Option<&'a mut dyn FnMut(Read<'_>)>,
}

/// A record that was read.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// Its position, as it states it.
    pub seq: Position,
    /// What it says.
    pub event: &'a Event,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Its hash.
    pub hash: RecordHash,
}

/// How much of what is handed over is checked. With less than all of it the verdict is at best undecided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Depth {
    /// The files, the checkpoint and the tree: that these are the bytes that were sealed. Records are hashed, not read.
    Tree,
    /// The records too: form, positions, links, times, ids, authority, conduct, reports; but no event's signature.
    Records,
    /// Everything.
    #[default]
    Signatures,
}

/// Findings of one code that are kept in full unless the caller says otherwise. With about 60 codes and half a
/// kibibyte each: at most 30 MiB.
pub const FINDINGS_KEPT_MAX: usize = 1_000;

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            depth: Depth::default(),
            strict: false,
            findings_kept_max: FINDINGS_KEPT_MAX,
            reports: Vec::new(),
            published: false,
            progress: None,
            each: None,
        }
    }
}

/// Bytes of records that are read at once, and that one thread parses and then checks the signatures of in one go. Read
/// records take about six times their bytes once parsed; with as many pieces as may be parsed, and as may wait for
/// signatures, this stays below 32 MiB.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces that are read before the oldest is folded: enough that no thread runs out of work while one is folded.
const PIECES_AHEAD: usize = 32;

/// Pieces whose signatures may be waited for.
const SIGNING_PIECES_MAX: usize = 32;

/// Verifies the records of `source`, from the first to the last.
///
/// Broken evidence is a result, not an error. Any bytes get an answer, in time bounded by their number and memory bounded
/// by the trial's state: about 64 MiB, 32 bytes an event and 1 KiB a subject.
///
/// # Errors
/// [`SourceError`]: the records could not be read.
///
/// ```
/// let report = verify::verify(verify::Records::default(), &verify::Anchors::default(), verify::Options::default());
/// assert_eq!(report.unwrap().verdict, verify::Verdict::Undecided);
/// ```
pub fn verify<S: Source>(source: S, anchors: &Anchors, options: Options<'_>) -> Result<Report, SourceError> {
    let findings = Findings::new(options.findings_kept_max);
    let fold = Fold::new(anchors, options.depth, findings, Vec::new());
    let strict = options.strict;
    let mut reports = Reports::default();
    reports.bring(&options.reports, options.published);
    let tells_reports = options.published || !options.reports.is_empty();
    let mut around = Around { tree: None, reports, part: None };
    let mut fold = run(source, fold, &mut around, options)?;
    let (_, reports) = around.reports.finish(&mut fold.findings);
    fold.finish();
    let checks = if tells_reports { vec![reports.check("reports")] } else { Vec::new() };
    Ok(conclude(fold, strict, checks, None))
}

/// Folds all records of a source, and lets what is checked around them see each.
fn run<'a, S: Source>(
    source: S,
    fold: Fold<'a>,
    around: &mut Around<'_>,
    options: Options<'_>,
) -> Result<Fold<'a>, SourceError> {
    pool::with(options.threads.get(), |pool| {
        let mut run = Run {
            source,
            ended: false,
            pool,
            fold,
            around,
            depth: options.depth,
            parsing: VecDeque::new(),
            signing: VecDeque::new(),
            progress: options.progress,
            each: options.each,
        };
        run.finish().map(|()| run.fold)
    })
}

/// The report of what was found. Checks of an archive come before those of its records.
fn conclude(fold: Fold<'_>, strict: bool, mut checks: Vec<Check>, sealed: Option<Sealed>) -> Report {
    let authenticated = fold.is_authenticated();
    checks.extend(fold.tallies.checks());
    let (findings, found) = fold.findings.finish();
    let holds = |class| !found.keys().any(|code: &Code| code.class() == class);
    let verdict = match (holds(Class::Evidence), holds(Class::Absence), authenticated) {
        (false, ..) => Verdict::Broken,
        (_, false, _) => Verdict::Undecided,
        (_, _, false) => Verdict::ConsistentNotAuthenticated,
        (_, _, true) => Verdict::Intact,
    };
    Report { verdict, strict, checks, findings, found, covers: fold.covers, sealed, kinds: fold.kinds }
}

/// Records being parsed, and what follows them.
struct Piece {
    records: Pending<Vec<Parsed>>,
    then: Then,
}

/// What follows records that were read.
enum Then {
    Records,
    Damage(Damage),
    Gap(Gap),
}

/// The pipeline: pieces are read and parsed ahead while the oldest is folded, and signatures are checked behind it.
struct Run<'a, 'p, 'o, 't, 'f, S> {
    source: S,
    ended: bool,
    pool: &'p Pool,
    fold: Fold<'a>,
    around: &'t mut Around<'f>,
    depth: Depth,
    parsing: VecDeque<Piece>,
    signing: VecDeque<Pending<Vec<(u64, Position, bool)>>>,
    progress: Option<&'o mut dyn FnMut(u64, u64)>,
    each: Option<&'o mut dyn FnMut(Read<'_>)>,
}

impl<S: Source> Run<'_, '_, '_, '_, '_, S> {
    fn finish(&mut self) -> Result<(), SourceError> {
        loop {
            while !self.ended && self.parsing.len() < PIECES_AHEAD {
                self.read_piece()?;
            }
            let Some(piece) = self.parsing.pop_front() else { break };
            let records = self.pool.wait(&piece.records).expect(TASKS_DO_NOT_PANIC);
            self.fold_piece(records)?;
            match piece.then {
                Then::Records => {}
                Then::Damage(damage) => self.fold.damage(damage),
                Then::Gap(gap) => {
                    self.around.reports.gap();
                    self.fold.gap(gap);
                }
            }
            if let Some(progress) = &mut self.progress {
                progress(self.fold.covers.records, self.fold.covers.bytes);
            }
        }
        self.settle_signatures(0);
        Ok(())
    }

    fn read_piece(&mut self) -> Result<(), SourceError> {
        let mut records = Vec::new();
        let then = match self.source.next(PIECE_BYTES, &mut records)? {
            Step::More => Then::Records,
            Step::End => {
                self.ended = true;
                Then::Records
            }
            Step::Damage(damage) => Then::Damage(damage),
            Step::Gap(gap) => Then::Gap(gap),
        };
        let read = if self.depth == Depth::Tree { parse::hash } else { parse::parse };
        let records = self.pool.submit(move || records.into_iter().map(read).collect());
        self.parsing.push_back(Piece { records, then });
        Ok(())
    }

    fn fold_piece(&mut self, piece: Vec<Parsed>) -> Result<(), SourceError> {
        let mut due: Vec<SignatureDue> = Vec::with_capacity(piece.len());
        for parsed in &piece {
            due.extend(self.fold.record(parsed, &self.source)?);
            self.around.record(parsed, &mut self.fold.findings)?;
            if let (Some(each), Some(Ok(form))) = (&mut self.each, parsed.form.as_deref())
                && let Ok(event) = &form.event
            {
                each(Read { seq: form.seq, event, recorded_at: form.recorded_at, hash: parsed.hash });
            }
        }
        if self.depth == Depth::Tree {
            return Ok(());
        }
        self.signing.push_back(self.pool.submit(move || {
            // Taking parsed records apart costs about as much as building them: not on the folding thread.
            drop(piece);
            due.iter().map(|due| (due.ordinal, due.seq, due.holds())).collect()
        }));
        self.settle_signatures(SIGNING_PIECES_MAX);
        Ok(())
    }

    /// Takes in checked signatures until at most `pieces_max` pieces are waited for.
    fn settle_signatures(&mut self, pieces_max: usize) {
        while self.signing.len() > pieces_max {
            let Some(pending) = self.signing.pop_front() else { return };
            for (ordinal, seq, holds) in self.pool.wait(&pending).expect(TASKS_DO_NOT_PANIC) {
                self.fold.signature(ordinal, seq, holds);
            }
        }
    }
}

const TASKS_DO_NOT_PANIC: &str = "parsing and checking signatures answer any bytes without panicking";
