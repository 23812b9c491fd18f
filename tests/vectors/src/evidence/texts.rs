//! Notes, checkpoints, receipts, proofs, policies, requests to witnesses.

use anyhow::{Context, Result};
use chain::checkpoint::Cosigner;
use chain::note::{Note, VerifierKey};
use chain::policy::Policy;
use chain::proof::LogProof;
use chain::receipt::{self, Receipt, SignedReceipts};
use chain::witness_request::{AddCheckpoint, Answer, Cosigned};
use chain::{Checkpoint, NodeHash, Position, RecordHash, SecretKey, SignedCheckpoint, TreeSize, tree};
use serde_json::{Value, json};

use super::{hex, leaves, record, records_rule, root_of, tree_of};
use crate::{Family, Input, accepted_or_refused};

const ORIGIN: &str = "trialbook.example/lupus-msct";
/// Seeds that protect nothing: of the log, of another log key, of a registrar, of two witnesses.
const LOG: u8 = 0x11;
const OTHER: u8 = 0x12;
const REGISTRAR: u8 = 0x13;
const WITNESSES: [(&str, u8); 2] = [("witness.example/nanjing", 0x14), ("witness.example/regulator", 0x15)];

fn seed(byte: u8) -> String {
    chain::hash::to_hex(&[byte; 32])
}

fn public(byte: u8) -> chain::PublicKey {
    SecretKey::from_bytes(&[byte; 32]).public()
}

/// The verifier key of a log or registrar; of names that can name a key.
fn log_key(name: &str, byte: u8) -> String {
    VerifierKey::new(name, public(byte)).map_or_else(|error| error.to_string(), |key| key.to_string())
}

fn witness_key(place: usize) -> String {
    let (name, byte) = WITNESSES[place];
    VerifierKey::cosigner(name, public(byte)).map_or_else(|error| error.to_string(), |key| key.to_string())
}

pub(crate) const NOTE: Family = Family {
    name: "note",
    about: "Signed notes (C2SP signed-note), made by one or more keys. A text may hold blank lines.",
    cases: || {
        let case = |name: &str, text: &str, signers: &[(&str, u8)]| {
            let signers: Vec<_> =
                signers.iter().map(|(name, byte)| json!({"name": name, "seed_hex": seed(*byte)})).collect();
            (name.to_owned(), json!({"signers": signers, "text": text}))
        };
        vec![
            case("by one key", "a text\n", &[(ORIGIN, LOG)]),
            case("by two keys", "a text\n", &[(ORIGIN, LOG), ("other.example", OTHER)]),
            case("with blank lines", "first\n\n\nlast\n", &[(ORIGIN, LOG)]),
            case("beyond ASCII", "\u{72fc}\u{75ae}\n", &[("\u{8bd5}\u{9a8c}.example", LOG)]),
            case("a text that does not end", "a text", &[(ORIGIN, LOG)]),
            case("a text with a carriage return", "a text\r\n", &[(ORIGIN, LOG)]),
            case("by nobody", "a text\n", &[]),
        ]
    },
    compute: |input| {
        let text = input.text("text")?;
        let signers = input.member("signers")?.as_array().context("signers is no list")?;
        let mut lines = Vec::new();
        for signer in signers {
            match Input::of(signer)?.signer("name", "seed_hex")?.sign(text) {
                Ok(line) => lines.push(line),
                Err(_) => return Ok(json!({"refused": true})),
            }
        }
        Ok(accepted_or_refused(Note::new(text, lines), |note| json!(note.to_string())))
    },
};

pub(crate) const NOTE_CHECK: Family = Family {
    name: "note-check",
    about: "Notes and known keys: the names of the known keys that signed, in the order of the lines; refused if a known \
            key's line does not hold, or no known key signed, or the bytes are no note.",
    cases: || {
        // The example of golang.org/x/mod/sumdb/note: key and note are published there.
        let neumann = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let stranger = "\u{2014} stranger.example AAAAAAA=\n";
        let good = format!("{text}\n{line}");
        let case =
            |name: &str, note: String, keys: &[&str]| (name.to_owned(), json!({"keys": keys, "note": note}));
        vec![
            case("a published note", good.clone(), &[neumann]),
            case("no key known", good.clone(), &[]),
            case("another key known", good.clone(), &[&log_key("PeterNeumann", LOG)]),
            case("a stranger's line before", format!("{text}\n{stranger}{line}"), &[neumann]),
            case("the line twice", format!("{good}{line}"), &[neumann]),
            case("the text is changed", good.replacen("answer", "question", 1), &[neumann]),
            case(
                "the line once good and once not",
                format!("{good}{}", line.replacen("x08go/Z", "x08go/Y", 1)),
                &[neumann],
            ),
            case("no blank line", good.replacen("\n\n", "\n", 1), &[neumann]),
            case("a blank line behind", format!("{good}\n"), &[neumann]),
            case("no line feed at the end", good.trim_end().to_owned(), &[neumann]),
            case("a hyphen for the dash", good.replacen('\u{2014}', "-", 1), &[neumann]),
            case("two spaces", good.replacen("PeterNeumann x", "PeterNeumann  x", 1), &[neumann]),
            case("no padding", good.replacen("nAM=", "nAM", 1), &[neumann]),
            case("unused bits set", good.replacen("nAM=", "nAN=", 1), &[neumann]),
            case("a tabulator in the text", good.replacen("you think", "you\tthink", 1), &[neumann]),
            case(
                "a stranger's line with a key id only",
                format!("{text}\n{line}\u{2014} stranger.example AAAAAA==\n"),
                &[neumann],
            ),
        ]
    },
    compute: |input| {
        let keys = input.log_keys("keys")?;
        let verified = Note::parse(input.text("note")?.as_bytes()).ok().and_then(|note| {
            let endorsed = note.verify(&keys).ok()?;
            Some(endorsed.iter().map(|by| by.key.name().to_owned()).collect::<Vec<_>>())
        });
        Ok(accepted_or_refused(verified.ok_or(()), |names| json!(names)))
    },
};

/// The checkpoint of an input's origin and size, signed and cosigned as it says.
fn signed(input: &Input<'_>) -> Result<SignedCheckpoint> {
    let (origin, size) = (input.text("origin")?, input.size("size")?);
    let signer = input.signer("origin", "log_seed_hex")?;
    let checkpoint = Checkpoint::new(origin, size, root_of(size)?)?;
    let mut signed = SignedCheckpoint::sign(checkpoint.clone(), &[&signer])?;
    for witness in input.member("witnesses")?.as_array().context("witnesses is no list")? {
        let witness = Input::of(witness)?;
        let cosigner = Cosigner::new(witness.text("name")?, witness.secret("seed_hex")?)?;
        let line = cosigner.cosign(&checkpoint, witness.number("time")?)?;
        signed.add_cosignatures(line.to_string().as_bytes(), &[cosigner.verifier_key()])?;
    }
    Ok(signed)
}

/// The members of an input that [`signed`] reads.
fn checkpoint_input(size: u64, witnesses: usize) -> Value {
    let witnesses: Vec<_> = WITNESSES[..witnesses]
        .iter()
        .map(|(name, byte)| json!({"name": name, "seed_hex": seed(*byte), "time": 1_795_000_000 + u64::from(*byte)}))
        .collect();
    json!({"log_seed_hex": seed(LOG), "origin": ORIGIN, "size": size, "witnesses": witnesses})
}

pub(crate) const CHECKPOINT: Family = Family {
    name: "checkpoint",
    about: concat!(
        "Checkpoints (C2SP tlog-checkpoint), signed by the log and cosigned (C2SP tlog-cosignature, v1) by witnesses at a ",
        "time in seconds since the Unix epoch. ",
        records_rule!()
    ),
    cases: || {
        let sizes = [0, 1, 2, 3, 5, 8, 255, 256, 257, 300];
        let plain = sizes.map(|size| (format!("of {size} records"), checkpoint_input(size, 0)));
        let cosigned = [1, 2].map(|witnesses| {
            (format!("of 300 records, with {witnesses} cosignatures"), checkpoint_input(300, witnesses))
        });
        plain.into_iter().chain(cosigned).collect()
    },
    compute: |input| {
        let signed = signed(input)?;
        let (logs, witnesses) = ([input.signer("origin", "log_seed_hex")?.verifier_key()], witness_keys()?);
        let trusted = signed.verify(&logs, &witnesses)?;
        let cosigners: Vec<_> = trusted.cosignatures.iter().map(|by| by.key.to_string()).collect();
        Ok(json!({"checkpoint": signed.to_string(), "cosigners": cosigners, "log_key": logs[0].to_string()}))
    },
};

fn witness_keys() -> Result<Vec<VerifierKey>> {
    (0..WITNESSES.len()).map(|place| Ok(VerifierKey::cosigner_from_text(&witness_key(place))?)).collect()
}

pub(crate) const CHECKPOINT_TEXT: Family = Family {
    name: "checkpoint-text",
    about: "Texts of checkpoints, the lines before the signatures, and texts that are none.",
    cases: || {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let cases = [
            ("of nothing", format!("{ORIGIN}\n0\n{root}\n")),
            ("of the largest size", format!("{ORIGIN}\n18446744073709551615\n{root}\n")),
            ("beyond the largest size", format!("{ORIGIN}\n18446744073709551616\n{root}\n")),
            ("a leading zero", format!("{ORIGIN}\n01\n{root}\n")),
            ("a sign", format!("{ORIGIN}\n+1\n{root}\n")),
            ("no size", format!("{ORIGIN}\n\n{root}\n")),
            ("an extension line", format!("{ORIGIN}\n0\n{root}\nextension\n")),
            ("no root", format!("{ORIGIN}\n0\n")),
            ("a root of 31 bytes", format!("{ORIGIN}\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n")),
            ("a root without padding", format!("{ORIGIN}\n0\n{}\n", root.trim_end_matches('='))),
            ("no origin", format!("\n0\n{root}\n")),
            ("a space in the origin", format!("a b\n0\n{root}\n")),
            ("a plus in the origin", format!("a+b\n0\n{root}\n")),
            ("no line feed at the end", format!("{ORIGIN}\n0\n{root}")),
        ];
        cases.map(|(name, text)| (name.to_owned(), json!({"text": text}))).into()
    },
    compute: |input| {
        Ok(accepted_or_refused(
            Checkpoint::parse(input.text("text")?),
            |checkpoint| json!({"origin": checkpoint.origin(), "root": checkpoint.root, "size": checkpoint.size.to_string()}),
        ))
    },
};

pub(crate) const RECEIPT: Family = Family {
    name: "receipt",
    about: concat!(
        "A commit's receipt note, signed by a key named <origin>/receipts, and the path of one of its records. ",
        records_rule!()
    ),
    cases: || {
        let case = |first: u64, count: u64, place: u64| {
            let input = json!({"count": count, "first": first, "origin": ORIGIN, "position": first + place,
                "receipt_key": receipt::key_name(ORIGIN), "seed_hex": seed(REGISTRAR)});
            (format!("of record {} in a commit of {count}", first + place), input)
        };
        vec![
            case(0, 1, 0),
            case(41, 1, 0),
            case(41, 2, 1),
            case(41, 3, 2),
            case(41, 5, 2),
            case(256, 8, 7),
            case(1000, 257, 256),
        ]
    },
    compute: |input| {
        let (first, position) = (Position(input.number("first")?), Position(input.number("position")?));
        let records = leaves(first.0, first.0 + input.number("count")?)?;
        let (origin, signer) = (input.text("origin")?, input.signer("receipt_key", "seed_hex")?);
        let signed = SignedReceipts::sign(origin, first, &records, &signer)?;
        let path = signed.path(position.0 - first.0).context("the position is not in the commit")?;
        let hash = RecordHash::of(&record(position.0));
        let receipt = Receipt { seq: position, hash, note: signed.note.as_bytes(), path: &path };
        receipt::verify(&receipt, origin, &[signer.verifier_key()])?;
        let key = signer.verifier_key().to_string();
        Ok(json!({"hash": hash, "key": key, "note": signed.note, "path": hex(&path)}))
    },
};

pub(crate) const LOG_PROOF: Family = Family {
    name: "log-proof",
    about: concat!("Proofs of one record (C2SP tlog-proof), under a cosigned checkpoint. ", records_rule!()),
    cases: || {
        let case = |position: u64, size: u64, witnesses: usize| {
            let mut input = checkpoint_input(size, witnesses);
            input["position"] = position.into();
            (format!("of record {position} among {size}"), input)
        };
        vec![
            case(0, 1, 0),
            case(1, 3, 1),
            case(4, 5, 1),
            case(255, 257, 0),
            case(256, 257, 0),
            case(123, 300, 2),
        ]
    },
    compute: |input| {
        let (position, checkpoint) = (Position(input.number("position")?), signed(input)?);
        let size = checkpoint.claim().size;
        let path = tree::inclusion_proof(&mut tree_of(size)?, position, size)?;
        let proof = LogProof { position, path, checkpoint };
        let hash = RecordHash::of(&record(position.0));
        let (logs, witnesses) = ([input.signer("origin", "log_seed_hex")?.verifier_key()], witness_keys()?);
        proof.verify(hash, &logs, &witnesses)?;
        Ok(json!({"hash": hash, "log_key": logs[0].to_string(), "proof": proof.to_string()}))
    },
};

pub(crate) const LOG_PROOF_CHECK: Family = Family {
    name: "log-proof-check",
    about: "Proofs of one record that were changed, with the record's hash and the log's key.",
    cases: || {
        // The only record of a log proves itself: no hashes, and the root is its own.
        let leaf = RecordHash::of(&record(0));
        let root = chain::key::to_base64(&leaf.0);
        let text = format!("{ORIGIN}\n1\n{root}\n");
        let key = SecretKey::from_bytes(&[LOG; 32]);
        let line = chain::note::Signer::new(ORIGIN, key).ok().and_then(|signer| signer.sign(&text).ok());
        let checkpoint = line.map_or_else(String::new, |line| format!("{text}\n{line}"));
        let good = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{checkpoint}");
        let case = |name: &str, proof: String, hash: RecordHash| {
            (name.to_owned(), json!({"hash": hash, "log_keys": [log_key(ORIGIN, LOG)], "proof": proof}))
        };
        vec![
            case("a good proof", good.clone(), leaf),
            case("another record", good.clone(), RecordHash::of(b"1")),
            case("another index", good.replacen("index 0", "index 1", 1), leaf),
            case("a leading zero", good.replacen("index 0", "index 00", 1), leaf),
            case("a hash too many", good.replacen("index 0\n", &format!("index 0\n{root}\n"), 1), leaf),
            case("extra data", good.replacen("index 0", "extra AAAA\nindex 0", 1), leaf),
            case("another version", good.replacen("@v1", "@v2", 1), leaf),
            case("no index", good.replacen("index 0\n", "", 1), leaf),
            case("no blank line", good.replacen("index 0\n\n", "index 0\n", 1), leaf),
            case("another size", good.replacen("\n1\n", "\n2\n", 1), leaf),
            case("another origin", good.replacen(ORIGIN, "other.example", 1), leaf),
        ]
    },
    compute: |input| {
        let (hash, logs) = (input.parsed("hash")?, input.log_keys("log_keys")?);
        let proof = LogProof::parse(input.text("proof")?.as_bytes());
        let holds = proof.is_ok_and(|proof| proof.verify(hash, &logs, &[]).is_ok());
        Ok(json!({"holds": holds}))
    },
};

pub(crate) const POLICY: Family = Family {
    name: "policy",
    about: "Trust policies (C2SP tlog-policy) and witnesses that cosigned: whether the quorum is met, and who is missing \
            where; or that the text is no policy.",
    cases: || {
        let (a, b) = (witness_key(0), witness_key(1));
        let two = format!("witness nanjing {a}\nwitness regulator {b}\n");
        let log = format!("log {}\n", log_key(ORIGIN, LOG));
        let both = format!("{log}{two}group both all nanjing regulator\nquorum both\n");
        let any = format!("{log}{two}group one any nanjing regulator\nquorum one\n");
        let case = |name: &str, policy: &str, cosigned: &[&String]| {
            (name.to_owned(), json!({"cosigned": cosigned, "policy": policy}))
        };
        vec![
            case("both, of both", &both, &[&a, &b]),
            case("one, of both", &both, &[&a]),
            case("one twice, of both", &both, &[&a, &a]),
            case("one, of any", &any, &[&b]),
            case("none, of any", &any, &[]),
            case("none asked for", "# nobody watches\nquorum none\n", &[]),
            case("a single witness", &format!("{two}quorum regulator\n"), &[&a]),
            case("a number", &format!("{two}group g 2 nanjing regulator\nquorum g\n"), &[&a, &b]),
            case("white space and comments", &format!(" # c\n\n\t{two} quorum\t nanjing \n"), &[&a]),
            case("no quorum", &two, &[]),
            case("two quorums", "quorum none\nquorum none\n", &[]),
            case(
                "a member of two groups",
                &format!("{two}group g any nanjing\ngroup h any nanjing\nquorum h\n"),
                &[],
            ),
            case(
                "a threshold above the members",
                &format!("{two}group g 3 nanjing regulator\nquorum g\n"),
                &[],
            ),
            case("a threshold of zero", &format!("{two}group g 0 nanjing regulator\nquorum g\n"), &[]),
            case("a name that is not defined above", &format!("quorum nanjing\n{two}"), &[]),
            case("one key under two names", &format!("witness x {a}\nwitness y {a}\nquorum x\n"), &[]),
            case(
                "a log's key for a witness",
                &format!("witness x {}\nquorum x\n", log_key(ORIGIN, LOG)),
                &[],
            ),
            case("a witness called none", &format!("witness none {a}\nquorum none\n"), &[]),
            case("a carriage return", "quorum none\r\n", &[]),
        ]
    },
    compute: |input| {
        let cosigned = input.witness_keys("cosigned")?;
        Ok(accepted_or_refused(Policy::parse(input.text("policy")?.as_bytes()), |policy| {
            let evaluation = policy.evaluate(&cosigned);
            let missing: Vec<_> = evaluation
                .short
                .iter()
                .map(|short| {
                    json!({"missing": short.missing, "name": short.name, "needed": short.needed,
                           "present": short.present})
                })
                .collect();
            json!({"cosigned": evaluation.cosigned, "met": evaluation.is_met(), "missing": missing})
        }))
    },
};

pub(crate) const WITNESS_REQUEST: Family = Family {
    name: "witness-request",
    about: concat!(
        "Requests to cosign (C2SP tlog-witness, add-checkpoint) from an old size, and the status that a witness answers ",
        "whose last state has a size and root and who knows some log keys. Of 409 the body is given. ",
        records_rule!()
    ),
    cases: || {
        let case = |name: &str, old: u64, size: u64, change: &dyn Fn(&mut Value)| {
            let mut input = checkpoint_input(size, 0);
            input["log_keys"] = json!([log_key(ORIGIN, LOG)]);
            input["last_size"] = old.into();
            input["old"] = old.into();
            change(&mut input);
            (name.to_owned(), input)
        };
        let nothing = |_: &mut Value| ();
        vec![
            case("the first checkpoint", 0, 5, &nothing),
            case("a larger one", 3, 300, &nothing),
            case("from a power of two", 256, 300, &nothing),
            case("the same again", 5, 5, &nothing),
            case("the empty log", 0, 0, &nothing),
            case("an unknown log", 3, 5, &|input| input["log_keys"] = json!([])),
            case("another key's signature", 3, 5, &|input| input["log_seed_hex"] = seed(OTHER).into()),
            case("an old size above the new", 3, 5, &|input| input["old"] = 6.into()),
            case("an old size that is not the last", 3, 5, &|input| input["last_size"] = 4.into()),
            case("a proof too short", 3, 5, &|input| input["proof"] = json!([])),
            case("a proof from nothing", 0, 5, &|input| input["proof"] = json!([seed(1)])),
            case("another root at the same size", 5, 5, &|input| input["last_root"] = seed(1).into()),
            case("another root before", 3, 5, &|input| input["last_root"] = seed(1).into()),
        ]
    },
    compute: |input| {
        let checkpoint = signed(input)?;
        let (old, size) = (input.size("old")?, checkpoint.claim().size);
        let proof = if input.0.contains_key("proof") {
            let hash = |text: &String| -> Result<NodeHash> { Ok(text.parse()?) };
            input.texts("proof")?.iter().map(hash).collect::<Result<_>>()?
        } else if old > size {
            Vec::new()
        } else {
            tree::consistency_proof(&mut tree_of(size)?, old, size)?
        };
        let request = AddCheckpoint { old, proof, checkpoint }.to_string();
        let last_size = input.size("last_size")?;
        let root =
            if input.0.contains_key("last_root") { input.parsed("last_root")? } else { root_of(last_size)? };
        let read = AddCheckpoint::parse(request.as_bytes())?;
        let answer = read.answer(&input.log_keys("log_keys")?, Cosigned { size: last_size, root });
        let mut output = json!({"request": request, "status": answer.status()});
        if let Answer::Conflict { .. } = answer {
            output["body"] = answer.to_string().into();
        }
        Ok(output)
    },
};

pub(crate) const WITNESS_REQUEST_TEXT: Family = Family {
    name: "witness-request-text",
    about: "Bodies of requests to cosign that are none; the first is one.",
    cases: || {
        let root = chain::key::to_base64(&RecordHash::of(b"0").0);
        let note = format!("{ORIGIN}\n1\n{root}\n\n\u{2014} {ORIGIN} AAAAAAA=\n");
        let case = |name: &str, text: String| (name.to_owned(), json!({"text": text}));
        vec![
            case("with no proof", format!("old 0\n\n{note}")),
            case("with 63 hashes", format!("old 0\n{}\n{note}", format!("{root}\n").repeat(63))),
            case("with 64 hashes", format!("old 0\n{}\n{note}", format!("{root}\n").repeat(64))),
            case("no old size", format!("\n{note}")),
            case("a leading zero", format!("old 01\n\n{note}")),
            case("a line that is no hash", format!("old 0\nAAAA\n\n{note}")),
            case("no checkpoint", "old 0\n\n".to_owned()),
            case("no blank line", "old 0\n".to_owned()),
        ]
    },
    compute: |input| {
        Ok(accepted_or_refused(
            AddCheckpoint::parse(input.text("text")?.as_bytes()),
            |request| json!({"hashes": request.proof.len(), "old": request.old, "size": TreeSize(request.checkpoint.claim().size.0)}),
        ))
    },
};
