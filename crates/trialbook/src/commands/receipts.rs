//! `receipts`: what the registry promised, kept in files, and held against the log.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use chain::bundle::{BUNDLE_BYTES_MAX, entries};
use chain::note::{NOTE_BYTES_MAX, VerifierKey, VerifyError};
use chain::receipt::{self, ReceiptError};
use chain::tile::{TILE_BYTES_MAX, TileHashes, TilePath, bundles};
use chain::tree::{HashReader as _, Node};
use chain::{KeyId, NodeHash, Position, Record, RecordHash, SignedCheckpoint};
use clinical::data::Data;
use clinical::{Event, Receipt};
use verify::{DirFiles, Files as _};
use witness::Anchors;

use super::{print, read_bytes, write_new};
use crate::cli::Credentials;
use crate::status;

/// Longest receipt read: a note of at most 1 MiB, and as much again for escapes, path and findings.
const RECEIPT_BYTES_MAX: usize = 2 << 20;

/// Keeps a receipt in a file of its own. The file of one that was given before stays as it is.
pub(super) fn keep(dir: &Path, receipt: &Receipt) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join(format!("{}-{}.json", receipt.trial, receipt.seq));
    if path.exists() {
        let kept: Receipt = serde_json::from_slice(&read_bytes(&path, RECEIPT_BYTES_MAX)?)
            .with_context(|| format!("{} is no receipt", path.display()))?;
        ensure!(kept.hash == receipt.hash, "{} is a receipt of another record", path.display());
        return Ok(());
    }
    let mut text = serde_json::to_string(receipt)?;
    text.push('\n');
    write_new(&path, text.as_bytes())
}

/// Holds every receipt in `dir` against a log.
pub(super) async fn check(dir: &Path, log: &Path, key: VerifierKey, credentials: &Credentials) -> Result<u8> {
    let url = log.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"));
    let copy = tempfile::tempdir().context("there is no room for a copy")?;
    let archive = match url {
        None => archive_in(log)?,
        Some(url) => {
            let anchors = Anchors { logs: vec![key.clone()], genesis: None };
            if let Some(status) = super::mirror::copy(url, copy.path(), anchors, credentials).await? {
                return Ok(status);
            }
            copy.path().join("log")
        }
    };
    let (dir, held) = (dir.to_owned(), copy);
    tokio::task::spawn_blocking(move || {
        let status = check_at(&dir, &archive, &key);
        drop(held);
        status
    })
    .await?
}

/// The archive at `path`: itself, that of a trial's directory, or that of a mirror.
fn archive_in(path: &Path) -> Result<PathBuf> {
    let places = [path.to_owned(), path.join("archive"), path.join("log")];
    let found = places.into_iter().find(|place| place.join("checkpoint").is_file());
    found.with_context(|| format!("there is no archive at {}", path.display()))
}

/// What became of a promise.
enum Kept {
    Yes,
    No(String),
    Undecided(String),
}

fn check_at(dir: &Path, archive: &Path, key: &VerifierKey) -> Result<u8> {
    let mut log = Log::open(archive, key)?;
    let mut receipts = BTreeMap::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            receipts.insert(path.clone(), read_bytes(&path, RECEIPT_BYTES_MAX)?);
        }
    }
    if receipts.is_empty() {
        bail!("there are no receipts in {}", dir.display());
    }
    let (mut kept, mut broken, mut undecided) = (0_u64, 0_u64, 0_u64);
    let mut lines = String::new();
    for (path, bytes) in &receipts {
        let judged = match serde_json::from_slice::<Receipt>(bytes) {
            Ok(receipt) => log.judge(&receipt)?,
            Err(error) => Kept::No(format!("is no receipt: {error}")),
        };
        let (count, said) = match judged {
            Kept::Yes => {
                kept += 1;
                continue;
            }
            Kept::No(why) => (&mut broken, format!("BROKEN     {}: {why}", path.display())),
            Kept::Undecided(why) => (&mut undecided, format!("undecided  {}: {why}", path.display())),
        };
        *count += 1;
        lines.push_str(&said);
        lines.push('\n');
    }
    let claim = log.checkpoint.claim();
    print(&format!(
        "{kept} of {} receipts are kept by {} with {} records; {broken} broken, {undecided} undecided\n{lines}",
        receipts.len(),
        claim.origin(),
        claim.size,
    ))?;
    Ok(match (broken, undecided) {
        (0, 0) => 0,
        (0, _) => status::UNDECIDED,
        _ => status::BROKEN,
    })
}

/// Reads a tile of the archive.
type Fetch = Box<dyn FnMut(TilePath) -> Result<Vec<u8>>>;

/// A log as its archive holds it, under a checkpoint that its key has signed.
struct Log {
    files: DirFiles,
    checkpoint: SignedCheckpoint,
    /// The tree's hashes, each tile held against the signed root before it is used.
    hashes: TileHashes<Fetch>,
    /// Receipt keys that its records grant, each with the position of the record that revokes it.
    keys: Vec<(VerifierKey, Option<Position>)>,
    /// Whether records are left out, so that there may be other receipt keys.
    partial: bool,
}

impl Log {
    fn open(archive: &Path, key: &VerifierKey) -> Result<Self> {
        let files = DirFiles::new(archive);
        let bytes = read(&files, "checkpoint", NOTE_BYTES_MAX)?.context("the archive has no checkpoint")?;
        let checkpoint = SignedCheckpoint::parse(&bytes).context("the archive's checkpoint is none")?;
        let trusted = checkpoint.verify(std::slice::from_ref(key), &[]);
        ensure!(trusted.is_ok(), "the archive's checkpoint is not signed by the key given");
        let (size, root) = (checkpoint.claim().size, checkpoint.claim().root);
        let tiles = files.clone();
        let fetch: Fetch = Box::new(move |path| {
            let found = read(&tiles, &path.to_string(), TILE_BYTES_MAX)?;
            found.with_context(|| format!("the archive has no {path}"))
        });
        let hashes = TileHashes::open(fetch, size, root)
            .map_err(|error| anyhow::anyhow!("the archive's tiles: {error}"))?;
        let mut log = Self { files, checkpoint, hashes, keys: Vec::new(), partial: false };
        log.find_keys()?;
        Ok(log)
    }

    /// The hash that the signed tree has at a leaf.
    fn leaf(&mut self, seq: Position) -> Result<Option<NodeHash>> {
        let found = self.hashes.read_hashes(&[Node::leaf(seq)]);
        let found = found.map_err(|error| anyhow::anyhow!("the archive's tiles: {error}"))?;
        Ok(found.first().copied())
    }

    /// Finds the receipt keys in records that are those of the signed tree.
    fn find_keys(&mut self) -> Result<()> {
        for path in bundles(self.checkpoint.claim().size) {
            let (Some(first), Some(bytes)) =
                (path.first_position(), read(&self.files, &path.to_string(), BUNDLE_BYTES_MAX)?)
            else {
                self.partial = true;
                continue;
            };
            for (seq, entry) in (first.0..).zip(entries(&bytes, path.width())) {
                let entry = entry.with_context(|| path.to_string())?;
                self.partial |= entry.is_empty();
                let Some(change) = key_change(entry) else { continue };
                let stands = self.leaf(Position(seq))? == Some(NodeHash::from(RecordHash::of(entry)));
                ensure!(stands, "record {seq} of the archive is not the one in the signed tree");
                match change {
                    KeyChange::Granted(key) => self.keys.push((key, None)),
                    KeyChange::Revoked(id) => {
                        let revoked = self.keys.iter_mut().filter(|(key, _)| key.key().id() == id);
                        revoked.for_each(|(_, at)| *at = at.or(Some(Position(seq))));
                    }
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, receipt: &Receipt) -> Result<Kept> {
        let claim = self.checkpoint.claim();
        let seq = receipt.seq;
        let (Some(note), Some(path)) = (&receipt.note, &receipt.path) else {
            return Ok(Kept::Undecided("it is not signed".to_owned()));
        };
        let stated = receipt::Receipt { seq, hash: receipt.hash, note: note.as_bytes(), path };
        // A key may be newer than the record: whoever asks again is answered with the key of the day.
        let in_force = self.keys.iter().filter(|(_, revoked)| revoked.is_none_or(|revoked| seq <= revoked));
        let keys: Vec<VerifierKey> = in_force.map(|(key, _)| key.clone()).collect();
        match receipt::verify(&stated, claim.origin(), &keys) {
            Ok(_) => {}
            Err(ReceiptError::Signature(VerifyError::NoKnownKey)) if self.partial => {
                let why = "the copy holds no record that grants the key it is signed with";
                return Ok(Kept::Undecided(why.to_owned()));
            }
            Err(error) => return Ok(Kept::No(format!("it does not bind the registry: {error}"))),
        }
        if seq.0 >= claim.size.0 {
            return Ok(Kept::Undecided(format!("the checkpoint does not reach position {seq}")));
        }
        if self.leaf(seq)? == Some(NodeHash::from(receipt.hash)) {
            return Ok(Kept::Yes);
        }
        Ok(Kept::No(format!(
            "the log has another record at position {seq}, against the registry's signature"
        )))
    }
}

/// What a record does to receipt keys.
enum KeyChange {
    Granted(VerifierKey),
    Revoked(KeyId),
}

/// What a record does to receipt keys, if anything. Whether its signer was entitled to, `verify` tells.
fn key_change(record: &[u8]) -> Option<KeyChange> {
    let record = Record::parse(record).ok()?;
    match Event::decode(record.event).ok()?.data {
        Data::ServiceKeyGranted(granted) => {
            VerifierKey::from_text(&granted.verifier_key).ok().map(KeyChange::Granted)
        }
        Data::KeyRevoked(revoked) => Some(KeyChange::Revoked(revoked.key)),
        _ => None,
    }
}

fn read(files: &DirFiles, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
    let Some(file) = files.open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).with_context(|| path.to_owned())?;
    ensure!(bytes.len() <= bytes_max, "{path} has more than {bytes_max} bytes");
    Ok(Some(bytes))
}
