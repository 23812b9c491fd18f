//! Cosigning what was copied.

use std::sync::Arc;

use chain::checkpoint::Cosigner;
use chain::witness_request::{AddCheckpoint, Answer};
use chain::{SecretKey, TreeSize, tree};
use keep::Checkpoints;

use super::server::{Log, Server};
use super::*;
use crate::service::{Decision, Witness};

fn witness(dir: &Path) -> Witness {
    let last = Arc::new(Checkpoints::open(&dir.join("checkpoints.sqlite")).unwrap());
    let cosigner = Cosigner::new("site.example", SecretKey::from_bytes(&[3; 32])).unwrap();
    Witness::new(cosigner, anchors().logs, last, Arc::new(|| 1_000))
}

#[tokio::test]
async fn each_checkpoint_copied_is_cosigned_once_and_the_witness_may_be_asked_by_others_too() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::new(Log::honest(600));
    let witness = witness(state.path());
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    assert_eq!(mirror.cosign(&witness).await.unwrap(), None);
    for size in [1, 255, 300] {
        server.serve(size);
        mirror.step(&server).await.unwrap();
        let own = mirror.cosign(&witness).await.unwrap().unwrap();
        assert!(own.path.ends_with(format!("cosignatures/{size}")));
        let kept = SignedCheckpoint::parse(&std::fs::read(&own.path).unwrap()).unwrap();
        let keys = [witness.verifier_key()];
        assert_eq!(kept.verify(&anchors().logs, &keys).unwrap().cosignatures[0].time, 1_000);
        assert_eq!((kept.claim().size, kept.note().lines().len()), (TreeSize(size), 2));
        assert_eq!(mirror.cosign(&witness).await.unwrap(), None);
    }
    // The log asks the same witness for more than the mirror has.
    let mut tree = server.log().tree();
    let proof = tree::consistency_proof(&mut tree, TreeSize(300), TreeSize(400)).unwrap();
    let checkpoint = server.log().checkpoint(400);
    let request = AddCheckpoint { old: TreeSize(300), proof, checkpoint };
    assert!(matches!(witness.add(&request), Ok(Decision::Cosigned(_))));
    server.serve(350);
    mirror.step(&server).await.unwrap();
    let behind = mirror.cosign(&witness).await;
    assert!(matches!(behind, Err(CosignError::Behind { last: TreeSize(400), size: TreeSize(350) })));
    server.serve(600);
    mirror.step(&server).await.unwrap();
    mirror.cosign(&witness).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_witness_that_has_cosigned_another_tree_refuses_the_copys() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let witness = witness(state.path());
    let forked = Log::forked(600, 250);
    let request = AddCheckpoint { old: TreeSize(0), proof: Vec::new(), checkpoint: forked.checkpoint(280) };
    assert!(matches!(witness.add(&request), Ok(Decision::Cosigned(_))));
    let server = Server::new(Log::honest(600));
    server.serve(300);
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    mirror.step(&server).await.unwrap();
    let refused = mirror.cosign(&witness).await;
    assert!(matches!(refused, Err(CosignError::Refused(Answer::Inconsistent(_)))));
    assert!(!dir.path().join("cosignatures/300").exists());
}
