//! Canonical JSON, record hashes, joined records, instants.

use chain::{CanonicalError, Instant, Position, Record, RecordHash, Signature, Submission};
use serde_json::{Value, json};

use crate::{Family, Input, accepted_or_refused, bytes_member};

pub(crate) const CANONICAL_CHECK: Family = Family {
    name: "canonical-check",
    about: "Bytes that are canonical JSON of the format, and bytes that are not: then with the fault, the JSON pointer \
            of the innermost value being read and the byte offset at which reading stopped. Fault and pointer are \
            informative; that the bytes are refused is not.",
    cases: check_cases,
    compute: |input| {
        Ok(match chain::canonical::check(&input.bytes("bytes")?) {
            Ok(()) => json!({"canonical": true}),
            Err(error) => fault(&error),
        })
    },
};

pub(crate) const CANONICAL_WRITE: Family = Family {
    name: "canonical-write",
    about: "JSON texts and the canonical bytes of their values, or why they have none, with the JSON pointer of the \
            first member that has no canonical form.",
    cases: write_cases,
    compute: |input| {
        let value: Value = serde_json::from_str(input.text("json")?)?;
        Ok(match chain::canonical::canonicalize(&value) {
            Ok(bytes) => bytes_member("bytes", &bytes),
            Err(error) => json!({"fault": fault_name(&error), "pointer": error.pointer}),
        })
    },
};

pub(crate) const RECORD_HASH: Family = Family {
    name: "record-hash",
    about: "Record hash = RFC 6962 leaf hash = SHA-256(0x00 || bytes).",
    cases: || {
        let cases: [(&str, &[u8]); 4] = [
            ("no bytes (RFC 6962: the leaf hash of an empty leaf)", b""),
            ("one byte of zero", &[0]),
            ("an empty object", b"{}"),
            ("two hundred bytes, more than one block", &[b'x'; 200]),
        ];
        cases.map(|(name, bytes)| (name.to_owned(), bytes_member("bytes", bytes))).into()
    },
    compute: |input| Ok(json!({"hash": RecordHash::of(&input.bytes("bytes")?)})),
};

pub(crate) const RECORD_JOIN: Family = Family {
    name: "record-join",
    about: "A record's bytes, joined around the event's own, its hash, and the submission of the same event. The events \
            are no events of any kind: a record is joined without reading them.",
    cases: || {
        let case = |name: &str, event: &str, seq: u64, prev: RecordHash| {
            let input = json!({"event": event, "prev": prev, "recorded_at": "2026-11-22T13:28:45.123456Z",
                               "seq": seq, "signature_hex": "09".repeat(64)});
            (name.to_owned(), input)
        };
        vec![
            case("the first record", "{}", 0, RecordHash::ZERO),
            case("a later record", r#"{"a":"b \" c"}"#, 42, RecordHash([7; 32])),
            case("the last position there is", r#"{"a":1}"#, 9_007_199_254_740_991, RecordHash([0xab; 32])),
        ]
    },
    compute: |input| {
        let signature = Signature(input.array("signature_hex")?);
        let event = input.bytes("event")?;
        let record = Record {
            event: &event,
            prev: input.parsed("prev")?,
            recorded_at: input.parsed("recorded_at")?,
            seq: serde_json::from_value::<Position>(input.member("seq")?.clone())?,
            signature,
        };
        let bytes = record.join();
        Ok(json!({
            "hash": RecordHash::of(&bytes),
            "record": String::from_utf8(bytes)?,
            "submission": String::from_utf8(Submission { event: &event, signature }.join())?,
        }))
    },
};

pub(crate) const INSTANT: Family = Family {
    name: "instant",
    about: "Instants in the one form they have, in microseconds since 1970-01-01T00:00:00Z, and texts that are refused.",
    cases: || {
        let texts = [
            "1970-01-01T00:00:00.000000Z",
            "2026-11-22T13:28:45.123456Z",
            "2008-02-29T23:59:59.999999Z",
            "0000-01-01T00:00:00.000000Z",
            "9999-12-31T23:59:59.999999Z",
            "2009-02-29T00:00:00.000000Z",
            "2026-11-22T13:28:60.000000Z",
            "2026-11-22T24:00:00.000000Z",
            "2026-11-22T13:28:45Z",
            "2026-11-22T13:28:45.123Z",
            "2026-11-22T13:28:45.123456+00:00",
            "2026-11-22t13:28:45.123456z",
        ];
        texts.map(|text| (text.to_owned(), json!({"text": text}))).into()
    },
    compute: |input: &Input<'_>| {
        Ok(accepted_or_refused(input.text("text")?.parse::<Instant>(), |instant| {
            json!(instant.microseconds())
        }))
    },
};

fn fault_name(error: &CanonicalError) -> String {
    let mut name = String::new();
    for character in format!("{:?}", error.fault).chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn fault(error: &CanonicalError) -> Value {
    json!({"fault": fault_name(error), "offset": error.offset, "pointer": error.pointer})
}

fn check_cases() -> Vec<(String, Value)> {
    let nested =
        |depth: usize| [r#"{"a":"#.repeat(depth - 1), "{}".to_owned(), "}".repeat(depth - 1)].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty object", b"{}".to_vec()),
        ("keys in byte order", br#"{"a":1,"a_b":true,"b":[false,"x",{}]}"#.to_vec()),
        ("the integers at both ends", br#"{"a":9007199254740991,"b":-9007199254740991,"c":0}"#.to_vec()),
        ("the three escapes", br#"{"a":"\"\\\n"}"#.to_vec()),
        ("text beyond ASCII, composed", "{\"a\":\"fi\u{e8}vre 39 \u{b0}C \u{72fc}\u{75ae}\"}".into()),
        ("a key of 64 characters", format!("{{\"{}\":1}}", "k".repeat(64)).into()),
        ("sixteen levels", nested(16).into()),
        ("nothing", Vec::new()),
        ("not an object", b"[]".to_vec()),
        ("white space inside", br#"{"a": 1}"#.to_vec()),
        ("white space after", b"{} ".to_vec()),
        ("the end is missing", br#"{"a":[1,2"#.to_vec()),
        ("not UTF-8", b"{\"a\":\"\xff\"}".to_vec()),
        ("a key in upper case", br#"{"A":1}"#.to_vec()),
        ("a key that begins with a digit", br#"{"1a":1}"#.to_vec()),
        ("an empty key", br#"{"":1}"#.to_vec()),
        ("a key of 65 characters", format!("{{\"{}\":1}}", "k".repeat(65)).into()),
        ("keys out of order, inside", br#"{"a":{"c":1,"b":2}}"#.to_vec()),
        ("a key repeated", br#"{"a":1,"a":2}"#.to_vec()),
        ("a fraction", br#"{"a":{"b":[1,2.5]}}"#.to_vec()),
        ("an exponent", br#"{"a":1e3}"#.to_vec()),
        ("a fraction that is whole", br#"{"a":1.0}"#.to_vec()),
        ("null", br#"{"a":null}"#.to_vec()),
        ("an integer too large", br#"{"a":9007199254740992}"#.to_vec()),
        ("negative zero", br#"{"a":-0}"#.to_vec()),
        ("a leading zero", br#"{"a":01}"#.to_vec()),
        ("text not composed", "{\"a\":\"e\u{300}\"}".into()),
        ("a control character, bare", b"{\"a\":\"\t\"}".to_vec()),
        ("a control character, escaped", br#"{"a":"\t"}"#.to_vec()),
        ("a control character of C1", "{\"a\":\"\u{85}\"}".into()),
        ("a line feed, bare", b"{\"a\":\"\n\"}".to_vec()),
        ("an escape that is not needed", br#"{"a":"\u0041"}"#.to_vec()),
        ("a slash, escaped", br#"{"a":"\/"}"#.to_vec()),
        ("a bidirectional control", "{\"a\":\"x\u{202e}y\"}".into()),
        ("seventeen levels", nested(17).into()),
    ];
    cases.into_iter().map(|(name, bytes)| (name.to_owned(), bytes_member("bytes", &bytes))).collect()
}

fn write_cases() -> Vec<(String, Value)> {
    let cases = [
        (
            "keys are sorted and white space goes",
            "{ \"b\" : [ 1 , true ] , \"a\" : { \"d\" : 2 , \"c\" : \"x\" } }",
        ),
        ("line feed, quote and backslash are escaped", r#"{"a":"\u0022\u005c\u000a\u002f"}"#),
        ("what is beyond ASCII stays as it is", r#"{"a":"fi\u00e8vre"}"#),
        ("minus zero has no canonical form", r#"{"a":-0.0}"#),
        ("a float is refused where it stands", r#"{"a":[{"b":1},{"b":1.25}]}"#),
        ("null is refused where it stands", r#"{"a":{"b":null}}"#),
        ("a large integer is refused", r#"{"a":9007199254740993}"#),
        ("text that is not composed is refused, not repaired", r#"{"a":"e\u0300"}"#),
        ("a key of another form is refused", r#"{"a":{"B c":1}}"#),
        ("an array is no event", "[]"),
    ];
    cases.map(|(name, text)| (name.to_owned(), json!({"json": text}))).into()
}
