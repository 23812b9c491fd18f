//! `bench proof`: an inclusion proof out of an archive's files, as `GET …/proofs/{seq}` makes it.
//!
//! The tree is a generated one: its leaves are hashes of numbers, its tiles lie in files as an archive's do; there are no
//! records. A proof reads the tiles that it needs, holds them against the root and picks its hashes. The reference reads
//! the same files and nothing else, so that the ratio says what all but reading costs.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use archive::{Archive, BlockingArchive};
use chain::tile::{TileHashes, TilePath, tiles_needed};
use chain::tree;
use chain::{NodeHash, Position, RecordHash, RootHash, TreeSize};

use crate::archived::{levels, write_tiles};
use crate::measure::{Arguments, Spread};

const LEAVES: u64 = 10_000_000;
const PROOFS: u64 = 300;

/// A proof is to take less.
const TARGET_MS: f64 = 5.0;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let size = TreeSize(arguments.value("leaves", LEAVES)?);
    ensure!(size.0 > 0, "a tree without leaves proves nothing");
    let proofs: u64 = arguments.value("proofs", PROOFS)?;
    let directory = arguments.directory()?;
    let leaves: Vec<_> = (0..size.0).map(|n| leaf(Position(n))).collect();
    let root = tree::root_of(&leaves);
    write_tiles(directory.path(), &levels(leaves.into_iter().map(NodeHash::from).collect()))?;
    let archive = Archive::local(directory.path())?.blocking()?;
    // Spread over the whole tree, in an order that no read-ahead foresees; the same in every run.
    let positions = (0..proofs).map(|n| Position(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % size.0));
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for seq in positions {
        let nodes = tree::inclusion_nodes::<std::convert::Infallible>(seq, size)?;
        let start = Instant::now();
        for path in tiles_needed(&nodes, size) {
            std::hint::black_box(std::fs::read(directory.path().join(path.to_string()))?);
        }
        plain.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let proof = prove(&archive, seq, size, root)?;
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        tree::verify_inclusion(leaf(seq), seq, size, &proof, root)?;
    }
    let (ours, plain) = (Spread::of(ours), Spread::of(plain));
    let (text, most) = (format!("proof out of {size}"), ours.most);
    let reached = if ours.median < TARGET_MS { "reached" } else { "BELOW" };
    println!(
        "{text:<24} {:.2} ms (most {most:.2})  reading the same files {:.2} ms  ratio {:.2}  target {TARGET_MS} ms: {reached}",
        ours.median,
        plain.median,
        ours.median / plain.median,
    );
    Ok(())
}

fn prove(archive: &BlockingArchive, seq: Position, size: TreeSize, root: RootHash) -> Result<Vec<NodeHash>> {
    let source = |path: TilePath| -> Result<Vec<u8>> {
        archive.get_or_cut(path)?.with_context(|| format!("the archive has no {path}"))
    };
    let mut hashes = TileHashes::open(source, size, root).map_err(|error| anyhow::anyhow!("{error}"))?;
    tree::inclusion_proof(&mut hashes, seq, size).map_err(|error| anyhow::anyhow!("{error}"))
}

fn leaf(seq: Position) -> RecordHash {
    RecordHash::of(&seq.0.to_be_bytes())
}
