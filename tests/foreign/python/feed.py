"""Has a witness cosign a log's checkpoints, in their order, by aics-witness's client, and checks what it answers.

    feed.py ARCHIVE VKEY WITNESS-ADDRESS WITNESS-VKEY CHECKPOINT...
"""

import sys
from pathlib import Path

from aics_tlog import FileSystemTileReader, consistency_proof_from_tiles, parse_note, parse_vkey, verify_checkpoint
from aics_witness.feeder import WitnessAhead, WitnessClient, WitnessRejected, merge_cosignatures

archive, key, address, witness_key, *checkpoints = sys.argv[1:]
reader = FileSystemTileReader(archive)
size = verify_checkpoint(parse_note(Path(archive, "checkpoint").read_bytes()), parse_vkey(key)).size


def proof(old, new):
    return consistency_proof_from_tiles(reader, old, new, size)


def cosigned(note):
    """The note with the witness's line, if both signatures hold."""
    # A client of its own each time: it knows nothing of the last one, and has to be told by the witness.
    with WitnessClient(address, witness_key) as client:
        whole = merge_cosignatures(note, client.submit(note, proof))
    result = verify_checkpoint(parse_note(whole), parse_vkey(key), [parse_vkey(witness_key)], 1)
    assert result.ok, result.error
    return whole


def refused(note):
    """The status with which the witness refuses a note."""
    try:
        with WitnessClient(address, witness_key) as client:
            client.submit(note, proof)
    except WitnessRejected as refusal:
        return refusal.status
    except WitnessAhead:
        return 409
    return None


for path in checkpoints:
    note = Path(path).read_bytes()
    Path(path + ".cosigned").write_bytes(cosigned(note))
origin, _, rest = note.split(b"\n", 2)
# Not what the log has signed, and what it signed before.
statuses = [refused(b"\n".join([origin, b"%d" % (size + 1), rest])), refused(Path(checkpoints[0]).read_bytes())]
print(f"cosigned: {len(checkpoints)} checkpoints; refused: {statuses}")
