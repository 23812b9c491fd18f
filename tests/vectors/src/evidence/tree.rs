//! Roots, proofs, tiles, entry bundles.

use chain::tile::{HashTile, TileKind, TilePath, new_bundles, new_tiles};
use chain::tree::{self, Frontier, Node};
use chain::{NodeHash, Position, RecordHash, RootHash, bundle};
use serde_json::{Value, json};

use super::{hex, leaves, numbers, record, records_rule, root_of, tree_of};
use crate::{Family, accepted_or_refused, from_hex};

/// The sizes at which every structure is shown.
const SIZES: [u64; 10] = [0, 1, 2, 3, 5, 8, 255, 256, 257, 300];

pub(crate) const ROOT: Family = Family {
    name: "tree-root",
    about: concat!(
        "Roots of the Merkle tree of RFC 6962, and the hashes of the complete subtrees that the tree consists of, ",
        "largest first. ",
        records_rule!()
    ),
    cases: || {
        let sizes = SIZES.into_iter().chain([65_535, 65_536, 65_537]);
        sizes.map(|size| numbers(&format!("of {size} records"), &[("size", size)])).collect()
    },
    compute: |input| {
        let mut frontier = Frontier::default();
        for leaf in leaves(0, input.number("size")?)? {
            frontier.append(leaf);
        }
        Ok(json!({"root": frontier.root(), "subtrees": hex(frontier.hashes())}))
    },
};

pub(crate) const INCLUSION: Family = Family {
    name: "tree-inclusion",
    about: concat!(
        "Inclusion proofs (RFC 6962 section 2.1.1), the leaf's neighbour first, with leaf and root. ",
        records_rule!()
    ),
    cases: || {
        let places = SIZES.into_iter().flat_map(|size| {
            let mut places: Vec<u64> = [0, 1, 4, 255, 256, size / 2, size.saturating_sub(1)].into();
            places.retain(|place| *place < size);
            places.sort_unstable();
            places.dedup();
            places.into_iter().map(move |place| (place, size))
        });
        places
            .map(|(place, size)| {
                numbers(&format!("of record {place} among {size}"), &[("position", place), ("size", size)])
            })
            .collect()
    },
    compute: |input| {
        let (position, size) = (Position(input.number("position")?), input.size("size")?);
        let mut tree = tree_of(size)?;
        let leaf = RecordHash::of(&record(position.0));
        let proof = tree::inclusion_proof(&mut tree, position, size)?;
        tree::verify_inclusion(leaf, position, size, &proof, tree.root())?;
        Ok(json!({"leaf": leaf, "proof": hex(&proof), "root": tree.root()}))
    },
};

pub(crate) const CONSISTENCY: Family = Family {
    name: "tree-consistency",
    about: concat!(
        "Consistency proofs (RFC 6962 section 2.1.2) with both roots; from size 0 and between equal sizes the proof is ",
        "empty. ",
        records_rule!()
    ),
    cases: || {
        let pairs = [
            (0, 0),
            (0, 1),
            (1, 1),
            (1, 2),
            (1, 3),
            (2, 3),
            (2, 5),
            (3, 5),
            (3, 8),
            (4, 8),
            (5, 8),
            (7, 8),
            (8, 255),
            (255, 256),
            (255, 257),
            (256, 257),
            (256, 300),
            (257, 300),
            (299, 300),
        ];
        pairs.map(|(old, new)| numbers(&format!("from {old} to {new}"), &[("new", new), ("old", old)])).into()
    },
    compute: |input| {
        let (old, new) = (input.size("old")?, input.size("new")?);
        let mut tree = tree_of(new)?;
        let proof = tree::consistency_proof(&mut tree, old, new)?;
        let old_root = root_of(old)?;
        tree::verify_consistency(old, old_root, new, tree.root(), &proof)?;
        Ok(json!({"new_root": tree.root(), "old_root": old_root, "proof": hex(&proof)}))
    },
};

pub(crate) const TREE_CHECK: Family = Family {
    name: "tree-check",
    about: "Proofs that were changed, and the answer that they must get: those of size 0, equal sizes and impossible sizes \
            are where implementations differ. Inclusion where there is a leaf, else consistency.",
    cases: || {
        let [a, b, c] = ["a", "b", "c"].map(|record| RecordHash::of(record.as_bytes()));
        let over = |left: NodeHash, right: NodeHash| NodeHash::over(&left, &right);
        let ab = over(a.into(), b.into());
        let abc = over(ab, c.into());
        let empty = RootHash::empty();
        let inclusion = |name: &str, leaf: RecordHash, position: u64, size: u64, proof: &[NodeHash]| {
            let input =
                json!({"leaf": leaf, "position": position, "proof": hex(proof), "root": abc, "size": size});
            (name.to_owned(), input)
        };
        let consistency = |name: &str,
                           old: u64,
                           old_root: String,
                           new: u64,
                           new_root: String,
                           proof: &[NodeHash]| {
            let input = json!({"new": new, "new_root": new_root, "old": old, "old_root": old_root, "proof": hex(proof)});
            (name.to_owned(), input)
        };
        let (empty, two, three) = (empty.to_string(), ab.to_string(), abc.to_string());
        vec![
            inclusion("a good inclusion", c, 2, 3, &[ab]),
            inclusion("another leaf", b, 2, 3, &[ab]),
            inclusion("another position", c, 1, 3, &[ab]),
            inclusion("a hash too many", c, 2, 3, &[ab, ab]),
            inclusion("a hash too few", c, 2, 3, &[]),
            inclusion("a position outside the tree", c, 3, 3, &[ab]),
            inclusion("an empty tree", c, 0, 0, &[]),
            inclusion("the largest size there is", c, 2, u64::MAX, &[ab]),
            consistency("a good consistency", 2, two.clone(), 3, three.clone(), &[c.into()]),
            consistency("the old root is another", 2, three.clone(), 3, three.clone(), &[c.into()]),
            consistency("the new root is another", 2, two.clone(), 3, two.clone(), &[c.into()]),
            consistency("no hashes where one is due", 2, two.clone(), 3, three.clone(), &[]),
            consistency("from nothing", 0, empty.clone(), 3, three.clone(), &[]),
            consistency("from nothing with a proof", 0, empty.clone(), 3, three.clone(), &[ab]),
            consistency("from nothing that has a root", 0, two.clone(), 3, three.clone(), &[]),
            consistency("equal sizes", 3, three.clone(), 3, three.clone(), &[]),
            consistency("equal sizes with a proof", 3, three.clone(), 3, three.clone(), &[ab]),
            consistency("equal sizes, another root", 3, three.clone(), 3, two.clone(), &[]),
            consistency("the new tree is smaller", 3, three, 2, two, &[]),
        ]
    },
    compute: |input| {
        let hash = |text: String| -> anyhow::Result<NodeHash> { Ok(text.parse()?) };
        let proof = input.texts("proof")?.into_iter().map(hash).collect::<anyhow::Result<Vec<_>>>()?;
        let holds = if input.0.contains_key("leaf") {
            let (position, size) = (Position(input.number("position")?), input.size("size")?);
            tree::verify_inclusion(input.parsed("leaf")?, position, size, &proof, input.parsed("root")?)
        } else {
            let (old, new) = (input.size("old")?, input.size("new")?);
            tree::verify_consistency(old, input.parsed("old_root")?, new, input.parsed("new_root")?, &proof)
        };
        Ok(json!({"holds": holds.is_ok()}))
    },
};

pub(crate) const TILE_PATH: Family = Family {
    name: "tile-path",
    about: "Paths of tiles and entry bundles (C2SP tlog-tiles), and texts that are none.",
    cases: || {
        let texts = [
            "tile/0/000",
            "tile/0/000.p/1",
            "tile/0/255.p/255",
            "tile/1/x001/234",
            "tile/0/x001/x234/067.p/8",
            "tile/63/000",
            "tile/entries/000",
            "tile/entries/x012/345.p/77",
            "tile/0/x018/x446/x744/x073/x709/x551/615",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/64/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/1234",
            "tile/0/x000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x1/001",
            "tile/0/000/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/",
            "tile/0/000.P/1",
            "/tile/0/000",
            "tile/data/000",
            "checkpoint",
        ];
        texts.map(|text| (text.to_owned(), json!({"text": text}))).into()
    },
    compute: |input| {
        Ok(accepted_or_refused(input.text("text")?.parse::<TilePath>(), |path| {
            let level = match path.kind() {
                TileKind::Hashes(level) => json!(level),
                TileKind::Entries => json!("entries"),
            };
            // Larger indices than a JSON reader holds exactly are texts.
            json!({"index": path.index().to_string(), "level": level, "width": path.width()})
        }))
    },
};

pub(crate) const TILE_SET: Family = Family {
    name: "tile-set",
    about: "The tiles and entry bundles that come when a log grows from one size to another; from 0, all that it has.",
    cases: || {
        let pairs = [
            (0, 0),
            (0, 1),
            (0, 5),
            (0, 255),
            (0, 256),
            (0, 257),
            (0, 300),
            (1, 1),
            (1, 2),
            (255, 256),
            (255, 257),
            (256, 300),
            (256, 512),
            (300, 768),
            (65_535, 65_536),
            (65_536, 65_537),
            (65_537, 65_800),
        ];
        pairs.map(|(old, new)| numbers(&format!("from {old} to {new}"), &[("new", new), ("old", old)])).into()
    },
    compute: |input| {
        let (old, new) = (input.size("old")?, input.size("new")?);
        let texts = |paths: &mut dyn Iterator<Item = TilePath>| -> Value {
            paths.map(|path| path.to_string()).collect()
        };
        Ok(json!({"bundles": texts(&mut new_bundles(old, new)), "tiles": texts(&mut new_tiles(old, new))}))
    },
};

pub(crate) const TILE: Family = Family {
    name: "tile",
    about: concat!(
        "Hash tiles by their length and SHA-256, small ones in full; of full tiles the hash that stands for them in the ",
        "level above. ",
        records_rule!()
    ),
    cases: || {
        let cases = [
            (1, "tile/0/000.p/1"),
            (5, "tile/0/000.p/5"),
            (255, "tile/0/000.p/255"),
            (256, "tile/0/000"),
            (256, "tile/1/000.p/1"),
            (257, "tile/0/001.p/1"),
            (300, "tile/0/001.p/44"),
            (300, "tile/1/000.p/1"),
            (65_537, "tile/1/000"),
            (65_537, "tile/1/001.p/1"),
            (65_537, "tile/2/000.p/1"),
            (300, "tile/0/001.p/43"),
            (300, "tile/1/000.p/2"),
        ];
        cases
            .map(|(size, path)| (format!("{path} of {size} records"), json!({"path": path, "size": size})))
            .into()
    },
    compute: |input| {
        let (path, size) = (input.parsed::<TilePath>("path")?, input.size("size")?);
        let TileKind::Hashes(level) = path.kind() else { anyhow::bail!("{path} is no hash tile") };
        if !path.exists_in(size) {
            return Ok(json!({"exists": false}));
        }
        let first = path.index() * 256;
        let nodes: Vec<_> = (first..first + u64::from(path.width()))
            .map(|index| Node { level: u32::from(level) * 8, index })
            .collect();
        let bytes = HashTile::encode(&tree::HashReader::read_hashes(&mut tree_of(size)?, &nodes)?);
        let tile = HashTile::parse(path, &bytes)?;
        let mut output = json!({"bytes": bytes.len(), "sha256": chain::hash::to_hex(&sha256(&bytes))});
        if bytes.len() <= 160 {
            output["bytes_hex"] = chain::hash::to_hex(&bytes).into();
        }
        if let Some(hash) = tile.hash() {
            output["hash"] = json!(hash);
        }
        Ok(output)
    },
};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

pub(crate) const ENTRY_BUNDLE: Family = Family {
    name: "entry-bundle",
    about: "Entry bundles: for each record its length in two bytes, big-endian, and its bytes. Made of records, or read as \
            the bundle of a number of records and refused.",
    cases: || {
        let made = |name: &str, records: &[&str]| (name.to_owned(), json!({"records": records}));
        let read = |name: &str, count: u64, bytes: &str| {
            (name.to_owned(), json!({"bytes_hex": bytes, "count": count}))
        };
        let long = "x".repeat(300);
        vec![
            made("one record", &["{}"]),
            made("three records", &["{\"a\":1}", "{}", "{\"b\":[2,3]}"]),
            made("a record whose length needs both bytes", &[&long]),
            read("one record, read", 1, "00027b7d"),
            read("a length that leads out", 1, "00037b7d"),
            read("a length of one byte", 2, "00027b7d00"),
            read("a record too few", 2, "00027b7d"),
            read("a record too many", 1, "00027b7d00027b7d"),
            read("a byte too many", 1, "00027b7d00"),
            read("nothing where one is due", 1, ""),
        ]
    },
    compute: |input| {
        if input.0.contains_key("records") {
            let records = input.texts("records")?;
            let bytes = bundle::encode(records.iter().map(String::as_bytes))?;
            return Ok(json!({"bytes_hex": chain::hash::to_hex(&bytes)}));
        }
        let bytes = from_hex(input.text("bytes_hex")?)?;
        let count = u16::try_from(input.number("count")?)?;
        Ok(accepted_or_refused(bundle::decode(&bytes, count), |records| {
            records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
        }))
    },
};
