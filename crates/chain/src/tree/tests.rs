use super::*;
use proptest::prelude::*;

fn leaves(count: usize) -> Vec<RecordHash> {
    (0..count as u64).map(|n| RecordHash::of(&n.to_be_bytes())).collect()
}

/// RFC 6962 §2.1 as it is written there, by recursion.
fn naive_root(leaves: &[RecordHash]) -> RootHash {
    match leaves {
        [] => RootHash::empty(),
        [leaf] => RootHash(leaf.0),
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            let hash = |side| NodeHash(naive_root(side).0);
            NodeHash::over(&hash(left), &hash(right)).into()
        }
    }
}

fn naive_split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

/// RFC 6962 §2.1.1 as it is written there.
fn naive_path(position: usize, leaves: &[RecordHash]) -> Vec<NodeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = naive_split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, beside) = if position < middle {
        (naive_path(position, left), right)
    } else {
        (naive_path(position - middle, right), left)
    };
    path.push(NodeHash(naive_root(beside).0));
    path
}

/// SUBPROOF of RFC 6962 §2.1.2 as it is written there.
fn naive_subproof(old: usize, leaves: &[RecordHash], is_old_root: bool) -> Vec<NodeHash> {
    if old == leaves.len() {
        return if is_old_root { Vec::new() } else { vec![NodeHash(naive_root(leaves).0)] };
    }
    let middle = naive_split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, beside) = if old <= middle {
        (naive_subproof(old, left, is_old_root), right)
    } else {
        (naive_subproof(old - middle, right, false), left)
    };
    proof.push(NodeHash(naive_root(beside).0));
    proof
}

/// Every size to 1,000, and those around powers of 256 that fit into memory.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=1000).chain([65_535, 65_536, 65_537, 65_792])
}

#[test]
fn roots_of_the_published_test_tree_come_out() {
    // Leaves and roots that RFC 6962 implementations share (certificate-transparency's tree hasher tests).
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
    let leaves: Vec<_> = inputs
        .iter()
        .map(|hex| {
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            RecordHash::of(&bytes)
        })
        .collect();
    for (size, root) in [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ] {
        assert_eq!(root_of(&leaves[..size]).to_string(), root, "{size}");
    }
}

#[test]
fn the_root_is_the_naive_trees_at_every_size_to_1000_and_around_powers_of_256() {
    let all = leaves(65_792);
    let mut tree = MemoryTree::new(&all);
    let mut frontier = Frontier::default();
    let mut appended = 0;
    for size in sizes() {
        let expected = naive_root(&all[..size]);
        all[appended..size].iter().for_each(|leaf| frontier.append(*leaf));
        appended = size;
        let tree_size = TreeSize(size as u64);
        assert_eq!((frontier.size(), frontier.root()), (tree_size, expected), "{size}");
        assert_eq!(root(&mut tree, tree_size).unwrap(), expected, "{size}");
        assert_eq!(MemoryTree::new(&all[..size]).root(), expected, "{size}");
        let nodes = nodes_of(tree_size);
        if !nodes.is_empty() {
            assert_eq!(tree.read_hashes(&nodes).unwrap(), frontier.hashes(), "{size}");
        }
        assert_eq!(Frontier::from_hashes(tree_size, frontier.hashes().to_vec()).unwrap(), frontier, "{size}");
    }
}

#[test]
fn proofs_are_the_naive_trees_at_every_size_to_1000_and_hold() {
    let all = leaves(1000);
    let mut tree = MemoryTree::new(&all);
    for new in 1..=all.len() {
        let (size, root) = (TreeSize(new as u64), naive_root(&all[..new]));
        for position in (0..new).filter(|position| is_sampled(*position, new)) {
            let at = Position(position as u64);
            let proof = inclusion_proof(&mut tree, at, size).unwrap();
            assert_eq!(proof, naive_path(position, &all[..new]), "{position} of {new}");
            assert_eq!(
                verify_inclusion(all[position], at, size, &proof, root),
                Ok(()),
                "{position} of {new}"
            );
        }
        for old in (1..=new).filter(|old| is_sampled(*old, new)) {
            let old_size = TreeSize(old as u64);
            let proof = consistency_proof(&mut tree, old_size, size).unwrap();
            assert_eq!(proof, naive_subproof(old, &all[..new], true), "{old} to {new}");
            let old_root = naive_root(&all[..old]);
            assert_eq!(verify_consistency(old_size, old_root, size, root, &proof), Ok(()), "{old} to {new}");
        }
    }
}

/// All places in small trees; in larger ones the ends and a few that wander with the size.
fn is_sampled(place: usize, size: usize) -> bool {
    size <= 40 || place == 1 || place + 2 > size || place % 251 == size % 251
}

#[test]
fn from_nothing_and_to_the_same_size_the_proof_is_empty() {
    let all = leaves(9);
    let mut tree = MemoryTree::new(&all);
    let (nine, root) = (TreeSize(9), root_of(&all));
    let nothing = (TreeSize(0), RootHash::empty());
    assert_eq!(consistency_proof(&mut tree, nothing.0, nine), Ok(vec![]));
    assert_eq!(consistency_proof(&mut tree, nine, nine), Ok(vec![]));
    assert_eq!(verify_consistency(nothing.0, nothing.1, nine, root, &[]), Ok(()));
    assert_eq!(verify_consistency(nothing.0, nothing.1, nothing.0, nothing.1, &[]), Ok(()));
    assert_eq!(verify_consistency(nine, root, nine, root, &[]), Ok(()));

    let other = RootHash([1; 32]);
    let refused = |old, old_root, new, new_root, proof: &[NodeHash]| {
        verify_consistency(old, old_root, new, new_root, proof).unwrap_err()
    };
    assert!(matches!(refused(nothing.0, other, nine, root, &[]), ProofError::OldRootDiffers { .. }));
    assert!(matches!(refused(nothing.0, nothing.1, nothing.0, other, &[]), ProofError::RootDiffers { .. }));
    assert!(matches!(refused(nine, root, nine, other, &[]), ProofError::RootDiffers { .. }));
    assert_eq!(refused(nine, root, nine, root, &[NodeHash::default()]), ProofError::Length { found: 1 });
    assert_eq!(
        refused(nothing.0, nothing.1, nine, root, &[NodeHash::default()]),
        ProofError::Length { found: 1 }
    );
    assert!(matches!(refused(nine, root, TreeSize(8), root, &[]), ProofError::Shrunk { .. }));
}

#[test]
fn what_is_outside_the_tree_has_no_proof() {
    let mut tree = MemoryTree::new(&leaves(3));
    assert_eq!(
        inclusion_proof(&mut tree, Position(3), TreeSize(3)),
        Err(TreeError::OutsideTree { position: Position(3), size: TreeSize(3) })
    );
    assert_eq!(
        consistency_proof(&mut tree, TreeSize(4), TreeSize(3)),
        Err(TreeError::Shrunk { old: TreeSize(4), new: TreeSize(3) })
    );
    assert_eq!(
        verify_inclusion(RecordHash::ZERO, Position(0), TreeSize(0), &[], RootHash::empty()),
        Err(ProofError::OutsideTree { position: Position(0), size: TreeSize(0) })
    );
    // The memory has three leaves, not four: the answer is short, and said to be.
    assert_eq!(root(&mut tree, TreeSize(4)), Err(TreeError::Count { expected: 1, found: 0 }));
}

#[test]
fn a_proof_reads_no_more_than_two_hashes_a_level() {
    let (at, size) = (Position(7_654_321), TreeSize(10_000_000));
    assert!(inclusion_nodes::<()>(at, size).unwrap().len() <= 48);
    assert!(consistency_nodes::<()>(TreeSize(7_654_321), size).unwrap().len() <= 48);
}

#[test]
fn a_frontier_of_another_size_or_beyond_every_log_is_refused() {
    assert_eq!(
        Frontier::from_hashes(TreeSize(3), vec![NodeHash::default()]),
        Err(FrontierError::Count { expected: 2, found: 1 })
    );
    let size = TreeSize(u64::MAX);
    assert_eq!(
        Frontier::from_hashes(size, vec![NodeHash::default(); 64]),
        Err(FrontierError::TooLarge { size })
    );
}

#[test]
fn the_largest_sizes_are_answered_like_all_others() {
    let largest = TreeSize(u64::MAX);
    assert_eq!(nodes_of(largest).len(), 64);
    assert_eq!(inclusion_nodes::<()>(Position(u64::MAX - 1), largest).unwrap().len(), 63);
    let leaf = RecordHash::ZERO;
    assert!(root_of_inclusion(leaf, Position(0), largest, &[NodeHash::default(); 64]).is_ok());
    assert_eq!(
        root_of_inclusion(leaf, Position(0), largest, &[NodeHash::default(); 65]),
        Err(ProofError::Length { found: 65 })
    );
    assert!(Node { level: 63, index: 0 }.is_within(largest));
    assert!(!Node { level: 63, index: 1 }.is_within(largest));
    assert!(!Node { level: 64, index: 0 }.is_within(largest));
}

proptest! {
    #[test]
    fn proofs_hold_in_any_tree_of_less_than_3000_leaves(
        (size, old, position) in (1usize..3000).prop_flat_map(|size| (Just(size), 0..=size, 0..size)),
    ) {
        let all = leaves(size);
        let mut tree = MemoryTree::new(&all);
        let (new, root) = (TreeSize(size as u64), tree.root());
        let at = Position(position as u64);
        let proof = inclusion_proof(&mut tree, at, new).unwrap();
        prop_assert_eq!(verify_inclusion(all[position], at, new, &proof, root), Ok(()));
        let old_size = TreeSize(old as u64);
        let proof = consistency_proof(&mut tree, old_size, new).unwrap();
        prop_assert_eq!(verify_consistency(old_size, root_of(&all[..old]), new, root, &proof), Ok(()));
    }

    #[test]
    fn a_changed_proof_position_size_or_leaf_proves_nothing(
        (size, position) in (2usize..300).prop_flat_map(|size| (Just(size), 0..size)),
        change in 0usize..6,
        at in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let all = leaves(size);
        let mut tree = MemoryTree::new(&all);
        let (mut place, mut claimed, mut leaf) = (Position(position as u64), TreeSize(size as u64), all[position]);
        let mut proof = inclusion_proof(&mut tree, place, claimed).unwrap();
        let beside = at.index(proof.len());
        match change {
            0 => proof[beside].0[bit / 8] ^= 1 << (bit % 8),
            1 => drop(proof.remove(beside)),
            2 => proof.insert(beside, NodeHash::default()),
            3 => leaf.0[bit / 8] ^= 1 << (bit % 8),
            4 => place = Position((place.0 + 1) % claimed.0),
            _ => claimed = TreeSize(claimed.0 * 2),
        }
        prop_assert!(verify_inclusion(leaf, place, claimed, &proof, tree.root()).is_err());
    }

    #[test]
    fn a_changed_consistency_proof_or_root_proves_nothing(
        (size, old) in (2usize..300).prop_flat_map(|size| (Just(size), 1..size)),
        change in 0usize..5,
        at in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let all = leaves(size);
        let mut tree = MemoryTree::new(&all);
        let (old_size, new_size) = (TreeSize(old as u64), TreeSize(size as u64));
        let (mut old_root, mut new_root) = (root_of(&all[..old]), tree.root());
        let mut proof = consistency_proof(&mut tree, old_size, new_size).unwrap();
        let index = at.index(proof.len());
        match change {
            0 => proof[index].0[bit / 8] ^= 1 << (bit % 8),
            1 => drop(proof.remove(index)),
            2 => proof.insert(index, NodeHash::default()),
            3 => old_root.0[bit / 8] ^= 1 << (bit % 8),
            _ => new_root.0[bit / 8] ^= 1 << (bit % 8),
        }
        prop_assert!(verify_consistency(old_size, old_root, new_size, new_root, &proof).is_err());
    }

    #[test]
    fn any_sizes_and_hashes_get_an_answer(
        old in any::<u64>(), new in any::<u64>(), count in 0usize..70, byte in any::<u8>(),
    ) {
        let proof = vec![NodeHash([byte; 32]); count];
        let root = RootHash([byte; 32]);
        let _ = verify_inclusion(RecordHash([byte; 32]), Position(old), TreeSize(new), &proof, root);
        let _ = verify_consistency(TreeSize(old), root, TreeSize(new), root, &proof);
        let _ = inclusion_nodes::<()>(Position(old), TreeSize(new));
        let _ = consistency_nodes::<()>(TreeSize(old), TreeSize(new));
    }
}
