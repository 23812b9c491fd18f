//! Asking a witness to cosign, on a thread of its own: however slow, it delays nothing but its own cosignature.

use std::sync::Arc;

use archive::{BlockingArchive, GetError};
use chain::tile::TileHashes;
use chain::tree;
use chain::witness_request::AddCheckpoint;
use chain::{NodeHash, SignedCheckpoint, TreeSize};

use crate::shared::Shared;

/// Tries for one answer: a witness is asked again from the size it states, which may grow meanwhile if somebody else
/// asks it too.
const TRIES: u32 = 3;

/// Shown of a witness's own words, in characters.
const WORDS_MAX: usize = 200;

/// How a witness is reached (C2SP tlog-witness).
///
/// `add_checkpoint` MUST return, with an error if need be, in a time of the implementation's choosing; half a minute is
/// much. It MUST NOT return a body longer than [`chain::note::NOTE_BYTES_MAX`].
pub trait WitnessClient: Send {
    /// The name that the policy has for it.
    fn name(&self) -> &str;

    /// Sends a request, the bytes of its `Display`, and gives the answer's HTTP status and body.
    ///
    /// # Errors
    /// What to show people, where no answer came.
    fn add_checkpoint(&self, request: &AddCheckpoint) -> Result<(u16, Vec<u8>), String>;

    /// The last checkpoint of the log that it has cosigned, with the log's signature, where it shows that: no witness has to.
    /// The same bounds as above.
    fn last_checkpoint(&self, _origin: &str) -> Option<Vec<u8>> {
        None
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Signature lines, not checked yet.
    Cosigned(Vec<u8>),
    /// It says that it has cosigned more than it was asked about.
    Ahead {
        /// How many records.
        size: TreeSize,
        /// The checkpoint that it shows, if it shows one.
        shown: Option<Vec<u8>>,
    },
    /// It says that it has cosigned a tree that this one does not continue.
    Disagrees {
        /// The checkpoint that it shows, if it shows one.
        shown: Option<Vec<u8>>,
        /// Whether this one continues the tree that it shows.
        continues: bool,
    },
    /// It knows no key that has signed it, and shows the checkpoint that it has cosigned last.
    Unknown {
        /// Its answer, to be shown.
        said: String,
        /// The checkpoint that it shows.
        shown: Vec<u8>,
    },
    /// Nothing, for now.
    Failed(String),
}

/// Asks one witness about every round until told to stop.
pub(crate) fn attend(
    place: usize,
    client: &dyn WitnessClient,
    archive: &BlockingArchive,
    shared: &Arc<Shared>,
) {
    let mut known = TreeSize(0);
    while let Some(checkpoint) = shared.next_for(place) {
        let outcome = ask(client, &checkpoint, archive, &mut known);
        shared.report(place, checkpoint.claim().size, outcome);
    }
}

/// `known` is the size the witness is believed to have cosigned last; it is corrected by what the witness says.
fn ask(
    client: &dyn WitnessClient,
    checkpoint: &SignedCheckpoint,
    archive: &BlockingArchive,
    known: &mut TreeSize,
) -> Outcome {
    let size = checkpoint.claim().size;
    for _ in 0..TRIES {
        let proof = match proof(archive, *known, checkpoint) {
            Ok(proof) => proof,
            Err(error) => return Outcome::Failed(error),
        };
        let request = AddCheckpoint { old: *known, proof, checkpoint: checkpoint.clone() };
        match client.add_checkpoint(&request) {
            Ok((200, lines)) => {
                *known = size;
                return Outcome::Cosigned(lines);
            }
            Ok((409, body)) => match read_size(&body) {
                Some(stated) if stated > size => {
                    let shown = client.last_checkpoint(checkpoint.claim().origin());
                    return Outcome::Ahead { size: stated, shown };
                }
                Some(stated) if stated != *known => *known = stated,
                _ => return Outcome::Failed(format!("answers 409 and no other size: {}", words(&body))),
            },
            Ok((422, _)) => {
                let shown = client.last_checkpoint(checkpoint.claim().origin());
                let continues = shown.as_deref().is_some_and(|shown| continues(archive, shown, checkpoint));
                return Outcome::Disagrees { shown, continues };
            }
            Ok((status, body)) => {
                let said = format!("answers {status}: {}", words(&body));
                // It may be our key that is out of date: then it has seen more, and does not come to say so.
                let shown = (status == 403).then(|| client.last_checkpoint(checkpoint.claim().origin()));
                return match shown.flatten() {
                    Some(shown) => Outcome::Unknown { said, shown },
                    None => Outcome::Failed(said),
                };
            }
            Err(error) => return Outcome::Failed(error),
        }
    }
    Outcome::Failed("states another size each time it is asked".to_owned())
}

/// Whether the archive proves that a checkpoint continues the tree that another one states.
fn continues(archive: &BlockingArchive, earlier: &[u8], checkpoint: &SignedCheckpoint) -> bool {
    let Ok(earlier) = SignedCheckpoint::parse(earlier) else { return false };
    let (old, new) = (earlier.claim(), checkpoint.claim());
    if old.size > new.size {
        return false;
    }
    let proof = proof(archive, old.size, checkpoint);
    proof.is_ok_and(|proof| tree::verify_consistency(old.size, old.root, new.size, new.root, &proof).is_ok())
}

fn proof(archive: &BlockingArchive, old: TreeSize, to: &SignedCheckpoint) -> Result<Vec<NodeHash>, String> {
    let claim = to.claim();
    // Nothing is read for the commonest case, and nothing is there for a tree of no records.
    if old == TreeSize(0) || old == claim.size {
        return Ok(Vec::new());
    }
    let fetch =
        |path| -> Result<Vec<u8>, Option<GetError>> { archive.get_or_cut(path).map_err(Some)?.ok_or(None) };
    let failed = |error: &dyn std::fmt::Display| format!("no proof can be made for it: {error}");
    let mut hashes = TileHashes::open(fetch, claim.size, claim.root).map_err(|error| failed(&error))?;
    tree::consistency_proof(&mut hashes, old, claim.size).map_err(|error| failed(&error))
}

/// A number in its one writing and a line feed.
fn read_size(body: &[u8]) -> Option<TreeSize> {
    let digits = std::str::from_utf8(body.strip_suffix(b"\n")?).ok()?;
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits).then_some(TreeSize(size))
}

/// The beginning of what a stranger sent, fit to be shown.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
