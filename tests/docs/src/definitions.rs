//! The shipped definitions, as `docs/definitions.md` lists them and as the checkers written from the documents hold them.

use chain::canonical::canonicalize;
use clinical::definitions::{Definition, Kind, shipped};

use crate::markdown::{read, root, section, table};

fn parameters(definition: &Definition) -> String {
    let value = serde_json::to_value(&definition.rule).unwrap();
    String::from_utf8(canonicalize(&value).unwrap()).unwrap()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_table_of_definitions_is_what_is_shipped() {
    let page = read(&root().join("docs/definitions.md"));
    let header = ["id", "of", "title", "text", "parameters"];
    let rows = table(section(&page, "## Shipped definitions"), &header);
    let due = shipped().iter().map(|definition| {
        let of = code(definition.rule.of().as_str());
        let (title, text) = (definition.title.clone(), definition.text.clone());
        vec![code(definition.id.as_str()), of, title, text, code(&parameters(definition))]
    });
    assert_eq!(rows, due.collect::<Vec<_>>());
}

#[test]
fn the_table_of_kinds_has_each_with_its_default() {
    let page = read(&root().join("docs/definitions.md"));
    let rows = table(section(&page, "## Kinds"), &["of", "default", "meaning"]);
    let due = Kind::ALL
        .iter()
        .map(|kind| vec![code(kind.as_str()), code(kind.shipped_id()), kind.meaning().to_owned()]);
    assert_eq!(rows, due.collect::<Vec<_>>());
}

#[test]
fn checkers_written_from_the_documents_hold_the_same_definitions() {
    for (checker, end) in [("tests/vectors/check.py", "),"), ("crates/console/assets/verify.js", ",")] {
        let text = read(&root().join(checker));
        for definition in shipped() {
            let of = definition.rule.of();
            let at = text
                .find(&format!("\"{}\"", definition.id))
                .unwrap_or_else(|| panic!("{checker}: {}", definition.id));
            let said = text[at..].lines().skip(1).take(2).map(str::trim).collect::<Vec<_>>();
            let due = [format!("\"{}\",", of.as_str()), format!("'{}'{end}", parameters(definition))];
            assert_eq!(said, due, "{checker}: {}", definition.id);
        }
    }
}
