//! Every body of `chain::hostile` has its fuzz target.

use std::path::Path;

#[test]
fn every_body_is_a_target_and_every_target_a_body() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let named: Vec<_> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    let bodies: Vec<_> = chain::hostile::BODIES.iter().map(|(name, _)| format!("{name}.rs\"")).collect();
    assert_eq!(named, bodies);
    let mut files: Vec<_> = std::fs::read_dir(fuzz.join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap() + "\"")
        .collect();
    files.sort();
    assert_eq!(files, bodies);
    for (name, _) in chain::hostile::BODIES {
        let text = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("chain::hostile::{name}(bytes)")), "{name}");
    }
}
