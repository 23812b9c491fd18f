//! The log's evidence: what is signed, its files, proofs, and a site's own part.

use std::collections::BTreeMap;

use api::{FeedItem, LogFile, Problem};
use archive::GetError;
use chain::note::VerifierKey;
use chain::{Position, SignedCheckpoint};
use clinical::SiteId;

use super::reads::{event_of, text, unreadable};
use super::running::Running;
use crate::proofs;

/// How many records a site is given at once at most, and after how many bytes of the journal it is answered with what
/// there is.
const SITE_RECORDS_MAX: usize = 4_096;
const SITE_BYTES_MAX: usize = 16 << 20;

/// About how many bytes of the journal are read at a time.
const READ_BYTES: usize = 1 << 20;

fn failed(error: &GetError) -> Problem {
    tracing::error!("the archive cannot be read: {error}");
    Problem::internal("the archive cannot be read")
}

/// A file of the archive. A partial tile that is gone since the full one is there is cut from it.
pub(super) async fn log_file(running: &Running, file: LogFile) -> Result<Vec<u8>, Problem> {
    let (name, found) = match file {
        LogFile::Checkpoint => ("checkpoint".to_owned(), running.archive.checkpoint().await),
        LogFile::Witnessed => {
            let witnessed = running.sealing().and_then(|watch| watch.witnessed_checkpoint());
            ("witnessed checkpoint".to_owned(), Ok(witnessed.map(|signed| signed.to_string().into_bytes())))
        }
        LogFile::Tile(path) => (path.to_string(), running.archive.get_or_cut(path).await),
    };
    let found = found.map_err(|error| failed(&error))?;
    found.ok_or_else(|| Problem::not_found(format!("the archive has no {name}")))
}

/// The proof of a record under the latest checkpoint. What is read of the archive is held against the checkpoint's root
/// before it is used.
pub(super) async fn proof(running: &Running, seq: Position) -> Result<String, Problem> {
    let public = running.public();
    if public.opening.is_none() {
        return Err(Problem::not_found("the trial is not open"));
    }
    let broken = |what: String| {
        tracing::error!(trial = %running.trial, "no proof can be made: {what}");
        Problem::internal(format!("no proof can be made: {what}"))
    };
    let bytes = log_file(running, LogFile::Checkpoint).await?;
    let checkpoint = SignedCheckpoint::parse(&bytes).map_err(|error| broken(error.to_string()))?;
    let due: Vec<VerifierKey> = public.log_keys.due(checkpoint.claim().size).cloned().collect();
    checkpoint.verify(&due, &[]).map_err(|error| broken(error.to_string()))?;
    let size = checkpoint.claim().size;
    if seq.0 >= size.0 {
        let detail = format!("the latest checkpoint covers {size} records; record {seq} is not sealed yet");
        return Err(Problem::not_found(detail));
    }
    let needed =
        proofs::tiles(&checkpoint, seq).ok_or_else(|| broken("the checkpoint is too large".to_owned()))?;
    let mut tiles = BTreeMap::new();
    for path in needed {
        tiles.insert(path, log_file(running, LogFile::Tile(path)).await?);
    }
    let proof = proofs::prove(&checkpoint, seq, &tiles);
    Ok(proof.ok_or_else(|| broken("a tile is wrong".to_owned()))?.to_string())
}

/// Records of the trial as a whole and of the site's subjects, after a position. An event of a subject names its site,
/// and a subject belongs to one.
pub(super) fn site_records(
    running: &Running,
    site: &SiteId,
    after: Option<Position>,
) -> Result<Vec<FeedItem>, Problem> {
    if !running.public().sites.contains_key(site) {
        return Err(Problem::not_found(format!("there is no site {site}")));
    }
    let mut next = after.map_or(Position(0), Position::next);
    let (mut found, mut bytes) = (Vec::new(), 0);
    // An answer without any would say that there is no more.
    while found.len() < SITE_RECORDS_MAX && (found.is_empty() || bytes < SITE_BYTES_MAX) {
        let records = running.journal.read(next, READ_BYTES).map_err(|error| unreadable(&error))?;
        let Some(last) = records.last() else { break };
        next = last.seq.next();
        for linked in &records {
            bytes += linked.bytes.len();
            let event = event_of(linked)?;
            if event.subject.is_none() || event.site.as_ref() == Some(site) {
                found.push(FeedItem { seq: linked.seq, record: text(linked)? });
            }
        }
    }
    Ok(found)
}
