//! Go's checksum database reads a log of ours: `golang.org/x/mod/sumdb`, as Debian packages it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use chain::SecretKey;
use chain::note::Signer;
use foreign::{Log, ORIGIN, skipped};

/// Where Debian puts the sources of Go packages.
const SOURCES: &str = "/usr/share/gocode";

/// Ends of tiles and bundles of every level there is, one before and one after; and more than 1,000 full tiles, where
/// paths get another part.
const SIZES: [u64; 10] = [1, 2, 255, 256, 257, 700, 65_535, 65_537, 255_999, 256_300];

/// `readlog.go` as a program; or what is lacking.
fn readlog() -> Result<PathBuf, String> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    PROGRAM.clone()
}

fn build() -> Result<PathBuf, String> {
    let package = Path::new(SOURCES).join("src/golang.org/x/mod/sumdb/tlog/tile.go");
    if !package.is_file() {
        return Err("there is no golang-golang-x-mod-dev".to_owned());
    }
    let (target, source) = (Path::new(env!("CARGO_TARGET_TMPDIR")), env!("CARGO_MANIFEST_DIR"));
    let program = target.join("readlog");
    let build = Command::new("go")
        .args(["build", "-o"])
        .args([&program, &Path::new(source).join("go/readlog.go")])
        // Packages from the system's sources, and from nowhere else.
        .envs([("GO111MODULE", "off"), ("GOPATH", SOURCES), ("GOFLAGS", ""), ("GOPROXY", "off")])
        .envs([("GOCACHE", target.join("go-cache")), ("GOTMPDIR", target.to_owned())])
        .output();
    let Ok(build) = build else { return Err("there is no go".to_owned()) };
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    Ok(program)
}

/// What the program says of an archive, and its status.
fn run(program: &Path, archive: &Path, key: &str, checkpoints: &[PathBuf]) -> (Option<i32>, String) {
    let output = Command::new(program).arg(archive).arg(key).args(checkpoints).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn gos_checksum_database_reads_a_log_of_a_quarter_of_a_million_records_and_proves_each() {
    let program = match readlog() {
        Ok(program) => program,
        Err(why) => {
            return skipped(
                "gos_checksum_database_reads_a_log_of_a_quarter_of_a_million_records_and_proves_each",
                &why,
            );
        }
    };
    let log = Log::sealed(&SIZES);
    let (status, said) = run(&program, &log.archive(), &log.key, &log.checkpoints);
    assert_eq!(said, "holds: 256300 records, 10 checkpoints, 55 proofs of consistency\n");
    assert_eq!(status, Some(0));
}

#[test]
fn gos_checksum_database_notices_whatever_is_altered() {
    let program = match readlog() {
        Ok(program) => program,
        Err(why) => return skipped("gos_checksum_database_notices_whatever_is_altered", &why),
    };
    let log = Log::sealed(&[1, 256, 700]);
    let run = |key: &str| run(&program, &log.archive(), key, &log.checkpoints);
    assert_eq!(run(&log.key).0, Some(0));
    let refused = |what: &str, key: &str, because: &str| {
        let (status, said) = run(key);
        assert_eq!(status, Some(1), "{what}: {said}");
        assert!(said.starts_with("does not hold: ") && said.contains(because), "{what}: {said}");
    };
    let flipped = |path: PathBuf, at: usize, because: &str| {
        let bytes = fs::read(&path).unwrap();
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        e2e::write(&path, &altered);
        refused(&path.display().to_string(), &log.key, because);
        e2e::write(&path, &bytes);
    };
    let tile = |path: &str| log.archive().join("tile").join(path);
    flipped(tile("0/001"), 5_000, "transparency proof");
    flipped(tile("0/002.p/188"), 5_000, "inconsistent tile");
    flipped(tile("1/000.p/2"), 63, "inconsistent tile");
    flipped(tile("entries/002.p/188"), 40, "record 512: invalid transparency proof");
    let root = format!("{ORIGIN}\n256\n").len();
    flipped(log.checkpoints[1].clone(), root + 5, "invalid signature");
    let other = Signer::new(ORIGIN, SecretKey::from_bytes(&[2; 32])).unwrap().verifier_key().to_string();
    refused("another key", &other, "no verifiable signatures");
    assert_eq!(run(&log.key).0, Some(0));
}
