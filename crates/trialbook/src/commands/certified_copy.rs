//! `certified-copy`: a site's own part of the log in one file, to be read without our software and checked with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use api::{Problem, RecordView, TrialDetail};
use chain::note::VerifierKey;
use chain::tile::{TilePath, bundles, tile_of, tiles};
use chain::tree::Node;
use chain::{KeyId, NodeHash, Position, Record, RecordHash, SignedCheckpoint, TreeSize, bundle};
use clinical::text::{TextPlace, open};
use clinical::{Event, SiteId, SubjectId};
use console::copy::{Certifier, Copy, TrialRecord};
use verify::copy::{CERTIFICATE, Certificate, CertifiedBy, CopyOf, PROOFS, Texts, contents};
use verify::manifest::LOG;
use verify::{Anchors, FileDigest, Options, Shape, Verdict, ZipFiles, verify_archive};

use super::container::{Content, Log, manifest, write};
use super::sealed;
use super::{print, report};
use crate::access::Access;
use crate::cli::CertifiedCopyOptions;
use crate::keyfile::KeyFile;
use crate::signing::Signer;
use crate::{proofs, status, world};

/// How often a copy is begun anew because the log went on while its last files were read.
const ATTEMPTS: usize = 5;

/// A site's records, as the log holds them.
struct Part {
    /// The exact bytes of each record, by position.
    records: BTreeMap<Position, String>,
    /// Which of them are about a subject.
    subjects: BTreeMap<SubjectId, Vec<Position>>,
}

pub(super) async fn run(options: CertifiedCopyOptions) -> Result<u8> {
    let CertifiedCopyOptions { site, out, key, texts, which, place } = options;
    ensure!(!out.exists(), "{} is there already; a copy is written to a new file", out.display());
    let access = Access::open(&place, false, true)?;
    let trial = access.trial(&which).await?;
    access.settle(&trial);
    let log = Log { registry: &*access.registry, trial: &trial };
    let detail = log.registry.trial(&trial).await?;
    let Some(of_site) = detail.sites.iter().find(|active| active.site == site) else {
        bail!("there is no site {site} in trial {trial}");
    };
    let certifier = key.as_deref().map(KeyFile::read).transpose()?;
    if let Some(key) = &certifier
        && let Err(why) = may_certify(key, &site, &detail)
    {
        eprintln!("{why}");
        return Ok(status::NOT_PERMITTED);
    }
    let view = &detail.trial;
    let covered = TreeSize(view.covers.records);
    sealed::wait_sealed(log.registry, &trial, covered).await?;
    let vkey = VerifierKey::from_text(&view.log_key).context("the log's key is not one")?;
    let (checkpoint, mut files) = hashes(&log, covered).await?;
    let size = checkpoint.claim().size;
    let part = part(&log, &site, size).await?;
    files.extend(bundles_of(&part, size)?);
    files.extend(proofs_of(&log, &checkpoint, &part).await?);
    let subjects = casebooks(&log, &part, size).await?;
    let opened = match (&certifier, texts) {
        (Some(key), true) => Some(opened(&log, key, &detail, &site, &subjects).await?),
        _ => None,
    };
    let made_at = world::now();
    let pages = Copy {
        trial: view.clone(),
        site: of_site.clone(),
        origin: checkpoint.claim().origin().to_owned(),
        size: size.0,
        root: checkpoint.claim().root.to_string(),
        head: head(&log, &files, size).await?.to_string(),
        made_at: made_at.to_string(),
        made_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
        certifier: certifier.as_ref().map(certifier_of),
        keys: detail.keys.clone(),
        of_trial: of_trial(&part)?,
        subjects,
        opened,
    };
    let held = |text: String| Content::Held(text.into_bytes());
    files.extend(pages.pages().into_iter().map(|(path, page)| (path, held(page))));
    files.insert("keys/genesis".to_owned(), held(format!("{}\n", view.genesis)));
    files.insert("keys/log.vkey".to_owned(), held(format!("{}\n", view.log_key)));
    let mut listed = manifest(&log, &files).await?;
    let of_site = part.subjects.values().map(Vec::len).sum::<usize>();
    let copy = CopyOf {
        contents: contents(&listed),
        genesis: view.genesis,
        made_at,
        origin: checkpoint.claim().origin().to_owned(),
        records_of_site: of_site as u64,
        records_of_trial: (part.records.len() - of_site) as u64,
        root: checkpoint.claim().root,
        site: site.clone(),
        size,
        subjects: part.subjects.len() as u64,
        texts: if pages.opened.is_some() { Texts::Opened } else { Texts::Sealed },
        trial: trial.clone(),
    };
    let certificate = certificate(copy, certifier.as_ref())?;
    listed.insert(CERTIFICATE, FileDigest::of(&certificate))?;
    files.insert(CERTIFICATE.to_owned(), Content::Held(certificate));
    write(&out, &log, &listed, &files).await?;
    let anchors = Anchors { genesis: Some(view.genesis), log_key: Some(vkey), ..Anchors::default() };
    let sentence = checked(&out, &anchors)?;
    print(&told(&out, &sentence, &detail, &report::covers(&view.covers)))?;
    Ok(0)
}

/// Whether a key may certify a copy for the site: the log grants it, to this person, there or for the trial as a whole.
fn may_certify(key: &KeyFile, site: &SiteId, detail: &TrialDetail) -> Result<(), String> {
    let id: KeyId = key.secret.public().id();
    let granted = detail.keys.iter().find(|granted| granted.key == id);
    let granted = granted.ok_or("the log does not grant this key")?;
    if granted.revoked_at.is_some() {
        return Err("the key is revoked".to_owned());
    }
    if !granted.sites.is_empty() && !granted.sites.contains(site) {
        return Err(format!("the key is not granted for site {site}"));
    }
    let stated = (&key.actor.id, key.actor.role, &key.actor.organisation);
    if stated != (&granted.holder, granted.role, &granted.organisation) {
        return Err("the log grants this key to another holder, role or organisation".to_owned());
    }
    Ok(())
}

fn certifier_of(key: &KeyFile) -> Certifier {
    Certifier {
        holder: key.actor.id.to_string(),
        role: key.actor.role.as_str().to_owned(),
        organisation: key.actor.organisation.clone(),
        key: key.secret.public().id().to_string(),
    }
}

fn certificate(copy: CopyOf, certifier: Option<&KeyFile>) -> Result<Vec<u8>> {
    let message = copy.message().context("the copy's scope has no canonical writing")?;
    let certified_by = certifier.map(|key| CertifiedBy {
        actor: key.actor.clone(),
        key: key.secret.public().id(),
        signature: key.secret.sign(&message).to_text(),
    });
    let certificate = Certificate { certified_by, copy };
    certificate.to_canonical_json().context("the certificate has no canonical writing")
}

/// A checkpoint that covers at least so many records, and every hash tile under it.
async fn hashes(log: &Log<'_>, covered: TreeSize) -> Result<(SignedCheckpoint, BTreeMap<String, Content>)> {
    'anew: for _ in 0..ATTEMPTS {
        let checkpoint = sealed::checkpoint(log.registry, log.trial, covered).await?;
        let mut files = BTreeMap::new();
        for path in tiles(checkpoint.claim().size) {
            if path.is_full() {
                files.insert(format!("{LOG}{path}"), Content::Tile(path));
                continue;
            }
            match log.tile(path).await {
                Ok(bytes) => drop(files.insert(format!("{LOG}{path}"), Content::Held(bytes))),
                // A later checkpoint has replaced it.
                Err(problem) if problem.status == 404 => continue 'anew,
                Err(problem) => return Err(problem.into()),
            }
        }
        files.insert(format!("{LOG}checkpoint"), Content::Held(checkpoint.to_string().into_bytes()));
        return Ok((checkpoint, files));
    }
    bail!("the log grows faster than its last files can be read; try again when less is submitted")
}

/// Records of the trial as a whole and of the site's subjects, as far as the checkpoint reaches.
async fn part(log: &Log<'_>, site: &SiteId, size: TreeSize) -> Result<Part> {
    let mut part = Part { records: BTreeMap::new(), subjects: BTreeMap::new() };
    let mut after = None;
    loop {
        let page = log.registry.site_records(log.trial, site, after).await?;
        let Some(last) = page.last() else { return Ok(part) };
        after = Some(last.seq);
        for item in page.into_iter().filter(|item| item.seq.0 < size.0) {
            if let Some(subject) = event_of(&item.record)?.subject {
                part.subjects.entry(subject).or_default().push(item.seq);
            }
            part.records.insert(item.seq, item.record);
        }
    }
}

fn event_of(record: &str) -> Result<Event> {
    let record = Record::parse(record.as_bytes()).context("the registry's answer is not a record")?;
    Event::decode(record.event).context("a record holds no event of this version")
}

/// Bundles of records in which those of others are left out.
fn bundles_of(part: &Part, size: TreeSize) -> Result<Vec<(String, Content)>> {
    let of = |path: TilePath| {
        let first = path.first_position().unwrap_or_default().0;
        let entry = |seq| part.records.get(&Position(seq)).map_or(&b""[..], |record| record.as_bytes());
        bundle::encode((first..first + u64::from(path.width())).map(entry))
    };
    let file = |path: TilePath| Ok((format!("{LOG}{path}"), Content::Held(of(path)?)));
    bundles(size).map(file).collect()
}

/// The proof of each record of the site's subjects.
async fn proofs_of(
    log: &Log<'_>,
    checkpoint: &SignedCheckpoint,
    part: &Part,
) -> Result<Vec<(String, Content)>> {
    let mut made = Vec::new();
    // Records stand near each other: tiles are kept while they are needed.
    let mut near: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
    let mut due: Vec<Position> = part.subjects.values().flatten().copied().collect();
    due.sort_unstable();
    for seq in due {
        let needed = proofs::tiles(checkpoint, seq).context("the checkpoint does not reach a record")?;
        near.retain(|path, _| needed.contains(path));
        for path in needed {
            if let std::collections::btree_map::Entry::Vacant(place) = near.entry(path) {
                place.insert(log.tile(path).await?);
            }
        }
        let proof = proofs::prove(checkpoint, seq, &near).with_context(|| {
            format!("the registry's tiles are not those of its checkpoint: record {seq} cannot be proved")
        })?;
        made.push((format!("{PROOFS}{seq}"), Content::Held(proof.to_string().into_bytes())));
    }
    Ok(made)
}

/// The records of each subject with what is found in them, as far as the checkpoint reaches.
async fn casebooks(
    log: &Log<'_>,
    part: &Part,
    size: TreeSize,
) -> Result<BTreeMap<SubjectId, Vec<RecordView>>> {
    let mut books = BTreeMap::new();
    for (subject, positions) in &part.subjects {
        let mut records: Vec<RecordView> = Vec::new();
        let mut page = api::Page { after: None, limit: Some(1_000) };
        loop {
            let found = log.registry.subject_records(log.trial, subject, page.clone()).await?;
            records.extend(found.records.into_iter().filter(|view| view.seq.0 < size.0));
            let Some(next) = found.next else { break };
            page.after = Some(next.to_string());
        }
        let same = records.iter().map(|view| view.seq).eq(positions.iter().copied());
        ensure!(same, "the index and the log do not agree about the records of subject {subject}");
        books.insert(subject.clone(), records);
    }
    Ok(books)
}

fn of_trial(part: &Part) -> Result<Vec<TrialRecord>> {
    let mut found = Vec::new();
    for (seq, record) in &part.records {
        if event_of(record)?.subject.is_none() {
            let hash = RecordHash::of(record.as_bytes()).to_string();
            found.push(TrialRecord { seq: seq.0, hash, record: serde_json::from_str(record)? });
        }
    }
    Ok(found)
}

/// The texts of the site's subjects, by whoever is entitled to them there: the registry hands the keys to nobody else.
async fn opened(
    log: &Log<'_>,
    key: &KeyFile,
    detail: &TrialDetail,
    site: &SiteId,
    subjects: &BTreeMap<SubjectId, Vec<RecordView>>,
) -> Result<BTreeMap<(u64, String), String>, Problem> {
    let mut signer = Signer::new(key, log.trial, detail.trial.genesis);
    let failed = |error: anyhow::Error| match error.downcast::<Problem>() {
        Ok(problem) => problem,
        Err(error) => Problem::internal(format!("{error:#}")),
    };
    let mut found = BTreeMap::new();
    for (subject, records) in subjects {
        for view in records {
            let event = event_of(view.record.get()).map_err(failed)?;
            for (pointer, sealed) in event.texts() {
                let text_key = signer.text_key(log.registry, site, subject).await.map_err(failed)?;
                let at = TextPlace { trial: log.trial, subject, event: event.id, pointer };
                // One whose key was destroyed stays sealed.
                if let Ok(clear) = open(sealed, at, &text_key) {
                    found.insert((view.seq.0, pointer.to_owned()), clear);
                }
            }
        }
    }
    Ok(found)
}

/// The hash of the last record under the checkpoint.
async fn head(log: &Log<'_>, files: &BTreeMap<String, Content>, size: TreeSize) -> Result<NodeHash> {
    let last = size.0.checked_sub(1).and_then(|last| tile_of(Node::leaf(Position(last)), size));
    let path = last.context("there is no record yet")?;
    let fetched;
    let bytes = if let Some(Content::Held(bytes)) = files.get(&format!("{LOG}{path}")) {
        bytes
    } else {
        fetched = log.tile(path).await?;
        &fetched
    };
    bytes.last_chunk::<32>().copied().map(NodeHash).context("the last tile is empty")
}

/// Verifies what was written, as whoever receives it will: what does not hold is not handed out.
fn checked(out: &Path, anchors: &Anchors) -> Result<String> {
    let file = File::open(out).with_context(|| format!("cannot read {}", out.display()))?;
    let report = verify_archive(&ZipFiles::open(file)?, Shape::Copy, anchors, Options::default())?;
    if report.verdict != Verdict::Intact {
        let _ = std::fs::remove_file(out);
        bail!("what was written does not hold, and was removed again: {report}");
    }
    Ok(report.sentence())
}

fn told(out: &Path, sentence: &str, detail: &TrialDetail, covers: &str) -> String {
    format!(
        "wrote {out}: {sentence}\n{covers}\n\n\
         whoever receives it opens README.html in it, and checks it with\n  trialbook-verify {out} --key VKEY --genesis HEX\n\
         and needs, by another way than this file,\n  key      {key}\n  genesis  {genesis}",
        out = out.display(),
        key = detail.trial.log_key,
        genesis = detail.trial.genesis,
    )
}
