//! What makes a bundle whole beside its archive: the zip's own form, and the MANIFEST.

use super::{Shape, at_file};
use crate::code::{Absence, Evidence};
use crate::copy::{CERTIFICATE, PROOFS};
use crate::files::{Files, Listed, digest, read};
use crate::findings::Findings;
use crate::manifest::{LOG, MANIFEST, MANIFEST_BYTES_MAX, Manifest};
use crate::report::Place;
use crate::source::SourceError;
use crate::tally::Tally;

/// Where else files may stand in a bundle.
const README: &str = "README.html";
const DIRECTORIES: [&str; 3] = [LOG, "keys/", "reports/"];

/// The same in a certified copy.
const COPY_FILES: [&str; 3] = [README, CERTIFICATE, "delegation.html"];
const COPY_DIRECTORIES: [&str; 4] = [LOG, "keys/", "casebooks/", PROOFS];

/// Whether a bundle, or a certified copy, may have such a file.
fn is_in_place(path: &str, shape: Shape) -> bool {
    let (files, directories): (&[&str], &[&str]) = match shape {
        Shape::Archive | Shape::Bundle => (&[README], &DIRECTORIES),
        Shape::Copy => (&COPY_FILES, &COPY_DIRECTORIES),
    };
    files.contains(&path) || directories.iter().any(|directory| path.starts_with(directory))
}

/// Checks the container and holds every file against the MANIFEST. `listed` is sorted.
pub(super) fn check(
    files: &dyn Files,
    listed: &[Listed],
    shape: Shape,
    findings: &mut Findings,
) -> Result<(Tally, Option<Manifest>), SourceError> {
    for fault in files.faults() {
        let stored_at = match &fault.path {
            Some(path) => format!("{path}, byte {} of the zip", fault.offset),
            None => format!("byte {} of the zip", fault.offset),
        };
        let place = Place { stored_at: Some(stored_at), ..Place::default() };
        findings.add(Evidence::ZipMalformed.into(), 0, place, || fault.what.clone());
    }
    let mut tally = Tally::default();
    let manifest = read_manifest(files, listed, findings)?;
    for file in listed {
        let what = match (file.length, is_in_place(&file.path, shape) || file.path == MANIFEST) {
            (None, _) => Some("it is no regular file"),
            (_, false) => Some("a bundle has no such file"),
            _ => None,
        };
        if let Some(what) = what {
            tally.add(false);
            at_file(findings, Evidence::FileUnexpected, &file.path, what);
        }
        let Some(length) = file.length else { continue };
        if file.path == MANIFEST {
            checksum(files, file, findings)?;
            continue;
        }
        let Some(manifest) = &manifest else {
            checksum(files, file, findings)?;
            continue;
        };
        let Some(due) = manifest.get(&file.path) else {
            tally.add(false);
            at_file(findings, Evidence::FileUnexpected, &file.path, "the MANIFEST does not list it");
            continue;
        };
        // Nothing is read of a file that cannot be right.
        if due.length != length {
            tally.add(false);
            let detail = format!("has {length} bytes; the MANIFEST says {}", due.length);
            at_file(findings, Evidence::FileDiffers, &file.path, &detail);
            continue;
        }
        let Some((found, crc32)) = digest(files, &file.path)? else { continue };
        tally.add(found == due);
        if found != due {
            let detail = format!("has the SHA-256 and length {found}; the MANIFEST says {due}");
            at_file(findings, Evidence::FileDiffers, &file.path, &detail);
        }
        crc_holds(files, file, crc32, findings);
    }
    for (path, _) in manifest.iter().flat_map(Manifest::iter) {
        if listed.binary_search_by(|file| file.path.as_str().cmp(path)).is_err() {
            tally.add(false);
            at_file(findings, Absence::FileMissing, path, "");
        }
    }
    Ok((tally, manifest))
}

fn checksum(files: &dyn Files, file: &Listed, findings: &mut Findings) -> Result<(), SourceError> {
    if files.crc32(&file.path).is_some()
        && let Some((_, crc32)) = digest(files, &file.path)?
    {
        crc_holds(files, file, crc32, findings);
    }
    Ok(())
}

fn crc_holds(files: &dyn Files, file: &Listed, found: u32, findings: &mut Findings) {
    if files.crc32(&file.path).is_some_and(|stated| stated != found) {
        at_file(
            findings,
            Evidence::ZipMalformed,
            &file.path,
            "its bytes have another CRC-32 than the zip states",
        );
    }
}

fn read_manifest(
    files: &dyn Files,
    listed: &[Listed],
    findings: &mut Findings,
) -> Result<Option<Manifest>, SourceError> {
    let is_listed = listed.iter().any(|file| file.path == MANIFEST && file.length.is_some());
    let bytes = if is_listed { read(files, MANIFEST, MANIFEST_BYTES_MAX)? } else { None };
    let Some(bytes) = bytes else {
        at_file(findings, Absence::ManifestMissing, MANIFEST, "");
        return Ok(None);
    };
    Ok(Manifest::parse(&bytes)
        .inspect_err(|error| at_file(findings, Evidence::ManifestMalformed, MANIFEST, &error.to_string()))
        .ok())
}
