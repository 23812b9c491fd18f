//! Every code has its page in docs/findings, and every page its code.

use std::collections::BTreeSet;
use std::path::Path;

use verify::Code;

#[test]
fn codes_and_pages_are_the_same() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings");
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "README" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = Code::all().find(|code| code.as_str() == name);
        let code = code.unwrap_or_else(|| panic!("{name} is no code"));
        assert!(text.starts_with(&format!("# {code}\n\n{}", code.meaning())), "{name}: title and meaning");
        for part in ["## What it means", "## What may have caused it", "## What to look at"] {
            assert!(text.contains(part), "{name}: {part}");
        }
        pages.insert(name);
    }
    let codes: BTreeSet<String> = Code::all().map(|code| code.to_string()).collect();
    assert_eq!(pages, codes);
}

#[test]
fn the_index_of_pages_names_each_code_in_its_class() {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings/README.md");
    let index = std::fs::read_to_string(index).unwrap();
    for code in Code::all() {
        let section = match code.class() {
            verify::Class::Evidence => "## Evidence",
            verify::Class::Absence => "## Absence",
            verify::Class::Conduct => "## Conduct",
        };
        let after = index.split(section).nth(1).unwrap();
        let section = after.split("\n## ").next().unwrap();
        assert!(section.contains(&format!("[{code}]({code}.md)")), "{code}");
    }
}
