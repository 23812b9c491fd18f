use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::hash::{RecordHash, RootHash};
use crate::tree::{self, HashReader, MemoryTree};
use proptest::prelude::*;

/// The tiles of a tree as the specification defines them: at each level, 256 hashes over 256^level leaves each.
fn naive_tiles(leaves: &[RecordHash]) -> BTreeMap<String, Vec<u8>> {
    let mut tiles = BTreeMap::new();
    let mut level: Vec<NodeHash> = leaves.iter().copied().map(NodeHash::from).collect();
    for height in 0.. {
        if level.is_empty() {
            return tiles;
        }
        for (index, hashes) in level.chunks(256).enumerate() {
            assert!(index < 1000, "these tests need no groups");
            let partial = if hashes.len() == 256 { String::new() } else { format!(".p/{}", hashes.len()) };
            tiles.insert(format!("tile/{height}/{index:03}{partial}"), HashTile::encode(hashes));
        }
        let root = |hashes: &[NodeHash]| {
            let leaves: Vec<_> = hashes.iter().map(|hash| RecordHash(hash.0)).collect();
            NodeHash(tree::root_of(&leaves).0)
        };
        level = level.as_chunks::<256>().0.iter().map(|hashes| root(hashes)).collect();
    }
    unreachable!("a tree has few levels")
}

fn leaves(count: usize) -> Vec<RecordHash> {
    (0..count as u64).map(|n| RecordHash::of(&n.to_be_bytes())).collect()
}

type Stored = BTreeMap<String, Vec<u8>>;

fn open(
    stored: &Stored,
    size: usize,
    root: RootHash,
) -> Result<TileHashes<impl TileSource<Error = ()>>, TileReadError<()>> {
    let fetch = |path: TilePath| stored.get(&path.to_string()).cloned().ok_or(());
    TileHashes::open(fetch, TreeSize(size as u64), root)
}

#[test]
fn a_path_has_one_spelling() {
    for (text, kind, index, width) in [
        ("tile/0/000", TileKind::Hashes(0), 0, 256),
        ("tile/63/999", TileKind::Hashes(63), 999, 256),
        ("tile/0/x001/000.p/1", TileKind::Hashes(0), 1000, 1),
        ("tile/1/x001/x234/067.p/255", TileKind::Hashes(1), 1_234_067, 255),
        ("tile/entries/x999/999", TileKind::Entries, 999_999, 256),
        ("tile/0/x018/x446/x744/x073/x709/x551/615", TileKind::Hashes(0), u64::MAX, 256),
    ] {
        let path = TilePath::new(kind, index, width).unwrap();
        assert_eq!(text.parse(), Ok(path), "{text}");
        assert_eq!(path.to_string(), text);
    }
    for (text, error) in [
        ("", TilePathError::Form),
        ("tile", TilePathError::Form),
        ("tile/0", TilePathError::Form),
        ("/tile/0/000", TilePathError::Form),
        ("tiles/0/000", TilePathError::Form),
        ("tile/64/000", TilePathError::Level),
        ("tile/00/000", TilePathError::Level),
        ("tile/+1/000", TilePathError::Level),
        ("tile//000", TilePathError::Level),
        ("tile/Entries/000", TilePathError::Level),
        ("tile/0/", TilePathError::Index),
        ("tile/0/0", TilePathError::Index),
        ("tile/0/0000", TilePathError::Index),
        ("tile/0/x000", TilePathError::Index),
        ("tile/0/x000/001", TilePathError::Index),
        ("tile/0/001/001", TilePathError::Index),
        ("tile/0/x001/x001", TilePathError::Index),
        ("tile/0/x001//001", TilePathError::Index),
        ("tile/0/00a", TilePathError::Index),
        ("tile/0/+01", TilePathError::Index),
        ("tile/0/../0", TilePathError::Index),
        ("tile/0/000/", TilePathError::Index),
        ("tile/0/000.p", TilePathError::Index),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", TilePathError::Index),
        ("tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999", TilePathError::Index),
        ("tile/0/000.p/", TilePathError::Width),
        ("tile/0/000.p/0", TilePathError::Width),
        ("tile/0/000.p/01", TilePathError::Width),
        ("tile/0/000.p/256", TilePathError::Width),
        ("tile/0/000.p/1.p/1", TilePathError::Width),
        ("tile/0/000.p/1/", TilePathError::Width),
    ] {
        assert_eq!(text.parse::<TilePath>(), Err(error), "{text}");
    }
    assert_eq!(TilePath::new(TileKind::Hashes(64), 0, 1), Err(TilePathError::Level));
    assert_eq!(TilePath::new(TileKind::Entries, 0, 0), Err(TilePathError::Width));
    assert_eq!(TilePath::new(TileKind::Entries, 0, 257), Err(TilePathError::Width));
}

#[test]
fn a_tree_of_70000_has_the_tiles_the_specification_counts() {
    let paths: Vec<_> = tiles(TreeSize(70_000)).collect();
    let count = |level, full| {
        paths.iter().filter(|path| path.kind() == TileKind::Hashes(level) && path.is_full() == full).count()
    };
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    let partial: Vec<_> = paths.iter().filter(|path| !path.is_full()).map(ToString::to_string).collect();
    assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(paths.len(), 277);
}

#[test]
fn the_tiles_of_a_size_are_the_naive_ones_and_no_others_exist() {
    let all = leaves(1000);
    for size in (0..=1000).filter(|size| size % 37 < 2 || size % 256 < 2 || size % 256 == 255) {
        let tree_size = TreeSize(size as u64);
        let naive = naive_tiles(&all[..size]);
        let mut paths: Vec<_> = tiles(tree_size).map(|path| path.to_string()).collect();
        paths.sort();
        assert_eq!(paths, naive.keys().cloned().collect::<Vec<_>>(), "{size}");
        for index in 0..6 {
            for width in 1..=256 {
                for kind in [TileKind::Hashes(0), TileKind::Hashes(1), TileKind::Hashes(2)] {
                    let path = TilePath::new(kind, index, width).unwrap();
                    assert_eq!(
                        path.exists_in(tree_size),
                        naive.contains_key(&path.to_string()),
                        "{path} {size}"
                    );
                }
            }
        }
    }
    assert!(!"tile/8/000.p/1".parse::<TilePath>().unwrap().exists_in(TreeSize(u64::MAX)));
    assert!("tile/7/000.p/255".parse::<TilePath>().unwrap().exists_in(TreeSize(u64::MAX)));
}

#[test]
fn what_is_new_between_two_sizes_is_what_the_older_has_not() {
    let set = |size| tiles(TreeSize(size)).chain(bundles(TreeSize(size))).collect::<BTreeSet<_>>();
    for (old, new) in
        [(0, 0), (0, 1), (1, 1), (1, 256), (255, 257), (256, 512), (300, 70_000), (65_536, 65_537), (9, 3)]
    {
        let (older, newer) = (TreeSize(old), TreeSize(new));
        let found: BTreeSet<_> = new_tiles(older, newer).chain(new_bundles(older, newer)).collect();
        let expected =
            if new < old { BTreeSet::new() } else { set(new).difference(&set(old)).copied().collect() };
        assert_eq!(found, expected, "{old} to {new}");
    }
}

#[test]
fn positions_are_found_in_their_bundles() {
    for size in [1, 255, 256, 257, 1000] {
        for position in 0..size {
            let (path, place) = bundle_of(Position(position), TreeSize(size)).unwrap();
            assert!(path.exists_in(TreeSize(size)) && place < usize::from(path.width()));
            assert_eq!(path.first_position(), Some(Position(position - place as u64)));
        }
        assert_eq!(bundle_of(Position(size), TreeSize(size)), None);
    }
    assert_eq!("tile/1/002".parse::<TilePath>().unwrap().first_position(), Some(Position(131_072)));
    assert_eq!("tile/7/001".parse::<TilePath>().unwrap().first_position(), None);
    assert_eq!("tile/63/000".parse::<TilePath>().unwrap().first_position(), Some(Position(0)));
}

#[test]
fn a_tile_has_exactly_the_bytes_of_its_width() {
    let path: TilePath = "tile/0/000.p/3".parse().unwrap();
    assert!(HashTile::parse(path, &[0; 96]).is_ok());
    for found in [0, 95, 97, 8192] {
        assert_eq!(
            HashTile::parse(path, &vec![0; found]),
            Err(TileError::Length { path, expected: 96, found })
        );
    }
    let bundle: TilePath = "tile/entries/000.p/3".parse().unwrap();
    assert_eq!(HashTile::parse(bundle, &[0; 96]), Err(TileError::NotHashes { path: bundle }));
}

#[test]
fn hashes_and_proofs_from_tiles_are_those_of_the_tree() {
    for size in [1, 2, 255, 256, 257, 700, 65_535, 65_536, 66_000] {
        let all = leaves(size);
        let stored = naive_tiles(&all);
        let mut memory = MemoryTree::new(&all);
        let tree_size = TreeSize(size as u64);
        let mut hashes = open(&stored, size, memory.root()).unwrap();
        for position in [0, 1, size / 3, size / 2, size - 1].map(|at| Position(at.min(size - 1) as u64)) {
            let expected = tree::inclusion_proof(&mut memory, position, tree_size).unwrap();
            assert_eq!(
                tree::inclusion_proof(&mut hashes, position, tree_size),
                Ok(expected),
                "{position} of {size}"
            );
        }
        for old in [1, size / 3 + 1, size].map(|old| TreeSize(old as u64)) {
            let expected = tree::consistency_proof(&mut memory, old, tree_size).unwrap();
            assert_eq!(tree::consistency_proof(&mut hashes, old, tree_size), Ok(expected), "{old} to {size}");
        }
    }
    assert!(open(&BTreeMap::new(), 0, RootHash::empty()).is_ok());
}

#[test]
fn only_the_tiles_named_beforehand_are_fetched() {
    let all = leaves(66_000);
    let stored = naive_tiles(&all);
    let root = tree::root_of(&all);
    let size = TreeSize(66_000);
    let position = Position(12_345);
    let mut fetched = BTreeSet::new();
    let fetch = |path: TilePath| {
        assert!(fetched.insert(path), "{path} twice");
        stored.get(&path.to_string()).cloned().ok_or(())
    };
    let mut hashes = TileHashes::open(fetch, size, root).unwrap();
    tree::inclusion_proof(&mut hashes, position, size).unwrap();
    drop(hashes);
    assert_eq!(fetched, tiles_needed(&tree::inclusion_nodes::<()>(position, size).unwrap(), size));
    assert!(fetched.len() <= 5, "{fetched:?}");
}

#[test]
fn an_altered_a_cut_or_a_missing_tile_is_named() {
    let all = leaves(66_000);
    let root = tree::root_of(&all);
    let size = TreeSize(66_000);
    let proof = |stored: &Stored| {
        let mut hashes = open(stored, 66_000, root)?;
        match tree::inclusion_proof(&mut hashes, Position(300), size) {
            Err(tree::TreeError::Read(error)) => Err(error),
            other => Ok(other.unwrap()),
        }
    };
    let good = naive_tiles(&all);
    assert!(proof(&good).is_ok());
    let path = |text: &str| text.parse::<TilePath>().unwrap();
    for name in ["tile/0/001", "tile/1/000"] {
        let mut stored = good.clone();
        stored.get_mut(name).unwrap()[8191] ^= 1;
        assert!(
            matches!(proof(&stored), Err(TileReadError::WrongTile { path: at, .. }) if at == path(name)),
            "{name}"
        );
    }
    for name in ["tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"] {
        let mut stored = good.clone();
        stored.get_mut(name).unwrap()[0] ^= 0x80;
        assert!(matches!(proof(&stored), Err(TileReadError::WrongRoot { .. })), "{name}");
    }
    for name in ["tile/0/001", "tile/1/000", "tile/2/000.p/1"] {
        let mut stored = good.clone();
        stored.get_mut(name).unwrap().pop();
        assert!(
            matches!(proof(&stored), Err(TileReadError::Malformed(TileError::Length { path: at, .. })) if at == path(name))
        );
        stored.remove(name);
        assert_eq!(proof(&stored), Err(TileReadError::Fetch { path: path(name), source: () }));
    }
    assert!(matches!(open(&good, 66_000, RootHash([0; 32])), Err(TileReadError::WrongRoot { .. })));
    assert!(matches!(open(&BTreeMap::new(), 0, root), Err(TileReadError::WrongRoot { .. })));
}

#[test]
fn a_subtree_outside_the_tree_is_not_read() {
    let all = leaves(300);
    let stored = naive_tiles(&all);
    let mut hashes = open(&stored, 300, tree::root_of(&all)).unwrap();
    for node in [Node { level: 0, index: 300 }, Node { level: 8, index: 1 }, Node { level: 64, index: 0 }] {
        assert_eq!(
            hashes.read_hashes(&[node]),
            Err(TileReadError::OutsideTree { node, size: TreeSize(300) })
        );
    }
}

proptest! {
    #[test]
    fn any_path_reads_back(level in 0u8..=63, entries in any::<bool>(), index in any::<u64>(), width in 1u16..=256) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let path = TilePath::new(kind, index, width).unwrap();
        prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
        let _ = (path.first_position(), path.exists_in(TreeSize(index)));
    }

    #[test]
    fn what_is_read_as_a_path_is_its_one_spelling(text in "tile/[0-9e]{1,2}/[x0-9/]{1,12}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn every_node_of_any_tree_has_its_tile(size in 1u64.., level in 0u32..64, pick in any::<u64>()) {
        let count = size >> level;
        let size = TreeSize(size);
        if count > 0 {
            let node = Node { level, index: pick % count };
            let path = tile_of(node, size).unwrap();
            prop_assert!(path.exists_in(size));
            let bytes = vec![0; usize::from(path.width()) * 32];
            prop_assert!(HashTile::parse(path, &bytes).unwrap().node(node).is_some());
        }
        prop_assert_eq!(tile_of(Node { level, index: count }, size), None);
    }
}
