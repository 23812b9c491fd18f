//! Golden vectors of the log format, held against the code.
//!
//! Each file of `data/` is one family: inputs with the outputs that any implementation of the format must give. A
//! vector is added once and never edited: what is published keeps its bytes. All contents are synthetic, and the keys
//! are of fixed seeds that protect nothing. This is no test of rules or reports.

mod bytes;
mod clinical_forms;
mod evidence;
mod keys;
mod log;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A family of vectors: one file.
pub struct Family {
    /// The file's name in `data/`, without extension.
    pub name: &'static str,
    /// What a reader of the file must know.
    pub about: &'static str,
    /// The cases this program would add, by name.
    pub cases: fn() -> Vec<(String, Value)>,
    /// The output for an input.
    pub compute: fn(&Input<'_>) -> Result<Value>,
}

/// Every family.
pub const FAMILIES: &[Family] = &[
    bytes::CANONICAL_CHECK,
    bytes::CANONICAL_WRITE,
    bytes::RECORD_HASH,
    bytes::RECORD_JOIN,
    bytes::INSTANT,
    keys::EVENT_SIGNATURE,
    keys::POSSESSION,
    keys::VERIFIER_KEY,
    keys::SEALED_TEXT,
    clinical_forms::ROLE_TABLE,
    clinical_forms::ALLOCATION,
    clinical_forms::PARTIAL_DATE,
    clinical_forms::CLINICAL_TIME,
    clinical_forms::DECIMAL,
    clinical_forms::IDENTIFIER,
    clinical_forms::SLEDAI,
    clinical_forms::DEFINITIONS,
    log::LOG,
    log::LOG_KEYS,
    evidence::tree::ROOT,
    evidence::tree::INCLUSION,
    evidence::tree::CONSISTENCY,
    evidence::tree::TREE_CHECK,
    evidence::tree::TILE_PATH,
    evidence::tree::TILE_SET,
    evidence::tree::TILE,
    evidence::tree::ENTRY_BUNDLE,
    evidence::texts::NOTE,
    evidence::texts::NOTE_CHECK,
    evidence::texts::CHECKPOINT,
    evidence::texts::CHECKPOINT_TEXT,
    evidence::texts::RECEIPT,
    evidence::texts::LOG_PROOF,
    evidence::texts::LOG_PROOF_CHECK,
    evidence::texts::POLICY,
    evidence::texts::WITNESS_REQUEST,
    evidence::texts::WITNESS_REQUEST_TEXT,
];

/// A file of vectors.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What the family is, and that it is synthetic.
    pub about: String,
    /// The vectors, in the order in which they were added.
    pub vectors: Vec<Vector>,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Its name, unique in the file.
    pub name: String,
    /// What goes in.
    pub input: Value,
    /// What must come out.
    pub output: Value,
}

/// A vector's input, read member by member.
pub struct Input<'a>(&'a Map<String, Value>);

impl<'a> Input<'a> {
    fn of(value: &'a Value) -> Result<Self> {
        value.as_object().map(Self).context("an input is an object")
    }

    fn member(&self, name: &str) -> Result<&'a Value> {
        self.0.get(name).with_context(|| format!("the input has no {name}"))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.member(name)?.as_str().with_context(|| format!("{name} is no text"))
    }

    /// A member that is parsed from text.
    fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<T> {
        self.text(name)?.parse().with_context(|| format!("{name} is not of its form"))
    }

    /// Bytes, as text under `name` or as hexadecimal digits under `name_hex`.
    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let hex = format!("{name}_hex");
        if self.0.contains_key(&hex) { from_hex(self.text(&hex)?) } else { Ok(self.text(name)?.into()) }
    }

    fn array<const N: usize>(&self, name: &str) -> Result<[u8; N]> {
        let bytes = from_hex(self.text(name)?)?;
        bytes.try_into().ok().with_context(|| format!("{name} is not of {N} bytes"))
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        bail!("not hexadecimal: {text}");
    }
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?)).collect()
}

/// `bytes` under `name` if they are printable ASCII, else under `name_hex`.
fn bytes_member(name: &str, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => json!({ name: text }),
        _ => json!({ format!("{name}_hex"): chain::hash::to_hex(bytes) }),
    }
}

/// What a form answers: the value as it was understood, or that it is refused.
fn accepted_or_refused<T, E>(outcome: Result<T, E>, show: impl FnOnce(T) -> Value) -> Value {
    match outcome {
        Ok(value) => json!({"accepted": show(value)}),
        Err(_) => json!({"refused": true}),
    }
}

/// The output for a vector's input, as the code gives it today.
///
/// # Errors
/// The input is not of the family's form.
pub fn compute(family: &Family, input: &Value) -> Result<Value> {
    (family.compute)(&Input::of(input)?)
}

/// `file` with the family's cases added that are not in it. What is there is left as it is.
///
/// # Errors
/// A case cannot be computed.
pub fn grown(family: &Family, file: Option<File>) -> Result<File> {
    let mut file = file.unwrap_or_else(|| File { about: String::new(), vectors: Vec::new() });
    file.about = format!("SYNTHETIC. {}", family.about);
    for (name, input) in (family.cases)() {
        if file.vectors.iter().all(|vector| vector.name != name) {
            let output = compute(family, &input).with_context(|| name.clone())?;
            file.vectors.push(Vector { name, input, output });
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn path(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(format!("{name}.json"))
    }

    fn read(name: &str) -> File {
        serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
    }

    #[test]
    fn every_vector_comes_out_as_it_was_published() {
        for family in FAMILIES {
            for vector in read(family.name).vectors {
                let output = compute(family, &vector.input).unwrap();
                assert_eq!(output, vector.output, "{}: {}", family.name, vector.name);
            }
        }
    }

    #[test]
    fn every_case_has_its_vector_under_a_name_of_its_own() {
        for family in FAMILIES {
            let file = read(family.name);
            let names: BTreeSet<_> = file.vectors.iter().map(|vector| vector.name.clone()).collect();
            assert_eq!(names.len(), file.vectors.len(), "{}", family.name);
            for (name, input) in (family.cases)() {
                let vector = file.vectors.iter().find(|vector| vector.name == name);
                let vector = vector.unwrap_or_else(|| panic!("{}: {name} was not written", family.name));
                assert_eq!(vector.input, input, "{}: {name} was edited", family.name);
            }
        }
    }

    #[test]
    fn every_file_is_of_a_family_and_says_that_it_is_synthetic() {
        let files: BTreeSet<_> = std::fs::read_dir(path("x").parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(files, FAMILIES.iter().map(|family| family.name.to_owned()).collect());
        for name in files {
            assert!(read(&name).about.starts_with("SYNTHETIC."), "{name}");
        }
    }

    #[test]
    fn the_published_log_verifies_from_its_lines_alone() {
        for vector in read("log").vectors.into_iter().chain(read("log-keys").vectors) {
            let lines = vector.output["records"].as_array().unwrap();
            let records = lines.iter().map(|line| line.as_str().unwrap().as_bytes().into());
            let genesis = vector.output["genesis"].as_str().unwrap().parse().unwrap();
            let anchors = verify::Anchors { genesis: Some(genesis), ..verify::Anchors::default() };
            let report =
                verify::verify(verify::Records::new(records), &anchors, verify::Options::default()).unwrap();
            assert_eq!(report.verdict, verify::Verdict::Intact, "{report}");
            assert_eq!(report.covers.head.to_string(), vector.output["head"]);
        }
    }

    #[test]
    fn growing_a_file_edits_nothing_that_is_in_it() {
        let family = &FAMILIES[0];
        let mut file = read(family.name);
        let removed = file.vectors.remove(0);
        file.vectors[0].output = json!("as it was published");
        let grown = grown(family, Some(file)).unwrap();
        assert_eq!(grown.vectors[0].output, json!("as it was published"));
        assert_eq!(grown.vectors.last(), Some(&removed));
    }
}
