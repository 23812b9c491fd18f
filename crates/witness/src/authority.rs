//! Which keys a log's own records say that it is signed with, as a mirror asks. Nothing here reads a record or believes one.

use chain::TreeSize;
use chain::note::VerifierKey;

/// What the records of a log say of its keys, and by whose authority.
///
/// Records are handed over in the order of their positions, each of them one that the log's tree has there. A site's copy
/// leaves out other sites' subjects; none of those says anything about keys. Some records come more than once, which MUST
/// change nothing. What is not signed by somebody who was entitled at its position MUST NOT count.
pub trait Authority: Send + Sync {
    /// Takes in a record.
    fn follow(&mut self, record: &[u8]);

    /// The keys with which a checkpoint of so many records has to be signed, each of them; none as long as the log's first
    /// record was not taken in.
    fn due(&self, size: TreeSize) -> Vec<VerifierKey>;

    /// Every key that the log has named for itself so far.
    fn named(&self) -> Vec<VerifierKey>;

    /// One that knows the same, to go on from here with records that may turn out not to be the log's.
    fn branch(&self) -> Box<dyn Authority>;
}
