//! Adds vectors that are not in `data/` yet: `cargo run -p vectors -- write`. Never changes one that is.

use std::path::Path;

use anyhow::{Context, Result, bail};

#[expect(
    clippy::disallowed_methods,
    reason = "files of the source tree: git keeps them, nothing depends on durability"
)]
fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() != Some("write") {
        bail!("usage: vectors write; `cargo test -p vectors` holds the vectors against the code");
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for family in vectors::FAMILIES {
        let path = dir.join(format!("{}.json", family.name));
        let present = match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let file = vectors::grown(family, present).with_context(|| family.name)?;
        let text = serde_json::to_string_pretty(&file)? + "\n";
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("{}: {} vectors", family.name, file.vectors.len());
    }
    Ok(())
}
