//! What must hold whatever bytes a stranger hands in as a bundle: the bodies of the fuzz targets in `fuzz/`, which the
//! tests drive too. Each reads the bytes, does with the result what a caller would, and panics only if a promise is
//! broken.

use std::io::{Cursor, Read as _};

use crate::manifest::Manifest;
use crate::{Files as _, ZipFiles, ZipWriter};

/// Bytes that each file takes in a zip's directory, beside its name.
const ENTRY_BYTES_MIN: usize = 46;

/// Any bytes open; no file is longer than the zip; and where nothing is wrong with it, its files make the same zip, byte
/// for byte: nothing can hide in it.
///
/// # Panics
/// A promise of the reader is broken.
#[expect(clippy::expect_used, reason = "a promise that does not hold is what the body is to find")]
pub fn bundle_zip(bytes: &[u8]) {
    let files = ZipFiles::open(Cursor::new(bytes)).expect("bytes in memory can be read");
    let listed = files.list().expect("a zip that has been opened has been listed");
    assert!(listed.len() * ENTRY_BYTES_MIN <= bytes.len());
    let mut again = ZipWriter::new(Vec::new());
    let mut is_whole = files.faults().is_empty();
    for file in listed {
        let length = file.length.expect("a zip holds regular files");
        let opened =
            files.open(&file.path).expect("bytes in memory can be read").expect("what is listed is there");
        let mut content = Vec::new();
        // One more than should come.
        opened.take(length + 1).read_to_end(&mut content).expect("bytes in memory can be read");
        assert!(content.len() <= bytes.len() && content.len() as u64 == length, "{}", file.path);
        is_whole &= files.crc32(&file.path) == Some(crc32fast::hash(&content));
        is_whole = is_whole && again.add(&file.path, &content).is_ok();
    }
    if is_whole {
        assert!(
            again.finish().expect("a list grows") == bytes,
            "another zip with the same files has no fault"
        );
    }
}

/// A MANIFEST that is read gives back its bytes.
///
/// # Panics
/// It does not.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_string().as_bytes(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileDigest;

    const FILES: [(&str, &[u8]); 3] = [("MANIFEST", b"x"), ("log/checkpoint", b"a\nb\n"), ("log/empty", b"")];

    fn zip() -> Vec<u8> {
        let mut zip = ZipWriter::new(Vec::new());
        for (path, bytes) in FILES {
            zip.add(path, bytes).unwrap();
        }
        zip.finish().unwrap()
    }

    fn text() -> Vec<u8> {
        let mut manifest = Manifest::default();
        for (path, bytes) in &FILES[1..] {
            manifest.insert(path, FileDigest::of(bytes)).unwrap();
        }
        manifest.to_string().into_bytes()
    }

    /// Hands over the sample cut at every length, with every bit flipped, every byte dropped and doubled, and every
    /// run of bytes given twice.
    fn drive(sample: &[u8], body: fn(&[u8])) {
        body(sample);
        for at in 0..sample.len() {
            body(&sample[..at]);
            body(&sample[at..]);
            let (before, from) = sample.split_at(at);
            body(&[before, &from[1..]].concat());
            for to in at..sample.len() {
                body(&[&sample[..to], &sample[at..]].concat());
            }
            let mut altered = sample.to_vec();
            for value in (0..8).map(|bit| sample[at] ^ (1 << bit)).chain([0, 0xff]) {
                altered[at] = value;
                body(&altered);
            }
        }
    }

    #[test]
    fn whatever_becomes_of_a_zip_it_gets_an_answer_and_hides_nothing() {
        let files = ZipFiles::open(Cursor::new(zip())).unwrap();
        assert_eq!((files.list().unwrap().len(), files.faults()), (3, &[][..]));
        drive(&zip(), bundle_zip);
    }

    #[test]
    fn lengths_and_places_in_a_zip_that_lie_get_an_answer() {
        let zip = zip();
        let extremes = [0_u32, 1, 45, 46, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff].map(u32::to_le_bytes);
        for at in 0..zip.len() - 4 {
            for value in extremes {
                let mut altered = zip.clone();
                altered[at..at + 4].copy_from_slice(&value);
                bundle_zip(&altered);
            }
        }
    }

    #[test]
    fn whatever_becomes_of_a_manifest_it_gets_an_answer() {
        assert!(Manifest::parse(&text()).is_ok());
        drive(&text(), manifest);
    }
}
