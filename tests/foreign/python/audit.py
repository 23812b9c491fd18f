"""Audits a log with aics-tlog, which was not written with what wrote the log.

    audit.py SOURCE VKEY [CHECKPOINT...]

SOURCE is an archive's directory or address; the checkpoints are earlier ones of the log. Says how much it has checked,
or what does not hold, with status 1.
"""

import sys
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    HttpTileReader,
    VerifiedTileReader,
    audit_tiles,
    consistency_proof_from_tiles,
    inclusion_proof_from_tiles,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    verify_checkpoint,
    verify_consistency,
    verify_leaf_inclusion,
)


def opened(note, key):
    """The checkpoint of a note that the log has signed."""
    note = parse_note(note)
    result = verify_checkpoint(note, key, expected_origin=key.name)
    if not result.ok:
        raise ValueError(result.error)
    return parse_checkpoint(note.text)


def audit(source, key, older):
    key = parse_vkey(key)
    if "://" in source:
        reader = HttpTileReader([source])
        note = reader.read_checkpoint()
    else:
        reader = FileSystemTileReader(source)
        note = Path(source, "checkpoint").read_bytes()
    log = opened(note, key)
    report = audit_tiles(reader, log.size, log.root)
    verified = VerifiedTileReader(reader, log.size, log.root)
    for path in older:
        old = opened(Path(path).read_bytes(), key)
        proof = consistency_proof_from_tiles(verified, old.size, log.size)
        if not verify_consistency(old.size, log.size, old.root, log.root, proof):
            raise ValueError(f"from {old.size} to {log.size} records")
    for index in {0, log.size // 2, log.size - 1}:
        proof = inclusion_proof_from_tiles(verified, index, log.size)
        if not verify_leaf_inclusion(verified.entry(index), index, log.size, proof, log.root):
            raise ValueError(f"record {index}")
    return f"holds: {report.size} records, {report.tiles} tiles, {report.bundles} bundles, {len(older)} older"


try:
    print(audit(sys.argv[1], sys.argv[2], sys.argv[3:]))
except (ValueError, OSError) as error:
    print(f"does not hold: {error}")
    sys.exit(1)
