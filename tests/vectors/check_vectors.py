"""Makes the golden vectors again with check.py, by Python's standard library alone, and compares.

`check.py --vectors DIR` runs it. A family that it has no second implementation of is named, not passed over.
"""

import hashlib
import hmac
import json
import os
import re
import struct

import check as c
from check import Refused, need


def hexes(items):
    return [item.hex() for item in items]


def from_hexes(items):
    return [bytes.fromhex(item) for item in items]


def refused_or(make):
    """Either form of an output that may be a refusal."""
    try:
        return {"accepted": make()}
    except Refused:
        return {"refused": True}


def given_bytes(value):
    return bytes.fromhex(value["bytes_hex"]) if "bytes_hex" in value else value["bytes"].encode()


def decimal_record(position):
    return str(position).encode()


def leaves_of(size):
    return [c.record_hash(decimal_record(position)) for position in range(size)]


# Proofs, as RFC 6962 sections 2.1.1 and 2.1.2 define them: by recursion, unlike the verification.

def split(size):
    return 1 << (size - 1).bit_length() - 1


def path_to(position, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if position < k:
        return path_to(position, leaves[:k]) + [c.tree_root(leaves[k:])]
    return path_to(position - k, leaves[k:]) + [c.tree_root(leaves[:k])]


def subproof(old, leaves, whole):
    """SUBPROOF of RFC 6962; `whole` says that the old tree's root is known to whoever verifies."""
    if old == len(leaves):
        return [] if whole else [c.tree_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return subproof(old, leaves[:k], whole) + [c.tree_root(leaves[k:])]
    return subproof(old - k, leaves[k:], False) + [c.tree_root(leaves[:k])]


def consistency(old, leaves):
    return subproof(old, leaves, True) if 0 < old < len(leaves) else []


# Keys and notes

def key_text(name, public, kind=c.LOG):
    need(c.name_is_good(name), "no name")
    data = bytes([kind]) + public
    return "%s+%s+%s" % (name, hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8], c.in_base64(data))


def key_of(name, seed_hex, kind=c.LOG):
    return c.VerifierKey(key_text(name, c.public_of(bytes.fromhex(seed_hex)), kind))


def note_line(name, seed_hex, text, time=None):
    seed = bytes.fromhex(seed_hex)
    key = key_of(name, seed_hex, c.LOG if time is None else c.WITNESS)
    if time is None:
        blob = key.id + c.sign(seed, text.encode())
    else:
        message = "cosignature/v1\ntime %d\n%s" % (time, text)
        blob = key.id + time.to_bytes(8, "big") + c.sign(seed, message.encode())
    return "\u2014 %s %s\n" % (name, c.in_base64(blob))


def make_note(text, lines):
    need(text.endswith("\n") and lines, "no note")
    note = text + "\n" + "".join(lines)
    c.read_note(note.encode())
    return note


def make_checkpoint(given, size):
    leaves = leaves_of(size)
    text = "%s\n%d\n%s\n" % (given["origin"], size, c.in_base64(c.tree_root(leaves)))
    lines = [note_line(given["origin"], given["log_seed_hex"], text)]
    lines += [note_line(w["name"], w["seed_hex"], text, w["time"]) for w in given["witnesses"]]
    return leaves, make_note(text, lines)


# One function for each family: what its input gives.

def canonical_check(given):
    try:
        c.canonical(given_bytes(given))
        return {"canonical": True}
    except Refused:
        return {"canonical": False}


class Float(str):
    """A number that is not written as an integer."""


def write_canonical(value):
    if isinstance(value, dict):
        return "{%s}" % ",".join('"%s":%s' % (key, write_canonical(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return "[%s]" % ",".join(map(write_canonical, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    need(value is not None and not isinstance(value, Float), "null or a float")
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return str(value)


def canonical_write(given):
    try:
        value = json.loads(given["json"], parse_float=Float)
        written = write_canonical(value).encode()
        c.canonical(written)
        return {"bytes": written}
    except Refused:
        return None


def checkpoint_text(given):
    def make():
        origin, size, root = c.read_checkpoint(given["text"])
        return {"origin": origin, "root": root.hex(), "size": str(size)}
    return refused_or(make)


def checkpoint(given):
    _, note = make_checkpoint(given, given["size"])
    keys = [key_of(w["name"], w["seed_hex"], c.WITNESS) for w in given["witnesses"]]
    log = key_of(given["origin"], given["log_seed_hex"])
    _, signed = c.signers(note.encode(), keys + [log])
    need([key for key, _ in signed] == [log] + keys, "not signed by all")
    return {"checkpoint": note, "cosigners": [key.text for key in keys], "log_key": log.text}


def clinical_time(given):
    def make():
        found = re.fullmatch("(.{10})T([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?([+-])([0-9]{2}):([0-5][0-9])",
                             given["text"])
        need(found and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", found.group(1)), "no time")
        day, hour, minute, second, sign, off_hour, off_minute = found.groups()
        c.partial_date(day)
        offset = int(off_hour) * 60 + int(off_minute)
        need(int(off_hour) <= 14 and (sign == "+" or offset), "no offset")
        seconds = c.days_of(int(day[:4]), int(day[5:7]), int(day[8:])) * 86400
        seconds += int(hour) * 3600 + int(minute) * 60 + int(second or 0)
        return seconds - offset * 60 * (1 if sign == "+" else -1)
    return refused_or(make)


def decimal(given):
    def make():
        found = re.fullmatch(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?", given["text"])
        need(found and not re.fullmatch(r"-0(\.0+)?", given["text"]), "no decimal")
        return given["text"]
    return refused_or(make)


def definitions(given):
    def make():
        c.own_definitions(given["own"])
        return [definition["id"] for definition in given["own"]]
    return refused_or(make)


def entry_bundle(given):
    if "records" in given:
        records = [record.encode() for record in given["records"]]
        return {"bytes_hex": b"".join(len(r).to_bytes(2, "big") + r for r in records).hex()}
    return refused_or(lambda: [(r or b"").decode()
                               for r in c.read_bundle(bytes.fromhex(given["bytes_hex"]), given["count"])])


def event_signature(given):
    seed = bytes.fromhex(given["seed_hex"])
    public = c.PublicKey(c.public_of(seed))
    message = b"trialbook event v1\n" + given["event"].encode()
    signature = c.sign(seed, message)
    need(public.verifies(message, signature), "an own signature that does not hold")
    return {"key": public.id, "public_key": c.in_base64(public.data), "signature": c.in_base64(signature)}


def identifier(given):
    return refused_or(lambda: c.identifier(given["grammar"], given["text"]))


def instant(given):
    return refused_or(lambda: c.instant_micros(given["text"]))


def partial_date(given):
    return refused_or(lambda: dict(zip(("earliest", "latest"), c.partial_date(given["text"]))))


def log_proof_check(given):
    try:
        position, hashes, note = c.read_proof(given["proof"].encode())
        text, signed = c.signers(note, [c.VerifierKey(key, c.LOG) for key in given["log_keys"]])
        origin, size, root = c.read_checkpoint(text)
        need(any(key.name == origin for key, _ in signed), "not signed by the log")
        return {"holds": c.inclusion_holds(bytes.fromhex(given["hash"]), position, size, hashes, root)}
    except Refused:
        return {"holds": False}


def log_proof(given):
    leaves, note = make_checkpoint(given, given["size"])
    path = path_to(given["position"], leaves)
    proof = "c2sp.org/tlog-proof@v1\nindex %d\n%s\n%s" % (
        given["position"], "".join(c.in_base64(item) + "\n" for item in path), note)
    return {"hash": leaves[given["position"]].hex(), "proof": proof,
            "log_key": key_of(given["origin"], given["log_seed_hex"]).text}


def log(given, output):
    return checked_log(given, output)[1]


def log_keys(given, output):
    records, answer = checked_log(given, output)
    answer["due"] = [[known.key.text for known in records.trial.log_keys.values() if known.in_force_at(size)]
                     for size in range(records.due + 1)]
    return answer


def checked_log(given, output):
    """The records are checked; from the people's seeds their signatures are made again."""
    report = c.Report()
    records = c.Records(report, output["genesis"])
    seeds = {c.PublicKey(c.public_of(bytes.fromhex(person["seed_hex"]))).id: bytes.fromhex(person["seed_hex"])
             for person in given["people"]}
    for line in output["records"]:
        records.take(line.encode())
        record, spans = c.canonical(line.encode())
        message = b"trialbook event v1\n" + spans["event"]
        need(c.in_base64(c.sign(seeds[record["event"]["key"]], message)) == record["signature"], "another signature")
    records.finish(records.due, 1)
    return records, {
        "genesis": c.record_hash(output["records"][0].encode()).hex(), "head": records.head.hex(),
        "records": output["records"], "verdict": "intact" if report.status(output["genesis"]) == 0 else "broken"}


def note_check(given):
    def make():
        keys = [c.VerifierKey(key) for key in given["keys"]]
        signed = c.signers(given["note"].encode(), keys)[1]
        need(signed, "signed by nobody known")
        return [key.name for key, _ in signed]
    return refused_or(make)


def note(given):
    return refused_or(lambda: make_note(
        given["text"], [note_line(s["name"], s["seed_hex"], given["text"]) for s in given["signers"]]))


def policy(given):
    def make():
        found = c.Policy(given["policy"].encode())
        names = found.names_of(c.VerifierKey(text) for text in given["cosigned"])
        return {"cosigned": sorted(names), "met": found.met(names)}
    return refused_or(make)


def possession(given):
    seed = bytes.fromhex(given["seed_hex"])
    public = c.public_of(seed)
    message = c.possession_message(given["genesis"], given["holder"], public)
    return {"message": message.decode(), "possession": c.in_base64(c.sign(seed, message)),
            "public_key": c.in_base64(public)}


def receipt(given):
    leaves = leaves_of(given["first"] + given["count"])[given["first"]:]
    text = "trialbook receipt v1\n%s\n%d\n%d\n%s\n" % (
        given["origin"], given["first"], given["count"], c.in_base64(c.tree_root(leaves)))
    made = make_note(text, [note_line(given["receipt_key"], given["seed_hex"], text)])
    _, first, count, root = c.read_receipt_note(c.read_note(made.encode())[0])
    at = given["position"] - first
    path = path_to(at, leaves)
    need(c.inclusion_holds(leaves[at], at, count, path, root), "an own path that does not hold")
    return {"hash": leaves[at].hex(), "key": key_of(given["receipt_key"], given["seed_hex"]).text, "note": made,
            "path": hexes(path)}


def record_hash(given):
    return {"hash": c.record_hash(given_bytes(given)).hex()}


def record_join(given):
    signature = c.in_base64(bytes.fromhex(given["signature_hex"]))
    record = '{"event":%s,"prev":"%s","recorded_at":"%s","seq":%d,"signature":"%s"}' % (
        given["event"], given["prev"], given["recorded_at"], given["seq"], signature)
    c.canonical(record.encode())
    return {"hash": c.record_hash(record.encode()).hex(), "record": record,
            "submission": '{"event":%s,"signature":"%s"}' % (given["event"], signature)}


def allocation(given):
    parts = ("trialbook allocation v1", given["trial"], given["subject"], given["arm"], given["key_hex"])
    message = "\n".join(parts).encode()
    return {"commitment": hashlib.sha256(message).hexdigest(), "message_hex": message.hex()}


def role_table(given):
    return c.ENTITLED[given["role"]]


# XChaCha20-Poly1305 (RFC 8439, draft-irtf-cfrg-xchacha), which Python's library does not have. Slow, and its time tells
# of the key: for vectors, not for texts.

def chacha(key, last):
    """The state before and after twenty rounds, under a key of 32 bytes and the 16 of counter and nonce."""
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + last))
    x = start[:]

    def step(a, b, d, bits):
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        mixed = x[d] ^ x[a]
        x[d] = (mixed << bits | mixed >> 32 - bits) & 0xFFFFFFFF

    for _ in range(10):
        for shift in (0, 1):
            for a in range(4):
                b, at_c, d = (4 * row + (a + shift * row) % 4 for row in (1, 2, 3))
                step(a, b, d, 16)
                step(at_c, d, b, 12)
                step(a, b, d, 8)
                step(at_c, d, b, 7)
    return start, x


def encrypted(key, nonce, plain, associated):
    """The encryption and its tag."""
    _, x = chacha(key, nonce[:16])
    own = struct.pack("<8I", *x[:4], *x[12:])

    def block(counter):
        start, done = chacha(own, struct.pack("<II", counter, 0) + nonce[16:])
        return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(start, done)))

    stream = b"".join(block(1 + at) for at in range(-(-len(plain) // 64)))
    cipher = bytes(a ^ b for a, b in zip(plain, stream))
    once = block(0)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    taken = b"".join(part + bytes(-len(part) % 16) for part in (associated, cipher))
    taken += struct.pack("<QQ", len(associated), len(cipher))
    total = 0
    for at in range(0, len(taken), 16):
        total = (total + int.from_bytes(taken[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    tag = total + int.from_bytes(once[16:32], "little") & 2**128 - 1
    return cipher + tag.to_bytes(16, "little")


def sealed_text(given):
    random = bytes.fromhex(given["randomness_hex"])
    key, commitment, nonce, wrapping = random[:32], random[32:64], random[64:88], random[88:]
    own, text = bytes.fromhex(given["subject_key_hex"]), given["text"].encode()
    place = "\n".join(given[part] for part in ("trial", "subject", "event", "pointer")).encode()
    envelope = {
        "alg": "xchacha20poly1305", "nonce": c.in_base64(nonce),
        "ciphertext": c.in_base64(encrypted(key, nonce, commitment + text, place)),
        "commitment": hmac.new(commitment, text, hashlib.sha256).hexdigest(),
        "wrapped_key": c.in_base64(wrapping + encrypted(own, wrapping, key, place)),
    }
    c.sealed_text(envelope)
    return {"envelope": envelope, "text_key": hashlib.sha256(own).hexdigest()}


# Section 7: eight of 8 points, six of 4, seven of 2, three of 1, in this order.
POINTS = dict(zip(c.DESCRIPTORS, [8] * 8 + [4] * 6 + [2] * 7 + [1] * 3))


def sledai_2k(given):
    present = set(given["present"])
    clinical = present - {"low_complement", "increased_dna_binding"}
    return {"clinical": sum(POINTS[d] for d in clinical), "not_done": len(given["not_done"]),
            "total": sum(POINTS[d] for d in present)}


def tile_path(given):
    def make():
        level, index, width = c.tile_place(given["text"])
        need(c.tile_path(level, index, width) == given["text"], "another spelling")
        return {"index": str(index), "level": level, "width": width}
    return refused_or(make)


def places(size, unit):
    count = size // unit
    full = {(index, 256) for index in range(count // 256)}
    return full | ({(count // 256, count % 256)} if count % 256 else set())


def tile_set(given):
    tiles = []
    for level in range(8):
        unit = 256 ** level
        tiles += [(level, *place) for place in sorted(places(given["new"], unit) - places(given["old"], unit))]
    bundles = sorted(places(given["new"], 1) - places(given["old"], 1))
    return {"bundles": [c.tile_path("entries", *place) for place in bundles],
            "tiles": [c.tile_path(*place) for place in tiles]}


def tile(given):
    level, index, width = c.tile_place(given["path"])
    if (index, width) not in places(given["size"], 256 ** level):
        return {"exists": False}
    leaves, unit = leaves_of(given["size"]), 256 ** level
    hashes = [c.tree_root(leaves[(256 * index + i) * unit:(256 * index + i + 1) * unit]) for i in range(width)]
    data = b"".join(hashes)
    made = {"bytes": len(data), "bytes_hex": data.hex(), "sha256": hashlib.sha256(data).hexdigest()}
    if width == 256:
        made["hash"] = c.tree_root(hashes).hex()
    return made


def tree_check(given):
    proof = from_hexes(given["proof"])
    if "leaf" in given:
        leaf, root = from_hexes([given["leaf"], given["root"]])
        return {"holds": c.inclusion_holds(leaf, given["position"], given["size"], proof, root)}
    old_root, new_root = from_hexes([given["old_root"], given["new_root"]])
    return {"holds": c.consistency_holds(given["old"], old_root, given["new"], new_root, proof)}


def tree_consistency(given):
    leaves = leaves_of(given["new"])
    old_root, new_root = c.tree_root(leaves[:given["old"]]), c.tree_root(leaves)
    proof = consistency(given["old"], leaves)
    need(c.consistency_holds(given["old"], old_root, given["new"], new_root, proof), "an own proof that does not hold")
    return {"new_root": new_root.hex(), "old_root": old_root.hex(), "proof": hexes(proof)}


def tree_inclusion(given):
    leaves = leaves_of(given["size"])
    leaf, root = leaves[given["position"]], c.tree_root(leaves)
    proof = path_to(given["position"], leaves)
    need(c.inclusion_holds(leaf, given["position"], given["size"], proof, root), "an own proof that does not hold")
    return {"leaf": leaf.hex(), "proof": hexes(proof), "root": root.hex()}


def tree_root(given):
    leaves = leaves_of(given["size"])
    return {"root": c.tree_root(leaves).hex(), "subtrees": hexes(c.subtree_roots(leaves))}


def verifier_key(given):
    def make():
        if "text" in given:
            key = c.VerifierKey(given["text"], c.LOG)
        else:
            kind = c.WITNESS if given.get("kind") == "cosigner" else c.LOG
            key = key_of(given["name"], given["seed_hex"], kind)
        return {"id_hex": key.id.hex(), "name": key.name, "public_key": c.in_base64(key.public.data), "text": key.text}
    return refused_or(make)


def read_request(data):
    """(old size, hashes, checkpoint's bytes, its text) of a request to cosign."""
    head, blank, note = data.partition(b"\n\n")
    need(blank and head.isascii(), "no request")
    lines = head.decode().split("\n")
    need(lines[0].startswith("old ") and len(lines) <= 64, "no request")
    hashes = [c.from_base64(line, 32) for line in lines[1:]]
    return c.number(lines[0][4:]), hashes, note, c.read_note(note)[0]


def witness_request_text(given):
    def make():
        old, hashes, _, text = read_request(given["text"].encode())
        return {"hashes": len(hashes), "old": old, "size": c.read_checkpoint(text)[1]}
    return refused_or(make)


def answer(request, log_keys, last_size, last_root):
    """A witness's answer: (status, body of a 409)."""
    try:
        old, hashes, note, text = read_request(request.encode())
        origin, size, root = c.read_checkpoint(text)
    except Refused:
        return 400, None
    known = [key for key in log_keys if key.name == origin]
    if not known:
        return 404, None
    try:
        need(c.signers(note, known)[1], "not signed")
    except Refused:
        return 403, None
    if old > size:
        return 400, None
    if old != last_size:
        return 409, "%d\n" % last_size
    return (200 if c.consistency_holds(old, last_root, size, root, hashes) else 422), None


def witness_request(given):
    leaves, note = make_checkpoint(given, given["size"])
    proof = from_hexes(given["proof"]) if "proof" in given else consistency(given["old"], leaves)
    request = "old %d\n%s\n%s" % (given["old"], "".join(c.in_base64(item) + "\n" for item in proof), note)
    root = bytes.fromhex(given["last_root"]) if "last_root" in given else c.tree_root(leaves_of(given["last_size"]))
    keys = [c.VerifierKey(key, c.LOG) for key in given["log_keys"]]
    status, body = answer(request, keys, given["last_size"], root)
    made = {"request": request, "status": status}
    if body:
        made["body"] = body
    return made


FAMILIES = {
    "allocation": allocation, "canonical-check": canonical_check, "canonical-write": canonical_write, "checkpoint": checkpoint,
    "checkpoint-text": checkpoint_text, "clinical-time": clinical_time, "decimal": decimal,
    "definitions": definitions,
    "entry-bundle": entry_bundle, "event-signature": event_signature, "identifier": identifier, "instant": instant,
    "log": log, "log-keys": log_keys, "log-proof": log_proof, "log-proof-check": log_proof_check, "note": note,
    "note-check": note_check, "partial-date": partial_date, "policy": policy, "possession": possession, "receipt": receipt,
    "record-hash": record_hash, "record-join": record_join, "role-table": role_table, "sealed-text": sealed_text,
    "sledai-2k": sledai_2k, "tile": tile, "tile-path": tile_path, "tile-set": tile_set, "tree-check": tree_check,
    "tree-consistency": tree_consistency, "tree-inclusion": tree_inclusion, "tree-root": tree_root,
    "verifier-key": verifier_key, "witness-request": witness_request, "witness-request-text": witness_request_text,
}


def agrees(family, made, output):
    if family == "canonical-check":
        # Which fault, and where, is informative.
        return made["canonical"] == output.get("canonical", False)
    if family == "canonical-write":
        return made is None if "fault" in output else made is not None and made["bytes"] == given_bytes(output)
    if family == "policy" and "accepted" in output and "accepted" in made:
        # Who is missing is for a person to read; the page asks only whether the quorum is met.
        return made["accepted"] == {key: output["accepted"][key] for key in ("cosigned", "met")}
    if family == "tile" and "bytes_hex" not in output:
        made.pop("bytes_hex", None)
    return made == output


def main(directory):
    differing, skipped, checked = [], [], 0
    names = sorted(name[:-5] for name in os.listdir(directory) if name.endswith(".json"))
    for family in names:
        if family not in FAMILIES:
            skipped.append(family)
            continue
        with open(os.path.join(directory, family + ".json"), encoding="utf-8") as file:
            vectors = json.load(file)["vectors"]
        for vector in vectors:
            checked += 1
            try:
                given = (vector["input"], vector["output"]) if family in ("log", "log-keys") else (vector["input"],)
                if not agrees(family, FAMILIES[family](*given), vector["output"]):
                    differing.append((family, vector["name"]))
            except Refused as fault:
                differing.append((family, "%s: %s" % (vector["name"], fault)))
    families = len(names) - len(skipped)
    if not names:
        print("Undecided: there are no vectors in %s." % directory)
        return 3
    if differing:
        print("Differing: %d of %d vectors of %d families." % (len(differing), checked, families))
    else:
        print("Agreed: %d vectors of %d families." % (checked, families))
    for family, name in differing:
        print("%s: %s" % (family, name))
    for family in skipped:
        print("not checked here: %s" % family)
    return 1 if differing else 0
