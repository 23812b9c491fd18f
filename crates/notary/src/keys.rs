//! Which keys a checkpoint is signed with, as the notary asks. Nothing here reads a record or a file.

use chain::note::{Signer, VerifierKey};
use chain::{LinkedRecord, TreeSize};

/// The log's keys: those that its records name, and of these the ones that are here.
///
/// When a notary starts, they MUST be those of every record that is durable then; after that they follow the records
/// that the notary hands over. A key MUST NOT be named twice, so that taking a record in again changes nothing.
pub trait LogKeys: Send + Sync {
    /// The log's name, and so that of each of its keys.
    fn origin(&self) -> &str;

    /// Takes in a record of the log. All below a size are taken in before [`LogKeys::due`] is asked about it; some more
    /// than once.
    fn follow(&self, record: &LinkedRecord);

    /// The keys with which a checkpoint over `size` records has to be signed: at least one.
    fn due(&self, size: TreeSize) -> Vec<VerifierKey>;

    /// Signs with a key that is due; `None` if its secret half is not here.
    fn signer(&self, key: &VerifierKey) -> Option<Signer>;
}
