use super::*;
use object_store::memory::InMemory;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn path(text: &str) -> TilePath {
    text.parse().unwrap()
}

/// A local archive and one in memory: both must behave alike.
fn both(check: impl Fn(&BlockingArchive)) {
    let dir = TempDir::new().unwrap();
    check(&Archive::local(&dir.path().join("archive")).unwrap().blocking().unwrap());
    check(&Archive::on(Arc::new(InMemory::new())).blocking().unwrap());
}

fn put(archive: &BlockingArchive, at: &str, bytes: &[u8]) -> Result<(), PutError> {
    archive.put_all(vec![(path(at), bytes.to_vec())])
}

#[test]
fn what_is_put_is_got_and_what_is_not_is_none() {
    both(|archive| {
        assert_eq!(archive.get(path("tile/0/000")).unwrap(), None);
        assert_eq!(archive.checkpoint().unwrap(), None);
        assert_eq!(archive.list().unwrap(), []);
        put(archive, "tile/0/x001/x234/067.p/8", b"hashes").unwrap();
        assert_eq!(archive.get(path("tile/0/x001/x234/067.p/8")).unwrap().unwrap(), b"hashes");
        assert_eq!(archive.get(path("tile/entries/x001/x234/067.p/8")).unwrap(), None);
    });
}

#[test]
fn an_immutable_file_is_never_overwritten_with_other_bytes() {
    both(|archive| {
        put(archive, "tile/0/000", b"first").unwrap();
        put(archive, "tile/0/000", b"first").unwrap();
        for other in [&b"other"[..], b"firs", b"first "] {
            let error = put(archive, "tile/0/000", other).unwrap_err();
            assert!(matches!(error, PutError::Different { path: at } if at == path("tile/0/000")), "{error}");
        }
        assert_eq!(archive.get(path("tile/0/000")).unwrap().unwrap(), b"first");
    });
}

#[test]
fn the_checkpoint_is_replaced() {
    both(|archive| {
        for bytes in [&b"one"[..], b"two, longer", b"3"] {
            archive.put_checkpoint(bytes.to_vec()).unwrap();
            assert_eq!(archive.checkpoint().unwrap().unwrap(), bytes);
        }
    });
}

#[test]
fn all_of_many_files_are_there_and_listed_in_order() {
    both(|archive| {
        let paths: Vec<_> = chain::tile::new_tiles(chain::TreeSize(0), chain::TreeSize(20_000))
            .chain(chain::tile::bundles(chain::TreeSize(20_000)))
            .collect();
        let files = paths.iter().rev().map(|path| (*path, path.to_string().into_bytes())).collect();
        archive.put_all(files).unwrap();
        archive.put_checkpoint(b"x".to_vec()).unwrap();
        let mut expected = paths.clone();
        expected.sort_unstable();
        assert_eq!(archive.list().unwrap(), expected);
        for at in paths {
            assert_eq!(archive.get(at).unwrap().unwrap(), at.to_string().into_bytes());
        }
    });
}

#[test]
fn partials_are_listed_removed_and_cut_out_of_the_full_tile() {
    both(|archive| {
        let full: Vec<u8> = (0..=255).flat_map(|n| [n; 32]).collect();
        put(archive, "tile/0/001.p/7", &full[..7 * 32]).unwrap();
        put(archive, "tile/0/001.p/200", &full[..200 * 32]).unwrap();
        put(archive, "tile/0/002.p/1", &full[..32]).unwrap();
        assert_eq!(archive.get_or_cut(path("tile/0/001.p/8")).unwrap(), None);
        put(archive, "tile/0/001", &full).unwrap();

        let widths = [path("tile/0/001.p/7"), path("tile/0/001.p/200")];
        assert_eq!(archive.partials(path("tile/0/001")).unwrap(), widths);
        archive.remove(widths[0]).unwrap();
        archive.remove(widths[0]).unwrap();
        assert_eq!(archive.partials(path("tile/0/001")).unwrap(), widths[1..]);
        assert_eq!(archive.get(widths[0]).unwrap(), None);
        assert_eq!(archive.get_or_cut(widths[0]).unwrap().unwrap(), full[..7 * 32]);
        assert_eq!(archive.partials(path("tile/0/003")).unwrap(), []);

        let refused = archive.remove(path("tile/0/001")).unwrap_err();
        assert!(matches!(refused, TidyError::NotPartial { .. }), "{refused}");
        assert_eq!(archive.list().unwrap().len(), 3);
    });
}

#[test]
fn a_file_too_large_to_be_a_tile_is_not_read() {
    let dir = TempDir::new().unwrap();
    let archive = Archive::local(dir.path()).unwrap().blocking().unwrap();
    for (at, bytes) in
        [("tile/0/000", 8_192), ("tile/entries/000", BUNDLE_BYTES_MAX as u64), ("checkpoint", 1 << 20)]
    {
        let place = dir.path().join(at);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let file = fs::File::create(&place).unwrap();
        let get = || match at.parse() {
            Ok(path) => archive.get(path),
            Err(_) => archive.checkpoint(),
        };
        file.set_len(bytes).unwrap();
        assert_eq!(get().unwrap().unwrap().len() as u64, bytes);
        // Sparse: it would not fit in memory.
        for too_many in [bytes + 1, 1 << 40] {
            file.set_len(too_many).unwrap();
            assert!(matches!(get(), Err(GetError::TooLarge { bytes, .. }) if bytes == too_many));
        }
    }
}

#[test]
fn a_local_archive_is_the_owners_and_survives_reopening() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("archive");
    let archive = Archive::local(&place).unwrap().blocking().unwrap();
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
    put(&archive, "tile/entries/000.p/1", b"record").unwrap();
    assert_eq!(fs::read(place.join("tile/entries/000.p/1")).unwrap(), b"record");
    drop(archive);
    let archive = Archive::local(&place).unwrap().blocking().unwrap();
    assert_eq!(archive.get(path("tile/entries/000.p/1")).unwrap().unwrap(), b"record");
    let missing = Archive::local(&dir.path().join("not/there")).unwrap_err();
    assert!(matches!(missing, OpenError::Io { op: "making the directory", .. }));
}

#[test]
fn a_file_whose_write_was_not_proven_is_written_anew_with_the_same_bytes() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = TempDir::new().unwrap();
    let archive = Archive::local(dir.path()).unwrap().blocking().unwrap();
    let place = dir.path().join("tile/0/000");
    put(&archive, "tile/0/000", b"hashes").unwrap();
    let first = fs::metadata(&place).unwrap().ino();
    put(&archive, "tile/0/000", b"hashes").unwrap();
    assert_ne!(fs::metadata(&place).unwrap().ino(), first);
    assert_eq!(fs::read(&place).unwrap(), b"hashes");
    assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn what_cut_off_writes_left_is_no_part_of_the_archive_and_is_swept() {
    let dir = TempDir::new().unwrap();
    let archive = Archive::local(dir.path()).unwrap().blocking().unwrap();
    put(&archive, "tile/0/000", b"hashes").unwrap();
    let left = ["tile/0/000#1", "tile/0/001#12", "checkpoint#1"].map(|name| dir.path().join(name));
    let stays = ["tile/0/000#", "tile/0/x#1a"].map(|name| dir.path().join(name));
    for place in left.iter().chain(&stays) {
        fs::File::create(place).unwrap();
    }
    assert_eq!(archive.list().unwrap(), [path("tile/0/000")]);
    archive.sweep().unwrap();
    assert!(left.iter().all(|place| !place.exists()));
    assert!(stays.iter().all(|place| place.exists()));
    assert_eq!(archive.get(path("tile/0/000")).unwrap().unwrap(), b"hashes");
}

#[test]
fn the_blocking_face_may_be_dropped_by_an_asynchronous_task() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blocking = Archive::on(Arc::new(InMemory::new())).blocking().unwrap();
    runtime.block_on(async move { drop(blocking) });
}
