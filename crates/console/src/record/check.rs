//! How to check a record without this registry's word: files to take away, and lines to run on them.
//!
//! The lines are text. They are run by a test, as they stand on the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::Value;

use crate::document::sha256;
use crate::trail::Read;

/// The fixed beginning of a DER public key of Ed25519 (RFC 8410 §4), 12 bytes, in base64: 32 bytes follow.
const DER_PREFIX: &str = "MCowBQYDK2VwAyEA";

/// What the lines on a record's page are made of.
pub(super) struct Checking<'a> {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) signature: &'a str,
    /// The signing key in base64, if the grant says it.
    pub(super) public_key: Option<String>,
    /// Verifier key of the log.
    pub(super) log_key: &'a str,
    /// The proof that the record is in the latest checkpoint; `None`: it is not sealed yet.
    pub(super) proof: Option<&'a str>,
    /// Addresses of the record's bytes and the proof's.
    pub(super) files: (String, String),
}

/// The public key with this id that a grant, or the log's opening, hands out.
pub(super) fn granted_key(grant: &Read<'_>, key: &str) -> Option<String> {
    let own = grant.event().pointer("/data/public_key").into_iter();
    let first = grant.event().pointer("/data/sponsor_keys").and_then(Value::as_array).into_iter().flatten();
    let mut all = own.chain(first.filter_map(|sponsor| sponsor.get("public_key"))).filter_map(Value::as_str);
    let is_it = |text: &&str| STANDARD.decode(text).is_ok_and(|bytes| sha256(&bytes) == key);
    all.find(is_it).map(str::to_owned)
}

impl Checking<'_> {
    fn record_file(&self) -> String {
        format!("record-{}.json", self.seq)
    }

    fn proof_file(&self) -> String {
        format!("proof-{}.txt", self.seq)
    }

    /// By coreutils: the hash.
    fn sha256sum(&self) -> String {
        format!("(printf '\\000'; cat {}) | sha256sum", self.record_file())
    }

    /// By OpenSSL 3: the signature over the event.
    fn openssl(&self) -> Option<String> {
        let (key, record, signature) = (self.public_key.as_ref()?, self.record_file(), self.signature);
        Some(format!(
            "echo '{DER_PREFIX}{key}' | base64 -d > key.der\n\
             echo '{signature}' | base64 -d > signature.bin\n\
             (printf 'trialbook event v1\\n'; sed 's/^{{\"event\":\\(.*\\),\"prev\":\"[0-9a-f]*\",\"recorded_at\":.*$/\\1/' {record} | tr -d '\\n') > signed.bin\n\
             openssl pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in signed.bin -sigfile signature.bin"
        ))
    }

    /// By Python's standard library: the hash, and the way from it to the checkpoint's root (RFC 9162 §2.1.3.2).
    fn python(&self) -> String {
        let (record, proof) = (self.record_file(), self.proof_file());
        format!(
            "python3 - {record} {proof} <<'END'\n\
             import base64, hashlib, sys\n\
             record, proof = open(sys.argv[1], 'rb').read(), open(sys.argv[2], encoding='utf-8').read()\n\
             path, checkpoint = proof.split('\\n\\n', 1)\n\
             path, (origin, size, root) = path.split('\\n'), checkpoint.split('\\n')[:3]\n\
             node = hashlib.sha256(b'\\0' + record).digest()\n\
             print('hash', node.hex())\n\
             at, last = int(path[1].split()[1]), int(size) - 1\n\
             for line in path[2:]:\n\
             \x20   beside = base64.b64decode(line)\n\
             \x20   if at % 2 or at == last:\n\
             \x20       node = hashlib.sha256(b'\\1' + beside + node).digest()\n\
             \x20       while at and not at % 2:\n\
             \x20           at, last = at // 2, last // 2\n\
             \x20   else:\n\
             \x20       node = hashlib.sha256(b'\\1' + node + beside).digest()\n\
             \x20   at, last = at // 2, last // 2\n\
             holds = last == 0 and base64.b64encode(node).decode() == root\n\
             print('record', path[1].split()[1], 'IS' if holds else 'is NOT', 'under the checkpoint of', size, 'records of', origin)\n\
             sys.exit(not holds)\n\
             END"
        )
    }

    /// By our program: the way to the root, and the log's signature over it.
    fn trialbook(&self) -> String {
        format!(
            "trialbook prove --check {} --record {} --key '{}'",
            self.proof_file(),
            self.record_file(),
            self.log_key
        )
    }

    pub(super) fn section(&self) -> Markup {
        let (record, proof) = &self.files;
        html! {
            section {
                h2 #check { "Check it yourself" }
                p { "Take the files into one directory, and run the lines there. None of them asks this registry." }
                ul {
                    li { a href=(record) download=(self.record_file()) { (self.record_file()) } ": the record's bytes" }
                    @if self.proof.is_some() {
                        li { a href=(proof) download=(self.proof_file()) { (self.proof_file()) } ": the way to the latest checkpoint, and that checkpoint" }
                    }
                }
                h3 { "The hash, with coreutils" }
                (lines(&self.sha256sum()))
                p { "It is to say " code.whole { (self.hash) } "." }
                @if let Some(openssl) = self.openssl() {
                    h3 { "The signature, with OpenSSL 3" }
                    (lines(&openssl))
                    p {
                        "It is to say " code { "Signature Verified Successfully" } ". The key stands in the record that granted it; "
                        "whose key that is, the log's earlier records say."
                    }
                }
                @if self.proof.is_some() {
                    h3 { "That the log has it, with Python" }
                    (lines(&self.python()))
                    h3 { "That the log has it and has signed for it, with our program" }
                    (lines(&self.trialbook()))
                    p.quiet { "Take the log's key from somebody else than this page: a key that comes with the evidence proves nothing." }
                } @else {
                    p.note { "No checkpoint covers this record yet: the proof that the log has it comes with the next one, within seconds." }
                }
            }
        }
    }

    pub(super) fn inclusion(&self) -> Markup {
        html! {
            @if let Some(proof) = self.proof {
                section {
                    h2 { "Inclusion in the log" }
                    p {
                        "The hashes that lead from this record's hash to the root of the latest checkpoint, and that checkpoint, "
                        "as the log signed it (C2SP tlog-proof)."
                    }
                    pre.bytes tabindex="0" aria-label="Proof of inclusion" { (proof) }
                }
            }
        }
    }
}

fn lines(text: &str) -> Markup {
    html! { pre.lines tabindex="0" { code { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_that_of_the_grant_with_the_id_and_no_other() {
        let key = STANDARD.encode([7; 32]);
        let id = sha256(&[7; 32]);
        let read = |data: Value| {
            let whole = serde_json::json!({
                "covers": {"head": "00".repeat(32), "lag_records": 0, "records": 1}, "findings": [],
                "hash": "00".repeat(32), "record": {"event": {"data": data}}, "seq": 0
            });
            serde_json::from_str::<api::RecordView>(&whole.to_string()).unwrap()
        };
        let check = |data: Value, due: Option<&str>| {
            assert_eq!(granted_key(&Read::new(&read(data)), &id).as_deref(), due);
        };
        check(serde_json::json!({"public_key": key}), Some(&key));
        let other = STANDARD.encode([8; 32]);
        check(serde_json::json!({"sponsor_keys": [{"public_key": other}, {"public_key": key}]}), Some(&key));
        check(serde_json::json!({"sponsor_keys": [{"public_key": other}]}), None);
        check(serde_json::json!({"public_key": "no base64"}), None);
        check(serde_json::json!({}), None);
    }
}
