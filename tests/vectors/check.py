#!/usr/bin/env python3
"""Checks a Trialbook archive, bundle or certified copy, by Python's standard library alone.

Written from docs/format.md, not from Trialbook's code: two programs that share nothing and agree say more than one.
It shares no file with the other verifier and needs no network. What it does not judge, it says with every verdict.

    check.py PATH [--key VKEY] [--genesis HEX] [--policy FILE] [--known SIZE:HASH]... [--receipt FILE]...
                  [--known-checkpoint FILE]...
    check.py --proof FILE --key VKEY (--hash HEX | --record FILE) [--policy FILE]
    check.py --vectors DIR

PATH is an archive's directory, the zip of a bundle or a certified copy, or one of these unpacked. Anchors (the log's
verifier key, the genesis) come from elsewhere than PATH. Status: 0 intact, 1 broken, 2 wrong usage, 3 undecided, 7 cannot be read.

Python 3.9 or later. One signature takes about a millisecond: 50,000 records take about a minute.
"""

import argparse
import base64
import binascii
import calendar
import hashlib
import json
import mmap
import os
import re
import stat
import struct
import sys
import unicodedata
import zlib

ZERO_HASH = "0" * 64
NOTE_BYTES_MAX = 1_048_576
RECORD_BYTES_MAX = 65_535
EVENT_BYTES_MAX = 64_000
MANIFEST_BYTES_MAX = 67_108_864
INTEGER_MAX = 2**53 - 1


class Refused(Exception):
    """Bytes or values that the format does not allow."""


# Ed25519 (section 3) ------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def point_add(a, b):
    """The sum of two points in extended coordinates; complete, so it doubles too."""
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * D * a[3] * b[3] % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_encode(a):
    z = pow(a[2], -1, P)
    x, y = a[0] * z % P, a[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(data):
    """The point that 32 bytes encode canonically."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if len(data) != 32 or y >= P:
        raise Refused("not a canonical encoding")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * SQRT_M1 % P
    if v * x * x % P != u:
        raise Refused("not a point of the curve")
    if x == 0 and sign:
        raise Refused("not a canonical encoding")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def small_order(a):
    for _ in range(3):
        a = point_add(a, a)
    return a[0] == 0 and a[1] == a[2]


class Multiples:
    """A point's multiples by j·16^i, so that a multiplication is 64 additions."""

    def __init__(self, base):
        self.rows = []
        for _ in range(64):
            row = [IDENTITY]
            for _ in range(15):
                row.append(point_add(row[-1], base))
            self.rows.append(row)
            base = point_add(row[15], base)

    def times(self, scalar):
        total = IDENTITY
        for row in self.rows:
            if scalar & 15:
                total = point_add(total, row[scalar & 15])
            scalar >>= 4
        return total


_y = 4 * pow(5, -1, P) % P
BASE = Multiples(point_decode(_y.to_bytes(32, "little")))


class PublicKey:
    def __init__(self, data):
        point = point_decode(data)
        if small_order(point):
            raise Refused("of small order")
        self.data = data
        self.id = hashlib.sha256(data).hexdigest()
        self.negated = (P - point[0], point[1], 1, P - point[3])
        self.multiples = None

    def verifies(self, message, signature):
        if len(signature) != 64:
            return False
        r, s = signature[:32], int.from_bytes(signature[32:], "little")
        if s >= L:
            return False
        if self.multiples is None:
            self.multiples = Multiples(self.negated)
        k = int.from_bytes(hashlib.sha512(r + self.data + message).digest(), "little") % L
        due = point_add(BASE.times(s), self.multiples.times(k))
        # Equal bytes say that R is canonical and a point, since what is encoded here is.
        return not small_order(due) and point_encode(due) == r


def secret_scalar(seed):
    digest = hashlib.sha512(seed).digest()
    low = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return low, digest[32:]


def public_of(seed):
    return point_encode(BASE.times(secret_scalar(seed)[0]))


def sign(seed, message):
    """A signature, as RFC 8032 makes it: only to remake vectors, since its time depends on the key."""
    a, prefix = secret_scalar(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    big_r = point_encode(BASE.times(r))
    k = int.from_bytes(hashlib.sha512(big_r + public_of(seed) + message).digest(), "little") % L
    return big_r + ((r + k * a) % L).to_bytes(32, "little")


# Canonical JSON (section 1) -----------------------------------------------------------------------------------------

FORBIDDEN = "\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
STRING = re.compile('"((?:[^"\\\\\n%s]|\\\\["\\\\n])*)"' % FORBIDDEN)
KEY = re.compile(r'"([a-z][a-z0-9_]{0,63})":')
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
ESCAPE = re.compile(r"\\(.)")


class Scanner:
    def __init__(self, text):
        self.text = text
        self.at = 0
        self.spans = {}

    def take(self, literal):
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def value(self, depth):
        if self.take("{"):
            return self.object(depth + 1)
        if self.take("["):
            return self.array(depth + 1)
        found = STRING.match(self.text, self.at)
        if found:
            self.at = found.end()
            body = found.group(1)
            if not body.isascii() and not unicodedata.is_normalized("NFC", body):
                raise Refused("a string is not in Normalization Form C")
            if "\\" in body:
                body = ESCAPE.sub(lambda m: "\n" if m.group(1) == "n" else m.group(1), body)
            return body
        if self.take("true"):
            return True
        if self.take("false"):
            return False
        found = INTEGER.match(self.text, self.at)
        if found:
            self.at = found.end()
            digits = found.group()
            if digits == "-0" or len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:
                raise Refused("an integer out of range")
            return int(digits)
        raise Refused("no value at character %d" % self.at)

    def object(self, depth):
        if depth > 16:
            raise Refused("nested too deep")
        members, last = {}, ""
        if self.take("}"):
            return members
        while True:
            found = KEY.match(self.text, self.at)
            if not found:
                raise Refused("no key at character %d" % self.at)
            key, self.at = found.group(1), found.end()
            if key <= last:
                raise Refused("keys out of order or repeated")
            last, start = key, self.at
            members[key] = self.value(depth)
            if depth == 1:
                self.spans[key] = (start, self.at)
            if self.take("}"):
                return members
            if not self.take(","):
                raise Refused("no comma at character %d" % self.at)

    def array(self, depth):
        if depth > 16:
            raise Refused("nested too deep")
        items = []
        if self.take("]"):
            return items
        while True:
            items.append(self.value(depth))
            if self.take("]"):
                return items
            if not self.take(","):
                raise Refused("no comma at character %d" % self.at)


def canonical(data):
    """The object that canonical bytes are, and the bytes of its members' values."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    scanner = Scanner(text)
    if not scanner.take("{"):
        raise Refused("not an object")
    value = scanner.object(1)
    if scanner.at != len(text):
        raise Refused("bytes behind the object")
    return value, {key: text[a:b].encode() for key, (a, b) in scanner.spans.items()}


# Values (section 2) -------------------------------------------------------------------------------------------------

GRAMMARS = {
    "trial": r"[a-z0-9][a-z0-9-]{0,62}",
    "site": r"[A-Z0-9][A-Z0-9-]{0,31}",
    "subject": r"[A-Z0-9][A-Z0-9-]{0,31}",
    "actor": r"[a-z0-9][a-z0-9.-]{0,63}",
    "cut": r"[a-z][a-z0-9-]{0,62}",
    "zone": r"[A-Za-z][A-Za-z0-9/_+-]{0,63}",
    "finding": r"[a-z][a-z0-9-]{0,63}",
    "pointer": r"(/[A-Za-z0-9_.~-]{1,64}){1,8}",
    "definition": r"(?=.{3,64}$)[a-z0-9]+(-[a-z0-9]+)*-[1-9][0-9]{0,3}",
    "event": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "hash": r"[0-9a-f]{64}",
}
GRAMMARS = {name: re.compile(pattern) for name, pattern in GRAMMARS.items()}


def need(condition, what):
    if not condition:
        raise Refused(what)


def identifier(grammar, text):
    need(isinstance(text, str) and GRAMMARS[grammar].fullmatch(text), "no " + grammar)
    return text


def real_date(year, month, day):
    # The proleptic calendar repeats after 400 years; the library's own begins with the year 1.
    need(1 <= month <= 12 and 1 <= day <= calendar.monthrange(year % 400 + 400, month)[1], "no date")


def instant(text):
    """Checks an instant's form. Instants of this form are in the order of their texts."""
    found = isinstance(text, str) and re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z", text)
    need(found, "no instant")
    real_date(*map(int, found.group(1, 2, 3)))
    return text


def days_of(year, month, day):
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    year -= month <= 2
    era, yoe = divmod(year, 400)
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


def instant_micros(text):
    instant(text)
    day = days_of(int(text[:4]), int(text[5:7]), int(text[8:10]))
    seconds = day * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    return seconds * 1_000_000 + int(text[20:26])


def partial_date(text):
    """The first and the last day that a date can mean."""
    found = isinstance(text, str) and re.fullmatch(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", text)
    need(found, "no date")
    year, month, day = found.groups()
    real_date(int(year), int(month or 1), int(day or 1))
    last_month = int(month or 12)
    last = int(day or calendar.monthrange(int(year) % 400 + 400, last_month)[1])
    return "%s-%s-%s" % (year, month or "01", day or "01"), "%s-%02d-%02d" % (year, last_month, last)


def from_base64(text, length=None):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        raise Refused("no base64") from None
    need(base64.b64encode(data).decode() == text and length in (None, len(data)), "no base64 of its one writing")
    return data


def in_base64(data):
    return base64.b64encode(data).decode()


def number(text, below=2**64):
    need(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < below, "no number")
    return int(text)


# Tree, tiles, bundles (section 17) ----------------------------------------------------------------------------------

EMPTY_ROOT = hashlib.sha256().digest()


def record_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def subtree_roots(leaves):
    """Roots of the complete subtrees that a tree consists of, largest first."""
    stack = []
    for index, leaf in enumerate(leaves):
        while index & 1:
            leaf = node(stack.pop(), leaf)
            index >>= 1
        stack.append(leaf)
    return stack


def fold(subtrees):
    """The root over subtrees, largest first."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node(left, root)
    return root


def tree_root(leaves):
    return fold(subtree_roots(leaves))


def inclusion_holds(leaf, position, size, proof, root):
    """RFC 9162 section 2.1.3.2."""
    if position >= size:
        return False
    fn, sn, r = position, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistency_holds(old, old_root, new, new_root, proof):
    """RFC 9162 section 2.1.4.2, and what section 17 fixes for size 0 and equal sizes."""
    if old > new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return not proof and old_root == new_root
    proof = list(proof)
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root


TILE_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


def tile_place(path):
    """(level or "entries", index, width) of a path in its one spelling."""
    found = TILE_PATH.fullmatch(path)
    need(found, "no tile's path")
    level, above, last, width = found.groups()
    groups = [group[1:] for group in above.split("/") if group] + [last]
    index, width = int("".join(groups)), int(width or 256)
    need(len(groups) == 1 or groups[0] != "000", "an index with leading zeros")
    need(index < 2**64 and (width < 256 or "." not in path) and width <= 256, "no tile's path")
    if level != "entries":
        level = int(level)
        need(level <= 63, "no level")
    return level, index, width


def tile_path(level, index, width):
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = "tile/%s/%s" % (level, "/".join(["x" + group for group in groups[:-1]] + groups[-1:]))
    return path if width == 256 else "%s.p/%d" % (path, width)


def bundle_until_fault(data, count):
    """(records, fault) of an entry bundle: None for a record that a copy leaves out; no fault in a good one."""
    records, at = [], 0
    for _ in range(count):
        length = int.from_bytes(data[at:at + 2], "big")
        if at + 2 + length > len(data):
            return records, "a length that is cut off or leads out"
        records.append(data[at + 2:at + 2 + length] if length else None)
        at += 2 + length
    return records, None if at == len(data) else "bytes behind the last record"


def read_bundle(data, count):
    """The records of a good entry bundle."""
    records, fault = bundle_until_fault(data, count)
    need(fault is None, fault)
    return records


# Notes, checkpoints, receipts, proofs, policies (sections 3, 18 to 20) ----------------------------------------------

LOG, WITNESS = 1, 4


def name_is_good(name):
    return name and not any(c == "+" or c.isspace() or unicodedata.category(c) == "Cc" for c in name)


class VerifierKey:
    def __init__(self, text, kind=None):
        parts = text.split("+", 2)
        need(len(parts) == 3 and name_is_good(parts[0]), "no verifier key")
        self.text, self.name = text, parts[0]
        data = from_base64(parts[2])
        need(len(data) == 33 and data[0] in (LOG, WITNESS), "no verifier key of a known type")
        self.kind = data[0]
        need(kind in (None, self.kind), "a verifier key of the other type")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        need(parts[1] == self.id.hex(), "an id that is not the key's")
        self.public = PublicKey(data[1:])


def read_note(data):
    """The text of a note, and its signature lines as (name, key id, signature)."""
    need(len(data) <= NOTE_BYTES_MAX, "a note too long")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    need(not any(c < " " and c != "\n" for c in note), "a control character in a note")
    at = note.rfind("\n\n")
    need(at >= 0 and note.endswith("\n"), "no blank line in a note")
    text, lines = note[:at + 1], note[at + 2:].split("\n")[:-1]
    need(1 <= len(lines) <= 100, "no signature lines, or too many")
    signatures = []
    for line in lines:
        found = re.fullmatch("\u2014 ([^ ]+) ([^ ]+)", line)
        need(found and name_is_good(found.group(1)), "no signature line")
        blob = from_base64(found.group(2))
        need(len(blob) >= 5, "a signature cut off")
        signatures.append((found.group(1), blob[:4], blob[4:]))
    return text, signatures


class BadSignature(Refused):
    """A line by a known key that does not hold."""


def signers(data, keys):
    """(text, [(key, time or None)]): who of the known keys signed. Raises if one of them signed badly."""
    text, signatures = read_note(data)
    found = []
    for name, key_id, signature in signatures:
        for key in keys:
            if (key.name, key.id) != (name, key_id):
                continue
            if key.kind == LOG:
                holds, time = key.public.verifies(text.encode(), signature), None
            else:
                time = int.from_bytes(signature[:8], "big")
                message = ("cosignature/v1\ntime %d\n" % time + text).encode()
                holds = len(signature) == 72 and time < 2**63 and key.public.verifies(message, signature[8:])
            if not holds:
                raise BadSignature("the line of %s does not hold" % name)
            found.append((key, time))
    return text, found


def read_checkpoint(text):
    """(origin, size, root) of a checkpoint's text."""
    lines = text.split("\n")
    need(len(lines) == 4 and lines[3] == "" and name_is_good(lines[0]), "no checkpoint")
    return lines[0], number(lines[1]), from_base64(lines[2], 32)


def read_receipt_note(text):
    """(origin, first, count, root) of a receipt note's text."""
    lines = text.split("\n")
    need(len(lines) == 6 and lines[5] == "" and lines[0] == "trialbook receipt v1" and name_is_good(lines[1]),
         "no receipt note")
    count = number(lines[3])
    need(count >= 1, "a receipt note of no record")
    return lines[1], number(lines[2]), count, from_base64(lines[4], 32)


def read_proof(data):
    """(position, hashes, checkpoint's bytes) of the proof of one record."""
    head, blank, checkpoint = data.partition(b"\n\n")
    need(blank, "no blank line in a proof")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Refused("no proof") from None
    need(lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) >= 2 and lines[1].startswith("index "), "no proof")
    hashes = [from_base64(line, 32) for line in lines[2:]]
    need(len(hashes) <= 64, "too many hashes")
    return number(lines[1][6:]), hashes, checkpoint


class Policy:
    def __init__(self, data):
        need(len(data) <= NOTE_BYTES_MAX, "a policy too long")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
        need(not any(unicodedata.category(c) == "Cc" and c not in "\t\n" for c in text), "a control character")
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        member_of = set()
        for line in text.split("\n"):
            words = [word for word in re.split("[ \t]+", line) if word]
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "log" and len(words) in (2, 3):
                key = VerifierKey(words[1], LOG)
                need(key.public.data not in [known.public.data for known in self.logs], "a log key twice")
                self.logs.append(key)
            elif words[0] == "witness" and len(words) in (3, 4):
                key = VerifierKey(words[2], WITNESS)
                need(key.public.data not in [w.public.data for w in self.witnesses.values()], "a witness key twice")
                self.define(words[1])
                self.witnesses[words[1]] = key
            elif words[0] == "group" and len(words) >= 4:
                members = words[3:]
                self.define(words[1])
                for name in members:
                    need((name in self.witnesses or name in self.groups) and name not in member_of, "no free member")
                    member_of.add(name)
                k = {"any": 1, "all": len(members)}.get(words[2])
                k = number(words[2]) if k is None else k
                need(1 <= k <= len(members), "a threshold out of range")
                self.groups[words[1]] = (k, members)
            elif words[0] == "quorum" and len(words) == 2 and self.quorum is None:
                name = words[1]
                need(name == "none" or name in self.witnesses or name in self.groups, "a quorum of nobody")
                self.quorum = name
            else:
                raise Refused("no line of a policy")
        need(self.quorum is not None, "no quorum")

    def define(self, name):
        need(name != "none" and name not in self.witnesses and name not in self.groups, "a name twice")

    def met(self, cosigned, name=None):
        """Whether the quorum has witnessed, given the names of the witnesses that cosigned."""
        name = name or self.quorum
        if name == "none":
            return True
        if name in self.witnesses:
            return name in cosigned
        k, members = self.groups[name]
        return sum(self.met(cosigned, member) for member in members) >= k

    def names_of(self, keys):
        texts = {key.text for key in keys}
        return {name for name, key in self.witnesses.items() if key.text in texts}


# Findings (sections 12, 15, 21, 22) ---------------------------------------------------------------------------------

ABSENCE = {
    "authority-undecided", "authority-underivable", "beyond-this-version", "checkpoint-key-unknown",
    "checkpoint-missing", "file-missing", "known-checkpoint-unusable", "log-empty", "manifest-missing", "quorum-short",
    "receipt-unusable", "records-missing", "tile-missing",
}


NOT_HONOURED = "receipt-not-honoured"
LEFT_OUT = "records left out of the copy"


class Report:
    def __init__(self):
        self.findings, self.counts = [], {}

    def find(self, code, place, detail=""):
        self.findings.append((code, place, detail))

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    def status(self, genesis):
        if any(code not in ABSENCE for code, _, _ in self.findings):
            return 1
        return 3 if self.findings or not genesis else 0


# Events (section 4) and what the kinds about the trial say (section 7) ----------------------------------------------

SUBJECT_KINDS = set(
    "enrollment infusion visit adverse_event disposition contact screening consent ae_assessment safety_report_sent "
    "adjudication allocation unblinding protocol_deviation signature subject_transferred".split())
TRIAL_KINDS = set(
    "trial_opened site_activated key_granted key_revoked product_lot protocol_amended data_cut report_published "
    "subjects_linked service_key_granted log_key_changed".split())
RESERVED = set("query verification lock unlock audit_review text_key_destroyed site_closed".split())
ROLES = set("sponsor principal_investigator investigator coordinator cell_lab monitor data_manager sponsor_safety "
            "committee statistician inspector auditor".split())
SITE_ROLES = {"principal_investigator", "investigator", "coordinator"}

# Section 8: what a role may sign, and where.
_SEEN = "screening consent enrollment infusion visit adverse_event disposition contact".split()
_TREATED = _SEEN + "protocol_deviation subject_transferred unblinding signature".split()
_IMPORTED = "screening enrollment infusion visit adverse_event disposition contact".split()
ROLE_TABLE = {
    "sponsor": {"trial": "trial_opened site_activated site_closed protocol_amended log_key_changed "
                         "service_key_granted key_granted key_revoked".split()},
    "principal_investigator": {"own_sites": _TREATED + ["key_granted", "key_revoked"]},
    "investigator": {"own_sites": _TREATED},
    "coordinator": {"own_sites": _SEEN},
    "cell_lab": {"trial": ["product_lot"]},
    "monitor": {"trial": ["query", "verification"]},
    "data_manager": {"trial": "query lock unlock data_cut subjects_linked allocation".split(), "imports": _IMPORTED},
    "sponsor_safety": {"trial": ["ae_assessment", "safety_report_sent", "unblinding"]},
    "committee": {"trial": ["adjudication"]},
    "statistician": {"trial": ["data_cut", "report_published"]},
    "inspector": {},
    "auditor": {},
}
ENTITLED = {role: {kind: where for where, kinds in cells.items() for kind in kinds}
            for role, cells in ROLE_TABLE.items()}


def members(value, needed, optional=()):
    need(isinstance(value, dict), "no object where one is due")
    need(set(needed) <= set(value) <= set(needed) | set(optional), "a member missing or unknown")


def text(value):
    need(isinstance(value, str), "no text")


def integer(value, low=0, high=INTEGER_MAX):
    need(type(value) is int and low <= value <= high, "no integer in range")


def role_name(value):
    text(value)
    need(value in ROLES, "no role")


def sealed_text(value):
    members(value, ("alg", "ciphertext", "commitment", "nonce", "wrapped_key"))
    need(value["alg"] == "xchacha20poly1305", "no known cipher")
    need(len(from_base64(value["ciphertext"])) >= 48, "a ciphertext too short")
    identifier("hash", value["commitment"])
    from_base64(value["nonce"], 24)
    from_base64(value["wrapped_key"], 72)


# What a definition of a trial's own may say, by its kind (section 7, Parameters of a definition). A member that ends with
# "?" need not be there.
DESCRIPTORS = (
    "seizure psychosis organic_brain_syndrome visual_disturbance cranial_nerve_disorder lupus_headache "
    "cerebrovascular_accident vasculitis arthritis myositis urinary_casts haematuria proteinuria pyuria rash "
    "alopecia mucosal_ulcers pleurisy pericarditis low_complement increased_dna_binding fever thrombocytopenia "
    "leukopenia").split()


def one_of(*names):
    def check(value):
        need(isinstance(value, str) and value in names, "no known name")
    return check


def list_of(check):
    def each(value):
        need(isinstance(value, list), "no list where one is due")
        for item in value:
            check(item)
    return each


def shape(listed):
    needed = [name for name in listed if not name.endswith("?")]
    checks = {name.rstrip("?"): check for name, check in listed.items()}

    def check(value):
        members(value, needed, checks)
        for name, part in value.items():
            checks[name](part)
    return check


def decimal(value):
    need(isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?", value), "no decimal")
    need(not re.fullmatch(r"-0(\.0*)?", value), "a negative zero")


def boolean(value):
    need(type(value) is bool, "no boolean")


def u16(value):
    integer(value, 0, 2**16 - 1)


def u32(value):
    integer(value, 0, 2**32 - 1)


def lookback(value):
    need(type(value) is int and value in (10, 28, 30), "no number of days")


CONDITIONS = list_of(shape({
    "is": one_of("at_most", "below", "at_least", "above"), "measure": text, "unit?": text, "value": decimal}))
ITEMS = list_of(one_of(*DESCRIPTORS))
END = one_of("earliest", "latest")
PARAMETERS = {
    "change": shape({"within": u16}),
    "evaluable": shape({
        "rule": one_of("anniversary", "potential_follow_up", "visit_completer", "all_infused"), "window_days?": u32}),
    "flare": shape({
        "conditions_severe": CONDITIONS, "drugs_mild": list_of(text), "drugs_severe": list_of(text),
        "items_mild": ITEMS, "items_severe": ITEMS, "pga_rise_min": decimal, "pga_severe_above": decimal,
        "prednisone_severe_above": decimal, "sledai_rise_min": u16, "sledai_severe_above": u16}),
    "imputation": shape({"death": END, "death_sensitivity": END, "event_end": END, "onset": END, "relapse": END}),
    "landmarks": shape({"days?": list_of(u32), "window_days": u32, "years": list_of(u16)}),
    "measure": shape({
        "denominator": one_of("evaluable", "at_risk", "responders", "enrolled"), "period": one_of("year", "ever")}),
    "populations": shape({"sets": list_of(one_of("screened", "enrolled", "infused", "evaluable"))}),
    "related": shape({
        "agents": list_of(one_of("product", "procedure", "conditioning", "underlying_disease", "other")),
        "missing_is_related": boolean, "threshold": one_of("none", "unlikely", "possible", "probable", "certain")}),
    "relapse": shape({"judged_by": list_of(one_of("investigator", "adjudication")), "prior_response": boolean}),
    "remission": shape({
        "conditions": CONDITIONS, "items_absent": ITEMS, "no_new_items": boolean, "taken_as_absent": list_of(text)}),
    "serious": shape({"any_of": list_of(one_of(
        "death", "life_threatening", "hospitalisation", "disability", "congenital_anomaly", "medically_important"))}),
    "severity": shape({"bands": list_of(shape({"from": u16, "name": text}))}),
    "sledai": shape({"arthritis_joints_min": u16, "persistent_counts": boolean, "window_days": lookback}),
    "stopping": shape({
        "event": one_of("death", "related", "serious", "serious_related"), "prior_alpha": decimal,
        "prior_beta": decimal, "probability": decimal, "rate": decimal, "window_days": u32}),
    "windows": shape({"tie": one_of("earlier", "later"), "unscheduled": boolean}),
}

# What is shipped: kind and parameters by id. A trial's own definition of such an id has to say the same.
SHIPPED = {
    "sledai-change-1": (
        "change",
        '{"within":3}'),
    "evaluable-1": (
        "evaluable",
        '{"rule":"anniversary"}'),
    "potential-follow-up-1": (
        "evaluable",
        '{"rule":"potential_follow_up"}'),
    "visit-completer-1": (
        "evaluable",
        '{"rule":"visit_completer","window_days":60}'),
    "all-infused-1": (
        "evaluable",
        '{"rule":"all_infused"}'),
    "selena-flare-1": (
        "flare",
        '{"conditions_severe":[{"is":"below","measure":"loinc:777-3","unit":"10*9/L","value":"60"}],"drugs_mild":["celecoxib","diclofenac","etoricoxib","hydroxychloroquine","ibuprofen","indometacin","ketoprofen","loxoprofen","meloxicam","naproxen"],"drugs_severe":["azathioprine","cyclophosphamide","methotrexate","mycophenolate mofetil","mycophenolic acid"],"items_mild":["arthritis","fever","mucosal_ulcers","pericarditis","pleurisy","rash"],"items_severe":["cerebrovascular_accident","cranial_nerve_disorder","haematuria","lupus_headache","myositis","organic_brain_syndrome","proteinuria","psychosis","pyuria","seizure","urinary_casts","vasculitis","visual_disturbance"],"pga_rise_min":"1.0","pga_severe_above":"2.5","prednisone_severe_above":"0.5","sledai_rise_min":3,"sledai_severe_above":12}'),
    "impute-1": (
        "imputation",
        '{"death":"earliest","death_sensitivity":"latest","event_end":"latest","onset":"earliest","relapse":"earliest"}'),
    "landmarks-1": (
        "landmarks",
        '{"window_days":60,"years":[1,2,3,4]}'),
    "relapse-in-year-1": (
        "measure",
        '{"denominator":"evaluable","period":"year"}'),
    "relapse-at-risk-1": (
        "measure",
        '{"denominator":"at_risk","period":"year"}'),
    "relapse-among-responders-1": (
        "measure",
        '{"denominator":"responders","period":"ever"}'),
    "relapse-ever-1": (
        "measure",
        '{"denominator":"enrolled","period":"ever"}'),
    "sets-1": (
        "populations",
        '{"sets":["screened","enrolled","infused","evaluable"]}'),
    "related-1": (
        "related",
        '{"agents":["product","procedure"],"missing_is_related":true,"threshold":"possible"}'),
    "relapse-1": (
        "relapse",
        '{"judged_by":["investigator","adjudication"],"prior_response":false}'),
    "relapse-after-response-1": (
        "relapse",
        '{"judged_by":["investigator","adjudication"],"prior_response":true}'),
    "ccr-registry-1": (
        "remission",
        '{"conditions":[{"is":"at_most","measure":"sledai_clinical","value":"0"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"10"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}'),
    "doris-2021": (
        "remission",
        '{"conditions":[{"is":"at_most","measure":"sledai_clinical","value":"0"},{"is":"below","measure":"pga","value":"0.5"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"5"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}'),
    "lldas-registry-1": (
        "remission",
        '{"conditions":[{"is":"at_most","measure":"sledai_total","value":"4"},{"is":"at_most","measure":"pga","value":"1"},{"is":"at_most","measure":"prednisone_mg_per_day","value":"7.5"}],"items_absent":["seizure","psychosis","organic_brain_syndrome","visual_disturbance","cranial_nerve_disorder","lupus_headache","cerebrovascular_accident","vasculitis","urinary_casts","haematuria","proteinuria","pyuria","pleurisy","pericarditis","fever"],"no_new_items":true,"taken_as_absent":["haemolytic anaemia","gastrointestinal activity","treatment outside the standard doses"]}'),
    "sledai-2-1": (
        "remission",
        '{"conditions":[{"is":"at_most","measure":"sledai_total","value":"2"}],"items_absent":[],"no_new_items":false,"taken_as_absent":[]}'),
    "seriousness-1": (
        "serious",
        '{"any_of":["death","life_threatening","hospitalisation","disability","congenital_anomaly","medically_important"]}'),
    "sledai-bands-eular-1": (
        "severity",
        '{"bands":[{"from":0,"name":"none"},{"from":1,"name":"low"},{"from":5,"name":"moderate"},{"from":11,"name":"high"}]}'),
    "sledai-bands-bsr-1": (
        "severity",
        '{"bands":[{"from":0,"name":"mild"},{"from":6,"name":"moderate"},{"from":13,"name":"severe"}]}'),
    "sledai-bands-cook-1": (
        "severity",
        '{"bands":[{"from":0,"name":"none"},{"from":1,"name":"mild"},{"from":6,"name":"moderate"},{"from":11,"name":"high"},{"from":20,"name":"very high"}]}'),
    "sledai-2k-1": (
        "sledai",
        '{"arthritis_joints_min":2,"persistent_counts":true,"window_days":10}'),
    "sledai-2k-30d-1": (
        "sledai",
        '{"arthritis_joints_min":2,"persistent_counts":true,"window_days":30}'),
    "stopping-beta-binomial-1": (
        "stopping",
        '{"event":"serious_related","prior_alpha":"0.5","prior_beta":"9.5","probability":"0.95","rate":"0.05","window_days":100}'),
    "windows-1": (
        "windows",
        '{"tie":"later","unscheduled":true}'),
}


def own_definitions(own):
    need(isinstance(own, list), "no list where one is due")
    ids = set()
    for definition in own:
        members(definition, ("id", "of", "parameters", "text", "title"))
        identifier("definition", definition["id"])
        need(definition["id"] not in ids, "an id twice")
        ids.add(definition["id"])
        one_of(*PARAMETERS)(definition["of"])
        PARAMETERS[definition["of"]](definition["parameters"])
        text(definition["text"])
        text(definition["title"])
        said = json.dumps(definition["parameters"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        shipped = SHIPPED.get(definition["id"])
        need(shipped in (None, (definition["of"], said)), "a shipped id with other contents")


def stated(check):
    """A value, or why there is none."""
    def check_stated(value):
        if isinstance(value, dict) and set(value) == {"missing"}:
            one_of("not_done", "unknown", "refused", "not_applicable", "not_available")(value["missing"])
        else:
            check(value)
    return check_stated


def definitions(value):
    members(value, "evaluable imputation related relapse remission".split(),
            "flare landmarks own populations severity sledai stopping windows".split())
    own_definitions(value.get("own", []))
    for name, definition in value.items():
        if name != "own":
            text(definition)


def profile(value):
    members(value, ["mandatory"])
    need(isinstance(value["mandatory"], dict), "no object where one is due")
    for kind, pointers in value["mandatory"].items():
        need(kind in SUBJECT_KINDS | TRIAL_KINDS | RESERVED, "no kind")
        list_of(text)(pointers)


planned_visit = shape({
    "day": lambda value: integer(value, -2**31, 2**31 - 1), "name": text, "window_after": u32, "window_before": u32})


def opening_data(data):
    members(data, "definitions log_key profile rule_set schedule sponsor_keys synthetic title zone".split())
    definitions(data["definitions"])
    text(data["log_key"])
    text(data["title"])
    profile(data["profile"])
    integer(data["rule_set"], 0, 2**32 - 1)
    list_of(planned_visit)(data["schedule"])
    need(isinstance(data["sponsor_keys"], list), "no list where one is due")
    for key in data["sponsor_keys"]:
        members(key, ("holder", "organisation", "public_key"))
        identifier("actor", key["holder"])
        text(key["organisation"])
        text(key["public_key"])
    need(type(data["synthetic"]) is bool, "no boolean")
    identifier("zone", data["zone"])


def of_form(grammar):
    return lambda value: identifier(grammar, value)


def day(value):
    first, last = partial_date(value)
    need(first == last == value, "no day")


LATER_TRIAL_DATA = {
    "product_lot": shape({
        "donors": list_of(text), "expires_on?": stated(partial_date), "lot": text,
        "manufactured_on?": stated(partial_date), "manufacturer?": text, "passage?": stated(u16),
        "release": one_of("released", "exceptional", "not_released"),
        "source": one_of("bone_marrow", "umbilical_cord", "adipose", "other"), "viability_method?": stated(text),
        "viability_percent?": stated(decimal)}),
    "protocol_amended": shape({
        "definitions?": definitions, "effective_on": partial_date, "profile?": profile,
        "schedule?": list_of(planned_visit), "summary": text, "version": text}),
    "data_cut": shape({
        "cutoff_date": day, "head": of_form("hash"), "name": of_form("cut"), "previous?": of_form("cut"),
        "records": integer, "root": of_form("hash")}),
    "report_published": shape({
        "access": one_of("open", "closed"), "bytes": integer, "cut": of_form("cut"), "engine": text, "report": text,
        "sha256": of_form("hash")}),
    "subjects_linked": shape({"duplicate": of_form("subject"), "kept": of_form("subject")}),
}


def trial_data(kind, data):
    """The contents of the kinds about the trial: all authority follows from them."""
    if kind == "trial_opened":
        opening_data(data)
    elif kind in LATER_TRIAL_DATA:
        LATER_TRIAL_DATA[kind](data)
    elif kind == "site_activated":
        members(data, ("country", "name", "zone"))
        text(data["country"])
        text(data["name"])
        identifier("zone", data["zone"])
    elif kind == "key_granted":
        members(data, ("holder", "organisation", "possession", "public_key", "role", "sites"),
                ("valid_from", "valid_until"))
        identifier("actor", data["holder"])
        for member in ("organisation", "possession", "public_key"):
            text(data[member])
        role_name(data["role"])
        need(isinstance(data["sites"], list), "no list of sites")
        for site in data["sites"]:
            identifier("site", site)
        for member in ("valid_from", "valid_until"):
            if member in data:
                instant(data[member])
    elif kind == "key_revoked":
        members(data, ("key", "reason"), ("suspected_since",))
        identifier("hash", data["key"])
        need(data["reason"] in ("left", "replaced", "lost", "compromised"), "no reason")
        if "suspected_since" in data:
            partial_date(data["suspected_since"])
    elif kind == "service_key_granted":
        members(data, ("possession", "service", "verifier_key"))
        text(data["possession"])
        text(data["verifier_key"])
        need(data["service"] == "receipts", "no service")
    else:
        members(data, ("possession", "verifier_key"))
        text(data["possession"])
        text(data["verifier_key"])


def about_subject(kind, data):
    """Of the contents of a kind about a subject, those from which its admission follows."""
    if kind in ("ae_assessment", "safety_report_sent"):
        need("adverse_event" in data, "no adverse event")
        members(data["adverse_event"], ("hash", "seq"))
        identifier("hash", data["adverse_event"]["hash"])
        integer(data["adverse_event"]["seq"])
    elif kind == "signature":
        members(data, ("meaning", "statements"))
        need(data["meaning"] in ("endorsement", "review", "approval"), "no meaning")
        need(isinstance(data["statements"], list), "no list of records")
        for named in data["statements"]:
            members(named, ("hash", "seq"))
            identifier("hash", named["hash"])
            integer(named["seq"])
        named = [named["seq"] for named in data["statements"]]
        need(named and named == sorted(set(named)), "no records in ascending order, each once")
    elif kind == "subject_transferred":
        members(data, ["to"])
        identifier("site", data["to"])


def taken_from(value, signer):
    """What its signer entered for somebody else: by what means, and who reported it."""
    members(value, ["means"], ["reported_by"])
    one_of("chart", "paper", "phone", "in_person", "message", "system", "other")(value["means"])
    if "reported_by" in value:
        by, staff = value["reported_by"], ("investigator", "coordinator", "site_staff")
        members(by, ["role"], ["id"])
        one_of(*staff, "subject", "relative", "other_physician", "laboratory", "authority", "other")(by["role"])
        if "id" in by:
            identifier("actor", by["id"])
            need(by["role"] in staff and by["id"] != signer, "a person named who may not be")


def confirmed(value, about_a_subject):
    """What its signer knew would be found, each with the reason why it is stated all the same."""
    members(value, ["findings"], ["comment"] if about_a_subject else [])
    need(isinstance(value["findings"], list), "no list of findings")
    for one in value["findings"]:
        members(one, ("finding", "reason"), ["pointer"])
        identifier("finding", one["finding"])
        one_of("as_in_source", "investigator_agrees", "being_clarified", "other")(one["reason"])
        if "pointer" in one:
            identifier("pointer", one["pointer"])
    named = [(one["finding"], one.get("pointer", "")) for one in value["findings"]]
    need(named and named == sorted(set(named)), "no findings in ascending order, each once")
    if "comment" in value:
        sealed_text(value["comment"])


class BeyondThisVersion(Refused):
    """A reserved kind, or a schema number that this version does not have."""


def check_event(event, size):
    """The envelope of an event, and the contents of those about the trial."""
    need(size <= EVENT_BYTES_MAX, "an event too long")
    kind = event.get("kind")
    text(kind)
    if kind in RESERVED:
        raise BeyondThisVersion("the kind " + kind)
    need(kind in SUBJECT_KINDS | TRIAL_KINDS, "no kind")
    if type(event.get("schema")) is int and event["schema"] != 1:
        raise BeyondThisVersion("schema %d" % event["schema"])
    needed = {"actor", "data", "id", "key", "kind", "log", "schema", "signed_at", "trial", "zone"}
    optional = {"confirmed"}
    if kind in SUBJECT_KINDS:
        needed |= {"site", "subject", "occurred_on"}
        optional |= {"amends", "follows"}
        if kind == "adverse_event":
            needed.remove("occurred_on")
            optional.add("occurred_on")
        if kind == "signature":  # it is made when it is signed
            needed.remove("occurred_on")
        else:
            optional.add("taken_from")
    elif kind == "site_activated":
        needed.add("site")
    members(event, needed, optional)
    need(not ("amends" in event and "follows" in event), "both amends and follows")
    integer(event["schema"], 1, 1)
    members(event["actor"], ("id", "organisation", "role"))
    identifier("actor", event["actor"]["id"])
    text(event["actor"]["organisation"])
    role_name(event["actor"]["role"])
    for member, grammar in (("id", "event"), ("key", "hash"), ("log", "hash"), ("trial", "trial"), ("zone", "zone"),
                            ("site", "site"), ("subject", "subject")):
        if member in event:
            identifier(grammar, event[member])
    instant(event["signed_at"])
    if "occurred_on" in event:
        partial_date(event["occurred_on"])
    if "follows" in event:
        members(event["follows"], ("hash", "seq"))
        identifier("hash", event["follows"]["hash"])
        integer(event["follows"]["seq"])
    if "taken_from" in event:
        taken_from(event["taken_from"], event["actor"]["id"])
    if "confirmed" in event:
        confirmed(event["confirmed"], kind in SUBJECT_KINDS)
    if "amends" in event:
        amends = event["amends"]
        members(amends, ("effect", "hash", "reason", "seq"), ("comment",))
        need(amends["effect"] in ("replace", "void"), "no effect")
        need(amends["reason"] in ("transcription", "source_corrected", "coding", "late_information", "wrong_subject",
                                  "other"), "no reason")
        identifier("hash", amends["hash"])
        integer(amends["seq"])
        if "comment" in amends:
            sealed_text(amends["comment"])
    need(isinstance(event["data"], dict), "no object where one is due")
    if voids(event):
        need(event["data"] == {}, "contents in an event that voids")
    elif kind in TRIAL_KINDS:
        trial_data(kind, event["data"])
    else:
        about_subject(kind, event["data"])


def voids(event):
    return event.get("amends", {}).get("effect") == "void"


# Authority and corrections (sections 8 and 9) -----------------------------------------------------------------------

class Refusal(Exception):
    """A refusal of section 11: its code. What rests on an earlier record may be undecided where records are missing."""


FINDING_OF = {
    "key-unknown": "signer-not-entitled", "trial-differs": "event-of-another-log",
    "log-differs": "event-of-another-log", "actor-differs": "actor-not-holder",
    "key-not-in-force": "signer-not-entitled", "key-revoked": "signer-not-entitled",
    "role-not-entitled": "signer-not-entitled", "site-not-entitled": "signer-not-entitled",
    "import-unmarked": "signer-not-entitled", "amended-unknown": "amendment-not-of-latest",
    "amended-differs": "amendment-not-of-latest", "stale-amendment": "amendment-not-of-latest",
    "already-void": "amendment-not-of-latest", "other-organisation": "signer-not-entitled",
    "grant-without-possession": "bad-signature", "grant-not-entitled": "signer-not-entitled",
    "revokes-itself": "signer-not-entitled",
}
UNDECIDED_WITH_GAPS = {
    "key-unknown", "site-unknown", "subject-unknown", "subject-of-another-site", "grant-not-entitled",
    "revoked-unknown", "revokes-last-log-key", "amended-unknown", "stale-amendment", "already-void",
    "reference-unknown", "reference-not-in-force", "link-impossible", "cut-unknown", "cut-differs",
}


def insist(condition, code):
    if not condition:
        raise Refusal(code)


class Grant:
    def __init__(self, public, holder, organisation, role, sites, granted_by, seq, window=(None, None)):
        self.public, self.holder, self.organisation, self.role = public, holder, organisation, role
        self.sites, self.granted_by, self.seq, self.window, self.revoked_at = set(sites), granted_by, seq, window, None

    def in_force(self, at):
        start, end = self.window
        return self.revoked_at is None and (start is None or start <= at) and (end is None or at < end)


def possession_message(genesis, holder, public):
    return ("trialbook key v1\n%s\n%s\n%s" % (genesis, holder, in_base64(public))).encode()


class Subject:
    """Where a subject is, and its moves: each the first record of its thing and the site left by it."""

    def __init__(self, site):
        self.site, self.moves = site, []

    def move(self, root, to):
        self.moves.append([root, self.site])
        self.site = to

    def take_back(self, root):
        """A move that was amended: who did not leave a site is where the move after it began, or there still."""
        for place, (moved, left) in enumerate(self.moves):
            if moved == root:
                del self.moves[place]
                if place < len(self.moves):
                    self.moves[place][1] = left
                else:
                    self.site = left
                return


class LogKey:
    """A key of the log's own, in force at the sizes behind the record that names it, up to the one that revokes it."""

    role = "log"

    def __init__(self, key, seq):
        self.key, self.seq, self.revoked_at = key, seq, None

    def in_force_at(self, size):
        size = max(size, 1)
        return self.seq < size and (self.revoked_at is None or size <= self.revoked_at)


class Trial:
    """Who is entitled to what, and what the log holds, after the records so far."""

    def __init__(self, event, genesis):
        data = event["data"]
        self.trial, self.genesis = event["trial"], genesis
        self.keys, self.services, self.sites, self.subjects, self.records = {}, {}, set(), {}, {}
        # Hashes of the records before, none where it is not known; data cuts by name; given up pseudonyms.
        self.hashes, self.cuts, self.links = [], {}, {}
        try:
            self.log_key = VerifierKey(data["log_key"], LOG)
            self.log_keys = {self.log_key.public.id: LogKey(self.log_key, 0)}
            for stated in data["sponsor_keys"]:
                public = PublicKey(from_base64(stated["public_key"], 32))
                insist(public.id not in self.keys, "opening-malformed")
                self.keys[public.id] = Grant(public, stated["holder"], stated["organisation"], "sponsor", [], None, 0)
        except Refused:
            raise Refusal("opening-malformed") from None
        insist(data["rule_set"] == 1, "opening-malformed")
        insist(event["log"] == ZERO_HASH, "log-differs")
        insist(event["key"] in self.keys, "key-unknown")
        grant = self.keys[event["key"]]
        insist(event["actor"] == {"id": grant.holder, "organisation": grant.organisation, "role": "sponsor"},
               "actor-differs")

    def judge(self, event, at):
        """Raises the refusal that admission would have given."""
        kind, data = event["kind"], event["data"]
        insist(event["trial"] == self.trial, "trial-differs")
        insist(kind != "trial_opened", "trial-already-open")
        insist(event["log"] == self.genesis, "log-differs")
        insist(event["key"] in self.keys, "key-unknown")
        grant = self.keys[event["key"]]
        insist(event["actor"] == {"id": grant.holder, "organisation": grant.organisation, "role": grant.role},
               "actor-differs")
        insist(grant.revoked_at is None, "key-revoked")
        insist(grant.in_force(at), "key-not-in-force")
        where = ENTITLED[grant.role].get(kind)
        insist(where, "role-not-entitled")
        insist(where != "imports" or voids(event) or "import" in data, "import-unmarked")
        if "site" in event:
            insist(where != "own_sites" or event["site"] in grant.sites, "site-not-entitled")
            if kind == "site_activated":
                insist(event["site"] not in self.sites, "site-already-active")
            else:
                insist(event["site"] in self.sites, "site-unknown")
        if kind == "key_granted":
            self.judge_grant(grant, data, at)
        elif kind == "service_key_granted":
            self.judge_registry_key(data, self.log_key.name + "/receipts")
        elif kind == "log_key_changed":
            self.judge_registry_key(data, self.log_key.name)
        elif kind == "key_revoked":
            self.judge_revocation(event["key"], grant, data["key"])
        elif kind == "subjects_linked":
            self.judge_link(data["duplicate"], data["kept"])
        elif kind == "data_cut":
            self.judge_cut(data)
        elif kind == "report_published":
            insist(data["cut"] in self.cuts, "cut-unknown")
        elif kind in SUBJECT_KINDS:
            self.judge_subject(event, where)
            if not voids(event):
                self.judge_about(event)

    def granted_before(self, key_id):
        return key_id in self.keys or key_id in self.services

    def judge_grant(self, signer, data, at):
        try:
            public = PublicKey(from_base64(data["public_key"], 32))
        except Refused:
            raise Refusal("grant-malformed") from None
        insist(not self.granted_before(public.id), "grant-key-repeated")
        sites, role = set(data["sites"]), data["role"]
        insist(bool(sites) == (role in SITE_ROLES), "grant-malformed")
        insist(sites <= self.sites, "site-unknown")
        if "valid_from" in data and "valid_until" in data:
            insist(data["valid_from"] < data["valid_until"], "grant-malformed")
        if signer.role == "sponsor":
            insist(role not in SITE_ROLES or role == "principal_investigator", "grant-not-entitled")
            if role == "principal_investigator":
                insist(not any(known.role == role and known.sites & sites and known.in_force(at)
                               for known in self.keys.values()), "grant-not-entitled")
        else:
            insist(role in SITE_ROLES and sites <= signer.sites, "grant-not-entitled")
            insist(data["organisation"] == signer.organisation, "grant-not-entitled")
        self.judge_possession(public, data["holder"], data["possession"])

    def judge_registry_key(self, data, name):
        try:
            key = VerifierKey(data["verifier_key"], LOG)
        except Refused:
            raise Refusal("grant-malformed") from None
        insist(key.name == name, "grant-malformed")
        insist(not self.granted_before(key.public.id) and key.public.id not in self.log_keys, "grant-key-repeated")
        self.judge_possession(key.public, key.name, data["possession"])

    def judge_possession(self, public, holder, possession):
        try:
            signature = from_base64(possession, 64)
        except Refused:
            raise Refusal("grant-without-possession") from None
        insist(public.verifies(possession_message(self.genesis, holder, public.data), signature),
               "grant-without-possession")

    def judge_revocation(self, signer_id, signer, key_id):
        insist(self.granted_before(key_id) or key_id in self.log_keys, "revoked-unknown")
        revoked = self.keys.get(key_id) or self.services.get(key_id) or self.log_keys[key_id]
        insist(revoked.revoked_at is None, "revoked-already")
        if signer.role == "sponsor":
            insist(key_id != signer_id, "revokes-itself")
            insist(revoked.role not in SITE_ROLES
                   or (revoked.role == "principal_investigator" and revoked.granted_by == "sponsor"),
                   "grant-not-entitled")
        else:
            insist(revoked.role in SITE_ROLES and revoked.sites <= signer.sites, "grant-not-entitled")
        if not self.granted_before(key_id):
            in_force = [known for known, key in self.log_keys.items() if key.revoked_at is None]
            insist(in_force != [key_id], "revokes-last-log-key")

    def judge_subject(self, event, where):
        known = self.subjects.get(event["subject"])
        has_moved = known is not None and bool(known.moves)
        makes = not voids(event) and (event["kind"] in ("enrollment", "screening", "consent") or (
            event["kind"] == "disposition" and event["data"].get("reason") == "screen_failure"))
        insist(known is not None or makes, "subject-unknown")
        # What a site stated is amended and signed there, also when the subject has moved on.
        stays = "amends" in event or event["kind"] == "signature"
        insist(known is None or known.site == event["site"] or (has_moved and stays),
               "subject-of-another-site")
        named = event.get("amends") or event.get("follows")
        if not named:
            return
        # A `follows` that does not hold is `admission-contradicted`: it corrects nothing.
        unknown, differs = ("amended-unknown", "amended-differs") if "amends" in event else (
            "followed-unknown", "followed-differs")
        target = self.records.get(named["seq"])
        insist(target, unknown)
        # Where a subject has moved, one site carries on from what the other stated.
        shared = ("kind", "subject") if has_moved and "follows" in event else ("kind", "site", "subject")
        insist(all(target[member] == event.get(member) for member in shared)
               and target["hash"] == named["hash"], differs)
        if "amends" in event:
            insist(where != "imports" or target["imported"], "import-unmarked")
            insist(target["organisation"] == event["actor"]["organisation"], "other-organisation")
            insist(target["amended_by"] is None, "stale-amendment")
            insist(not (voids(event) and target["voids"]), "already-void")

    def judge_about(self, event):
        """What an event about a subject says of another record, or of another site."""
        data = event["data"]
        if event["kind"] in ("ae_assessment", "safety_report_sent"):
            named = data["adverse_event"]
            target = self.records.get(named["seq"])
            insist(target, "reference-unknown")
            insist((target["hash"], target["kind"], target["subject"])
                   == (named["hash"], "adverse_event", event["subject"]), "reference-differs")
        elif event["kind"] == "signature":
            for named in data["statements"]:
                target = self.records.get(named["seq"])
                insist(target, "reference-unknown")
                insist((target["hash"], target["site"], target["subject"])
                       == (named["hash"], event["site"], event["subject"]), "reference-differs")
                insist(target["kind"] in _TREATED and target["kind"] != "signature", "reference-differs")
                insist(target["amended_by"] is None and not target["voids"], "reference-not-in-force")
        elif event["kind"] == "subject_transferred":
            insist(data["to"] in self.sites, "site-unknown")
            insist(data["to"] != event["site"], "transfer-impossible")

    def judge_link(self, duplicate, kept):
        insist(duplicate in self.subjects and kept in self.subjects, "subject-unknown")
        insist(duplicate != kept and duplicate not in self.links, "link-impossible")
        insist(kept not in self.links and duplicate not in self.links.values(), "link-impossible")

    def judge_cut(self, data):
        insist(data["name"] not in self.cuts, "cut-name-repeated")
        latest = list(self.cuts)[-1] if self.cuts else None
        insist(data.get("previous") == latest, "cut-unknown")
        insist(latest is None or data["records"] >= self.cuts[latest], "cut-differs")
        insist(1 <= data["records"] <= len(self.hashes), "cut-differs")
        head = self.hashes[data["records"] - 1]
        insist(head is not None and head.hex() == data["head"], "cut-differs")

    def take(self, event, seq, digest, at, entitled):
        """The state goes on. What was refused about keys and sites, or badly signed, has no effect."""
        kind, data = event["kind"], event["data"]
        grant = self.keys.get(event["key"])
        role = grant.role if grant else None
        self.records[seq] = {
            "kind": kind, "site": event.get("site"), "subject": event.get("subject"), "hash": digest,
            "organisation": event["actor"]["organisation"], "amended_by": None, "voids": voids(event),
            "imported": "import" in data or (voids(event) and role == "data_manager"), "root": seq,
        }
        if kind in SUBJECT_KINDS and (entitled or ("amends" not in event and kind != "subject_transferred")):
            subject = self.subjects.setdefault(event["subject"], Subject(event["site"]))
            if "amends" in event:
                amended = self.records[event["amends"]["seq"]]
                amended["amended_by"] = seq
                self.records[seq]["root"] = amended["root"]
                subject.take_back(amended["root"])
            if kind == "subject_transferred" and not voids(event):
                subject.move(self.records[seq]["root"], data["to"])
        if not entitled:
            return
        if kind == "site_activated":
            self.sites.add(event["site"])
        elif kind == "key_granted":
            public = PublicKey(from_base64(data["public_key"], 32))
            self.keys[public.id] = Grant(public, data["holder"], data["organisation"], data["role"], data["sites"],
                                         role, seq, (data.get("valid_from"), data.get("valid_until")))
        elif kind == "service_key_granted":
            key = VerifierKey(data["verifier_key"], LOG)
            self.services[key.public.id] = Grant(key, key.name, None, "service", [], role, seq)
        elif kind == "log_key_changed":
            key = VerifierKey(data["verifier_key"], LOG)
            self.log_keys[key.public.id] = LogKey(key, seq)
        elif kind == "key_revoked":
            granted = self.keys.get(data["key"]) or self.services.get(data["key"]) or self.log_keys[data["key"]]
            granted.revoked_at = seq
        elif kind == "data_cut":
            self.cuts[data["name"]] = data["records"]
        elif kind == "subjects_linked":
            self.links[data["duplicate"]] = data["kept"]


# The records (sections 13 and 15) -----------------------------------------------------------------------------------

class Records:
    """Reads records in their order; `None` is one that is not there, whose hash the tree may know."""

    def __init__(self, report, genesis=None, log_key=None, known_hashes=(), part=None):
        self.report, self.genesis, self.log_key, self.part = report, genesis, log_key, part
        self.known, self.due, self.head, self.last_at = dict(known_hashes), 0, bytes(32), None
        self.trial, self.first, self.gaps, self.ids, self.times, self.hashes = None, None, False, {}, [], []

    def missing(self, tree_hash, left_out, told):
        if left_out:
            self.report.count(LEFT_OUT)
        elif not told:
            self.report.find("records-missing", self.due)
        self.gaps, self.head, self.due = True, tree_hash, self.due + 1
        self.hashes.append(tree_hash)
        self.times.append(None)

    def take(self, data):
        seq, digest = self.due, record_hash(data)
        self.first = self.first or digest.hex()
        self.report.count("records hashed")
        try:
            record, event_bytes, signature = self.form(data)
        except Refused as fault:
            self.report.find("record-malformed", seq, str(fault))
            record = None
        if record:
            if record["seq"] != seq:
                code = "position-missing" if record["seq"] > seq else "position-repeated"
                self.report.find(code, seq, "it says %d" % record["seq"])
            if self.head is not None:
                self.report.count("links checked")
                if record["prev"] != self.head.hex():
                    self.report.find("broken-link", seq)
            if self.last_at is not None and record["recorded_at"] < self.last_at:
                self.report.find("time-going-back", seq)
            self.last_at = record["recorded_at"]
        self.times.append(record and record["recorded_at"])
        if seq == 0 and self.genesis and digest.hex() != self.genesis:
            self.report.find("genesis-differs", seq, digest.hex())
        for code, known in self.known.get(seq, ()):
            self.report.count("known heads and receipts compared")
            if digest.hex() != known:
                self.report.find(code, seq)
        self.head, self.due = digest, seq + 1
        if record:
            self.event(record, event_bytes, signature, seq, digest.hex())
        elif seq == 0:
            self.report.find("authority-underivable", seq)
        self.hashes.append(digest)

    def form(self, data):
        need(len(data) <= RECORD_BYTES_MAX, "a record too long")
        record, spans = canonical(data)
        members(record, ("event", "prev", "recorded_at", "seq", "signature"))
        need(isinstance(record["event"], dict), "no event")
        identifier("hash", record["prev"])
        instant(record["recorded_at"])
        integer(record["seq"])
        return record, spans["event"], from_base64(record["signature"], 64)

    def event(self, record, event_bytes, signature, seq, digest):
        event, at = record["event"], record["recorded_at"]
        self.report.count("events read")
        try:
            check_event(event, len(event_bytes))
        except BeyondThisVersion as fault:
            self.report.find("beyond-this-version", seq, str(fault))
            if self.trial:
                self.signed(event, event_bytes, signature, seq)  # whatever a later version says, its key has signed it
            event = None
        except Refused as fault:
            self.report.find("event-malformed", seq, str(fault))
            event = None
        if event is None:
            if seq == 0:
                self.report.find("authority-underivable", seq)
            return
        if self.ids.setdefault(event["id"], seq) != seq:
            self.report.find("id-repeated", seq, "as at %d" % self.ids[event["id"]])
        if self.part:
            self.part.record(event, seq, digest)
        entitled = True
        try:
            if seq == 0:
                insist(event["kind"] == "trial_opened", "trial-not-open")
                self.trial = Trial(event, digest)
                self.trial.hashes = self.hashes
            elif self.trial:
                self.trial.judge(event, at)
        except Refusal as refusal:
            entitled = False
            code = str(refusal)
            if self.gaps and code in UNDECIDED_WITH_GAPS | {"followed-unknown"}:
                self.report.find("authority-undecided", seq, code)
            else:
                self.report.find(FINDING_OF.get(code, "admission-contradicted"), seq, code)
        if self.trial is None:
            if not any(code == "authority-underivable" for code, _, _ in self.report.findings):
                self.report.find("authority-underivable", seq, "and of every record behind it")
            return
        # Who is entitled to what must not rest on a signature that does not hold.
        if not self.signed(event, event_bytes, signature, seq) and event["kind"] in TRIAL_KINDS:
            entitled = False
        if event["kind"] == "data_cut" and entitled:
            self.cut(event["data"], seq)
        if seq > 0 and event["kind"] != "trial_opened":
            self.trial.take(event, seq, digest, at, entitled)

    def cut(self, data, seq):
        """Holds the root that a data cut states against the hashes of the records that it covers."""
        covered = self.hashes[:data["records"]]
        if None in covered:
            return
        self.report.count("data cuts held")
        if tree_root(covered).hex() != data["root"]:
            self.report.find("cut-root-differs", seq, "of the tree over %d records" % data["records"])

    def signed(self, event, event_bytes, signature, seq):
        """Whether the key that the event names has signed it, if the records so far know that key (section 15)."""
        key = event.get("key")
        grant = isinstance(key, str) and self.trial.keys.get(key)
        if not grant:
            return True
        self.report.count("signatures of events checked")
        if grant.public.verifies(b"trialbook event v1\n" + event_bytes, signature):
            return True
        self.report.find("bad-signature", seq)
        return False

    def named_keys(self, brought):
        """The log keys that the records name, if they are the known log's (section 21); else None."""
        if self.trial is None or self.genesis not in (None, self.first):
            return None
        named = list(self.trial.log_keys.values())
        if brought and not {key.text for key in brought} & {known.key.text for known in named}:
            return None
        return named

    def finish(self, size, shortest):
        if self.trial and self.log_key and not self.gaps:
            if self.log_key.text not in [known.key.text for known in self.trial.log_keys.values()]:
                self.report.find("log-key-differs", 0)
        if self.due == 0 and not shortest:
            self.report.find("log-empty", "")
        if self.due < shortest:
            self.report.find("shorter-than-known", self.due, "known to have held %d" % shortest)
        for seq in sorted(self.known):
            if seq >= self.due:
                for code, _ in self.known[seq]:
                    self.report.find(code if code.startswith(NOT_HONOURED) else "shorter-than-known", seq,
                                     "the log ends at %d" % size)


# Files: a directory, or a bundle's zip (section 22) -----------------------------------------------------------------

class File:
    def __init__(self, length, read):
        self.length, self.read = length, read


def open_directory(root, report):
    """Every regular file below a directory, by its path; whatever else is there is unexpected."""
    files = {}

    def walk(directory, prefix):
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            path = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                walk(entry.path, path + "/")
            elif stat.S_ISREG(mode):
                files[path] = File(entry.stat(follow_symlinks=False).st_size, reader(entry.path))
            else:
                report.find("file-unexpected", path, "no regular file")

    def reader(path):
        def read():
            with open(path, "rb") as file:
                return file.read()
        return read

    walk(root, "")
    return files


PART = re.compile(r"[A-Za-z0-9._-]+")


def bundle_path(path):
    parts = path.split("/")
    need(len(path) <= 255 and all(PART.fullmatch(part) and part not in (".", "..") for part in parts), "no path")
    return path


def path_order(path):
    return path.encode()


LOCAL = struct.Struct("<4sHHHHHIIIHH")


def local_header(name, crc, length):
    return LOCAL.pack(b"PK\3\4", 20, 2048, 0, 0, 33, crc, length, length, len(name), 0) + name


def directory_line(name, crc, length, place):
    beyond = place >= 2**32 - 1
    extra = struct.pack("<HHQ", 1, 8, place) if beyond else b""
    versions = (813, 45) if beyond else (788, 20)
    head = struct.pack("<4sHH", b"PK\1\2", *versions) + local_header(name, crc, length)[6:28]
    return head + struct.pack("<HHHHII", len(extra), 0, 0, 0, 2175008768, min(place, 2**32 - 1)) + name + extra


def zip_end(count, length, place):
    end = b""
    if count >= 65535 or place >= 2**32 - 1 or length >= 2**32 - 1:
        end += struct.pack("<4sQHHQQQQQ", b"PK\6\6", 44, 813, 45, 0, count, count, length, place)
        end += struct.pack("<4sIQI", b"PK\6\7", 0, place + length, 1)
    count = min(count, 65535)
    return end + struct.pack("<4sIHHIIH", b"PK\5\6", 0, count, count, min(length, 2**32 - 1), min(place, 2**32 - 1), 0)


def open_zip(data, report):
    """The files of a zip in its one writing: every header is made anew and compared."""
    files, directory, at, last = {}, [], 0, None

    def slice_of(start, end):
        return lambda: bytes(data[start:end])

    try:
        while bytes(data[at:at + 4]) == b"PK\3\4":
            need(len(data) >= at + 30, "cut off")
            fields = LOCAL.unpack(data[at:at + 30])
            crc, length, name_length = fields[6], fields[7], fields[9]
            name = bytes(data[at + 30:at + 30 + name_length])
            start = at + 30 + name_length
            need(bytes(data[at:start]) == local_header(name, crc, length), "a header at byte %d" % at)
            need(length <= 4_294_967_294 and start + length <= len(data), "a length at byte %d" % at)
            try:
                path = bundle_path(name.decode("ascii"))
            except UnicodeDecodeError:
                raise Refused("a path at byte %d" % at) from None
            order = (path != "MANIFEST", name)
            need(last is None or last < order, "a path out of order or repeated at byte %d" % at)
            last = order
            if zlib.crc32(data[start:start + length]) != crc:
                report.find("zip-malformed", path, "its data are not those of its checksum")
            files[path] = File(length, slice_of(start, start + length))
            directory.append(directory_line(name, crc, length, at))
            at = start + length
        due = b"".join(directory)
        due += zip_end(len(files), len(due), at)
        need(bytes(data[at:at + len(due) + 1]) == due, "the directory at byte %d" % at)
    except Refused as fault:
        report.find("zip-malformed", "", str(fault))
    return files


CERTIFICATE = "certificate.json"


def is_placed(path, is_copy):
    """Whether a bundle, or a certified copy, has such a place."""
    tops = ("MANIFEST", "README.html") + ((CERTIFICATE, "delegation.html") if is_copy else ())
    directories = ("casebooks", "keys", "log", "proofs") if is_copy else ("keys", "log", "reports")
    return path in tops or path.split("/")[0] in directories and "/" in path


def check_manifest(files, report):
    """Holds every file against MANIFEST, which guards against accidents: nobody signed it. Its lines, if it has any."""
    for path in files:
        if not is_placed(path, CERTIFICATE in files):
            report.find("file-unexpected", path)
    manifest = files.get("MANIFEST")
    if manifest is None:
        report.find("manifest-missing", "MANIFEST")
        return None
    listed = {}
    try:
        need(manifest.length <= MANIFEST_BYTES_MAX, "too long")
        try:
            text = manifest.read().decode("ascii")
        except UnicodeDecodeError:
            raise Refused("not ASCII") from None
        need(text == "" or text.endswith("\n"), "a line cut off")
        last = ""
        for line in text.split("\n")[:-1]:
            found = re.fullmatch("([0-9a-f]{64}) (0|[1-9][0-9]{0,19}) (.+)", line)
            need(found, "no line of a MANIFEST")
            path = bundle_path(found.group(3))
            need(path != "MANIFEST" and last < path, "a path out of order, repeated or its own")
            last = path
            listed[path] = (found.group(1), int(found.group(2)))
    except Refused as fault:
        report.find("manifest-malformed", "MANIFEST", str(fault))
        return None
    for path, (digest, length) in listed.items():
        file = files.get(path)
        report.count("files held against the MANIFEST")
        if file is None:
            report.find("file-missing", path)
        elif file.length != length or hashlib.sha256(file.read()).hexdigest() != digest:
            report.find("file-differs", path)
    for path in files:
        if path != "MANIFEST" and path not in listed:
            report.find("file-unexpected", path)
    return listed


# Certified copies (section 23) --------------------------------------------------------------------------------------

CERTIFICATE_BYTES_MAX = 16_384
PROOF_BYTES_MAX = 2 * NOTE_BYTES_MAX


def read_certificate(data):
    """(certificate, what is signed of it), in its one writing."""
    value, spans = canonical(data)
    members(value, ["copy"], ["certified_by"])
    copy = value["copy"]
    members(copy, "contents genesis made_at origin records_of_site records_of_trial root site size subjects texts "
                  "trial".split())
    for member in ("contents", "genesis", "root"):
        identifier("hash", copy[member])
    for member in ("records_of_site", "records_of_trial", "size", "subjects"):
        integer(copy[member])
    instant(copy["made_at"])
    text(copy["origin"])
    identifier("site", copy["site"])
    identifier("trial", copy["trial"])
    need(copy["texts"] in ("sealed", "opened"), "neither sealed nor opened")
    if "certified_by" in value:
        by = value["certified_by"]
        members(by, ("actor", "key", "signature"))
        members(by["actor"], ("id", "organisation", "role"))
        identifier("actor", by["actor"]["id"])
        text(by["actor"]["organisation"])
        role_name(by["actor"]["role"])
        identifier("hash", by["key"])
        text(by["signature"])
    return value, b"trialbook certified copy v1\n" + spans["copy"]


class Part:
    """What a certified copy says of itself, held against its records."""

    def __init__(self, files, listed, report):
        self.files, self.listed, self.report, self.certificate, self.checkpoint = files, listed, report, None, None
        self.of_site, self.of_trial, self.subjects = 0, 0, set()
        try:
            need(files[CERTIFICATE].length <= CERTIFICATE_BYTES_MAX, "too long")
            self.certificate, self.message = read_certificate(files[CERTIFICATE].read())
        except Refused as fault:
            report.find("copy-not-following", CERTIFICATE, "no certificate: %s" % fault)
        self.proofs = set()
        for path in files:
            if path.startswith("proofs/"):
                if re.fullmatch("0|[1-9][0-9]{0,15}", path[7:]):
                    self.proofs.add(path)
                else:
                    report.find("file-unexpected", path, "no record's proof")

    def record(self, event, seq, digest):
        """A record that is there."""
        if "subject" not in event:
            self.of_trial += 1
            return
        self.of_site += 1
        self.subjects.add(event["subject"])
        if self.certificate and event["site"] != self.certificate["copy"]["site"]:
            self.report.find("copy-not-following", seq, "of another site's subject")
        path = "proofs/%d" % seq
        if path not in self.proofs:
            self.report.find("file-missing", path, "the record has no proof")
            return
        self.proofs.remove(path)
        self.report.count("proofs of records held")
        try:
            self.proof(self.files[path], seq, digest)
        except Refused as fault:
            self.report.find("copy-not-following", path, str(fault))

    def proof(self, file, seq, digest):
        if self.checkpoint is None:
            return
        note, size, root = self.checkpoint
        need(file.length <= PROOF_BYTES_MAX, "too long")
        position, hashes, under = read_proof(file.read())
        need(position == seq, "the proof of a record at %d" % position)
        need(under == note, "under another checkpoint")
        need(inclusion_holds(bytes.fromhex(digest), seq, size, hashes, root), "it does not lead to the root")

    def finish(self, trial, genesis):
        for path in sorted(self.proofs):
            self.report.find("file-unexpected", path, "no record of a subject stands there")
        if self.certificate is None:
            return
        copy, by = self.certificate["copy"], self.certificate.get("certified_by")
        held = [("how many records and subjects it has",
                 (copy["records_of_site"], copy["records_of_trial"], copy["subjects"])
                 == (self.of_site, self.of_trial, len(self.subjects)))]
        if self.listed is not None:
            lines = ["%s %d %s\n" % (digest, length, path) for path, (digest, length) in self.listed.items()
                     if path != CERTIFICATE]
            held.append(("its contents", hashlib.sha256("".join(lines).encode()).hexdigest() == copy["contents"]))
        if self.checkpoint:
            _, size, root = self.checkpoint
            held.append(("the checkpoint", (copy["size"], copy["root"]) == (size, root.hex())))
        if genesis:
            held.append(("the genesis", copy["genesis"] == genesis))
        if trial:
            held.append(("the trial", copy["trial"] == trial.trial))
            held.append(("the log's name", copy["origin"] == trial.log_key.name))
            held.append(("the site, which is not active", copy["site"] in trial.sites))
            if by:
                held.append(("who certifies it", self.is_certified(by, copy["site"], trial)))
        for what, holds in held:
            self.report.count("statements of the certificate held")
            if not holds:
                self.report.find("copy-not-following", CERTIFICATE, what)

    def is_certified(self, by, site, trial):
        grant = trial.keys.get(by["key"])
        if grant is None or grant.revoked_at is not None or (grant.sites and site not in grant.sites):
            return False
        try:
            signature = from_base64(by["signature"], 64)
        except Refused:
            return False
        holder = {"id": grant.holder, "organisation": grant.organisation, "role": grant.role}
        return by["actor"] == holder and grant.public.verifies(self.message, signature)


# The archive (section 21) -------------------------------------------------------------------------------------------

class Archive:
    def __init__(self, files, report, whole_only, prefix=""):
        self.files, self.report, self.whole_only, self.prefix = files, report, whole_only, prefix
        self.differing, self.log_keys, self.named, self.witnesses, self.seen = {}, [], None, [], []
        self.is_signed = False

    def find(self, code, path, detail=""):
        self.report.find(code, self.prefix + path, detail)

    def checkpoint(self):
        """The checkpoint's (origin, size, root), or None if nothing can be held against it."""
        file = self.files.get("checkpoint")
        if file is None:
            self.find("checkpoint-missing", "checkpoint")
            return None
        self.note = b"" if file.length > NOTE_BYTES_MAX else file.read()
        try:
            return read_checkpoint(read_note(self.note)[0])
        except Refused as fault:
            self.find("checkpoint-malformed", "checkpoint", str(fault))
            return None

    def know_keys(self, log_key, policy, genesis, records):
        """The log's keys and witnesses; which of the keys had to sign, only the records say."""
        brought = [log_key] if log_key else policy.logs if policy else []
        self.named = records.named_keys(brought)
        if self.named is not None:
            self.log_keys = [known.key for known in self.named]
        else:
            self.log_keys = brought or self.keys_of_opening(genesis)
        self.witnesses = list(policy.witnesses.values()) if policy else []

    def judge_checkpoint(self, origin, size, policy, gaps):
        self.watch(self.note, origin, size)
        if not self.log_keys:
            self.find("checkpoint-key-unknown", "checkpoint")
            return
        known = [key for key in self.log_keys if key.name == origin]
        if not known:
            self.find("checkpoint-of-another-log", "checkpoint", origin)
            return
        try:
            _, signed = signers(self.note, known + self.witnesses)
        except Refused as fault:
            self.find("checkpoint-bad-signature", "checkpoint", str(fault))
            return
        self.report.count("signatures of the checkpoint held", len(signed))
        by = [key.text for key, _ in signed if key.kind == LOG]
        if not by:
            self.find("checkpoint-not-signed", "checkpoint")
        else:
            for due in self.due(size):
                if due.text not in by:
                    code = "authority-undecided" if gaps else "checkpoint-signature-missing"
                    self.find(code, "checkpoint", "%s has not signed" % due.text)
        self.is_signed = self.vouch(by, size)
        if policy and not policy.met(policy.names_of(key for key, _ in signed if key.kind == WITNESS)):
            self.find("quorum-short", "checkpoint")

    def watch(self, note, origin, size):
        """When known witnesses saw a checkpoint that bears the log's name."""
        if origin not in [key.name for key in self.log_keys]:
            return
        try:
            _, signed = signers(note, self.witnesses)
        except Refused:
            return
        self.seen += [(size, time) for _, time in signed]

    def due(self, size):
        return [known.key for known in self.named or [] if known.in_force_at(size)]

    def vouch(self, by, size):
        """Whether the log has signed: by a key that was in force, where the records say which were."""
        return bool(by) and (self.named is None or any(due.text in by for due in self.due(size)))

    def keys_of_opening(self, genesis):
        for width in range(256, 0, -1):
            file = self.files.get(tile_path("entries", 0, width))
            if not file or file.length > 65_537 * width:
                continue
            try:
                first = read_bundle(file.read(), width)[0]
                if first is None or (genesis and record_hash(first).hex() != genesis):
                    continue
                return [VerifierKey(canonical(first)[0]["event"]["data"]["log_key"], LOG)]
            except (Refused, KeyError, TypeError, AttributeError):
                continue
        return []

    def sort_files(self, size):
        """By place, the widths of the tiles and bundles within the tree."""
        self.places = {}
        for path in self.files:
            if path == "checkpoint":
                continue
            try:
                level, index, width = tile_place(path)
            except Refused:
                if self.whole_only or not re.search("#[0-9]+$", path):
                    self.find("file-unexpected", path)
                continue
            unit = 256 ** (0 if level == "entries" else level)
            if 256 * index * unit >= size - size % unit:
                if self.whole_only:
                    self.find("file-unexpected", path)
                continue
            self.places.setdefault((level, index), []).append(width)

    def tile(self, level, index, width):
        """The hashes of one file; None if it is not as long as its width demands."""
        path = tile_path(level, index, width)
        self.report.count("hash tiles read")
        file = self.files[path]
        data = file.read() if file.length == 32 * width else b""
        if len(data) != 32 * width:
            self.find("wrong-tile", path, "its length")
            return None
        return [data[i:i + 32] for i in range(0, len(data), 32)]

    def bundle(self, index, width):
        path = tile_path("entries", index, width)
        self.report.count("entry bundles read")
        file = self.files[path]
        records, fault = [], "its length"
        if file.length <= 65_537 * width:
            records, fault = bundle_until_fault(file.read(), width)
        if fault:
            self.find("entry-bundle-malformed", path, fault)
        return records

    def at_place(self, level, index, due, read):
        """What stands at a place, as (items, width): of the width due if there is such, else of a greater one."""
        widths = self.places.get((level, index), [])
        chosen, others = (None, None), []
        for width in sorted(widths, key=lambda width: (width < due, width)):
            items = read(index, width) if level == "entries" else read(level, index, width)
            if items is None:
                continue
            if chosen[0] is None and width >= due:
                chosen = (items[:due], width)
            else:
                others.append((items[:due], width))
        return chosen[0], chosen[1], others

    def check_tree(self, size, root):
        """Records and hashes of the tree, by position; and the root made anew, unless hashes are missing."""
        self.records, self.leaves = [None] * size, [None] * size
        # Positions: of what a bundle holds or leaves out beside its tile, and behind the fault of a malformed one.
        self.placed, self.told = set(), set()
        for index in range(-(-size // 256)):
            self.records_at(index, min(256, size - 256 * index))
        hashes, level, edge = self.leaves, 0, []
        while hashes:
            count, above = len(hashes), []
            stored = self.stored(level + 1, count // 256)
            for index in range(-(-count // 256)):
                due = min(256, count - 256 * index)
                anew = hashes[256 * index:256 * index + due]
                if due == 256:
                    made = None if None in anew else tree_root(anew)
                    there = stored[index]
                    if level == 0 and index in self.differing:
                        anew, made = self.settle(index, anew, there)
                        self.leaves[256 * index:256 * index + due] = anew
                    if made is not None and there is not None and made != there:
                        self.find("wrong-tile", self.stored_path(level + 1, index), "hash %d of it" % (index % 256))
                    above.append(made if made is not None else there)
                else:
                    edge.append(anew)
            hashes, level = above, level + 1
        self.check_root(size, root, edge)

    def check_root(self, size, root, edge):
        """The last partial tile of each level, lowest first, makes up the root."""
        def made():
            subtrees = []
            for level, hashes in enumerate(edge):
                part = []
                at = 0
                for bit in range(7, -1, -1):
                    if len(hashes) >> bit & 1:
                        part.append(tree_root(hashes[at:at + (1 << bit)]))
                        at += 1 << bit
                subtrees = part + subtrees
            return fold(subtrees)

        self.report.count("leaves of the tree", size)
        last = (size - 1) // 256 if size else 0
        if any(None in hashes for hashes in edge):
            return
        if last in self.differing and size % 256:
            records = self.differing[last]
            candidate = [record or leaf for record, leaf in zip(records, edge[0])]
            stored, edge[0] = edge[0], candidate
            if made() == root:
                self.find("wrong-tile", self.stored_path(0, last), "a record's hash is another, and the root's")
                self.leaves[256 * last:] = candidate
                return
            edge[0] = stored
            self.blame_records(last, records, stored)
        if root is None:
            return
        self.report.count("roots made anew")
        if made() != root:
            self.find("wrong-root", "checkpoint")

    def widths(self):
        """How far the files at each place reach that hold records or their hashes, by their paths."""
        widths = {}
        for path in self.files:
            try:
                level, index, width = tile_place(path)
            except Refused:
                continue
            if level in (0, "entries"):
                widths[index] = max(width, widths.get(index, 0))
        return widths

    def end(self):
        """The size that the log has by its files, where no checkpoint states one."""
        return max((256 * index + width for index, width in self.widths().items()), default=0)

    def reach(self):
        """How many records the files hold that stand at the first places, without a gap."""
        widths = self.widths()
        size = 0
        while size % 256 == 0 and size // 256 in widths:
            size += widths[size // 256]
        return size

    def records_at(self, index, due):
        records, width, others = self.at_place("entries", index, due, self.bundle)
        hashes, _, copies = self.at_place(0, index, due, self.tile)
        base = 256 * index
        if hashes is None and not any(width >= due for width in self.places.get((0, index), [])):
            self.find("tile-missing", tile_path(0, index, due))
        if records is not None:
            # Of a malformed one nobody knows what its end should be: one finding says so.
            self.told |= set(range(base + len(records), base + due))
            if hashes:
                self.placed |= set(range(base, base + len(records)))
        records = (records or []) + [None] * (due - len(records or []))
        self.records[base:base + due] = records
        digests = [record_hash(record) if record is not None else None for record in records]
        leaves = hashes or digests
        self.leaves[base:base + due] = leaves
        if any(digest and leaf != digest for digest, leaf in zip(digests, leaves)):
            self.differing[index] = digests
        for copy, copy_width in copies:
            if copy != leaves[:len(copy)] and None not in leaves[:len(copy)]:
                self.find("wrong-tile", tile_path(0, index, copy_width), "a copy that differs")
        for copy, copy_width in others:
            for offset, record in enumerate(copy):
                leaf = leaves[offset]
                if record is None or leaf is None:
                    continue
                if record_hash(record) != leaf:
                    place = tile_path("entries", index, copy_width)
                    self.find("record-not-in-tree", place, "record %d" % (base + offset))

    def settle(self, index, leaves, above):
        """Of a full tile and records that differ from it: which of them the level above bears out."""
        records = self.differing[index]
        candidate = [record or leaf for record, leaf in zip(records, leaves)]
        if above is not None and None not in candidate and tree_root(candidate) == above:
            self.find("wrong-tile", self.stored_path(0, index), "a record's hash is another, and the one above it")
            return candidate, above
        self.blame_records(index, records, leaves)
        return leaves, tree_root(leaves)

    def blame_records(self, index, records, leaves):
        for offset, (record, leaf) in enumerate(zip(records, leaves)):
            if record and record != leaf:
                self.find("record-not-in-tree", "record %d" % (256 * index + offset))

    def stored_path(self, level, index):
        if level == 0:
            return tile_path(0, index, max(self.places[(0, index)]))
        return tile_path(level, index // 256, max(self.places[(level, index // 256)]))

    def stored(self, level, count):
        """The hashes stored at a level above 0."""
        hashes = [None] * count
        for index in range(-(-count // 256)):
            due = min(256, count - 256 * index)
            found, _, copies = self.at_place(level, index, due, self.tile)
            if found is None:
                if not any(width >= due for width in self.places.get((level, index), [])):
                    self.find("tile-missing", tile_path(level, index, due))
                continue
            hashes[256 * index:256 * index + due] = found
            for copy, copy_width in copies:
                if copy != found[:len(copy)]:
                    self.find("wrong-tile", tile_path(level, index, copy_width), "a copy that differs")
        return hashes

    def known_checkpoint(self, place, note, size, root):
        try:
            origin, known_size, known_root = read_checkpoint(read_note(note)[0])
            self.watch(note, origin, known_size)
            named = [key for key in self.log_keys if key.name == origin]
            _, signed = signers(note, named + self.witnesses)
            need(self.vouch([key.text for key, _ in signed if key.kind == LOG], known_size), "not signed by the log")
        except Refused as fault:
            self.report.find("known-checkpoint-unusable", place, str(fault))
            return
        self.report.count("known checkpoints compared")
        if known_size > size:
            self.report.find("shorter-than-known", place, "known to have held %d" % known_size)
        elif None not in self.leaves[:known_size]:
            if tree_root(self.leaves[:known_size]) != known_root:
                self.report.find("fork" if self.sound else "wrong-root", place)


def check_archive(files, report, options, whole_only, prefix, part=None):
    archive = Archive(files, report, whole_only, prefix)
    found = archive.checkpoint()
    origin, size, root = found or (None, archive.end(), None)
    if part and found:
        part.checkpoint = (archive.note, size, root)
    # Nobody makes this program count to a size that no files bear out: what is there is checked all the same.
    if size > archive.reach() + 65_536:
        report.find("records-missing", "", "there ought to be %d records" % size)
        report.find("tile-missing", prefix, "there ought to be %d records" % size)
        size, root = archive.reach(), None
    archive.sort_files(size)
    archive.check_tree(size, root)
    known = {}
    for known_size, digest in options.known:
        if known_size:
            known.setdefault(known_size - 1, []).append(("known-head-differs", digest))
    for place, receipt in enumerate(options.receipts):
        # Of one with a note it is known only at the end whether it promises anything.
        code = NOT_HONOURED + "#%d" % place if "note" in receipt else NOT_HONOURED
        known.setdefault(receipt["seq"], []).append((code, receipt["hash"]))
    records = Records(report, options.genesis, options.key, known, part)
    for seq, data in enumerate(archive.records):
        if data is None:
            for code, digest in known.get(seq, ()):
                report.count("known heads and receipts compared")
                if archive.leaves[seq] is not None and archive.leaves[seq].hex() != digest:
                    report.find(code, seq)
            # A copy leaves out what stands in the tree: without its hash nobody could say which record it was.
            left_out = part is not None and seq in archive.placed
            records.missing(archive.leaves[seq], left_out, seq in archive.told)
        else:
            records.take(data)
    records.finish(size, 1 if options.genesis else 0)
    archive.know_keys(options.key, options.policy, options.genesis, records)
    if found:
        archive.judge_checkpoint(origin, found[1], options.policy, records.gaps)
    archive.sound = archive.is_signed and not any(code == "wrong-root" for code, _, _ in report.findings)
    for place, note in options.known_checkpoints:
        archive.known_checkpoint(place, note, size, root)
    for seen_size, time in archive.seen:
        for seq, at in enumerate(records.times[:seen_size]):
            if at and instant_micros(at) > (time + 60) * 1_000_000:
                report.find("time-against-cosignature", seq, "cosigned %d s after 1970" % time)
    check_receipt_notes(options.receipts, records.trial, report)
    if part:
        part.finish(records.trial, archive.leaves[0].hex() if size and archive.leaves[0] else None)
    return size


def check_receipt_notes(receipts, trial, report):
    """A receipt binds the registry if its note is signed by a service key not revoked before its position (section 8)."""
    for place, receipt in enumerate(receipts):
        if "note" not in receipt:
            continue
        code = NOT_HONOURED + "#%d" % place
        broken = [finding for finding in report.findings if finding[0] == code]
        report.findings = [finding for finding in report.findings if finding[0] != code]
        if trial is None:
            report.find("receipt-unusable", receipt["seq"], "no key for receipts is known")
            continue
        note = receipt["note"].encode()
        keys = [grant.public for grant in trial.services.values()
                if grant.revoked_at is None or receipt["seq"] <= grant.revoked_at]
        try:
            text, signed = signers(note, keys)
            origin, first, count, root = read_receipt_note(text)
            need(signed and origin == trial.log_key.name, "no receipt of this log")
            path = [bytes.fromhex(identifier("hash", item)) for item in receipt["path"]]
            need(receipt["seq"] >= first
                 and inclusion_holds(bytes.fromhex(receipt["hash"]), receipt["seq"] - first, count, path, root),
                 "its path does not lead to its root")
            report.count("receipts that bind the registry")
            for _, seq, detail in broken:
                report.find(NOT_HONOURED, seq, detail)
        except (Refused, ValueError, KeyError) as fault:
            report.find("receipt-unusable", receipt["seq"], str(fault))


# The command --------------------------------------------------------------------------------------------------------

NOT_JUDGED = """Not judged here: what the kinds about subjects may say in `data` (their envelopes are), findings of conduct,
and whether a report follows from the records. For these use trialbook-verify."""


def verdict(report, options, size, part):
    status = report.status(options.genesis)
    left_out = report.counts.get(LEFT_OUT, 0)
    if status == 0 and part:
        return ("Intact as the part of site %s, as far as this program judges: the %d records in it hold, back to the "
                "known genesis; %d others of the log are left out."
                % (part.certificate["copy"]["site"], size - left_out, left_out))
    if status == 0:
        return "Intact, as far as this program judges: all %d records hold, back to the known genesis." % size
    if status == 1:
        return "Broken: the evidence contradicts itself or what is known from elsewhere."
    if report.findings:
        return "Undecided: nothing contradicts itself, but something needed for a verdict is not there."
    return "Consistent, not authenticated: %d records agree with each other; no genesis was given." % (size - left_out)


def check_path(options):
    report = Report()
    path = options.path
    if os.path.isdir(path):
        files = open_directory(path, report)
        bundle = "MANIFEST" in files or (
            "checkpoint" not in files and any(name.startswith("log/") for name in files))
    else:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
        files, bundle = open_zip(data, report), True
    is_copy = CERTIFICATE in files
    bundle = bundle or is_copy
    part = None
    if bundle:
        listed = check_manifest(files, report)
        part = Part(files, listed, report) if is_copy else None
        archive = {name[4:]: file for name, file in files.items() if name.startswith("log/")}
    else:
        archive = files
    size = check_archive(archive, report, options, bundle, "log/" if bundle else "", part)
    print(verdict(report, options, size, part))
    print()
    for what, count in report.counts.items():
        print("%10d  %s" % (count, what))
    if report.findings:
        print()
    for code, place, detail in report.findings:
        place = "record %d" % place if isinstance(place, int) else place
        print("%s at %s%s" % (code, place or "the whole", ": " + detail if detail else ""))
    print()
    print(NOT_JUDGED)
    return report.status(options.genesis)


def check_proof(options):
    """The proof of one record, under the log's key."""
    try:
        position, hashes, note = read_proof(read_file(options.proof))
        witnesses = list(options.policy.witnesses.values()) if options.policy else []
        text, signed = signers(note, [options.key] + witnesses)
        origin, size, root = read_checkpoint(text)
        need(origin == options.key.name and any(key.kind == LOG for key, _ in signed), "not signed by the log's key")
        need(inclusion_holds(options.hash, position, size, hashes, root), "the hashes do not lead to the root")
    except Refused as fault:
        print("Broken: the proof does not hold: %s." % fault)
        return 1
    if options.policy and not options.policy.met(options.policy.names_of(k for k, _ in signed if k.kind == WITNESS)):
        print("Undecided: the record is at %d, but too few witnesses cosigned." % position)
        return 3
    print("The record is number %d of the %d that %s signed for." % (position, size, origin))
    return 0


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def head(text):
    size, colon, digest = text.partition(":")
    need(colon, "no SIZE:HASH")
    return number(size), identifier("hash", digest)


def receipt(data):
    try:
        value = json.loads(data)
    except ValueError:
        raise Refused("no JSON") from None
    need(isinstance(value, dict), "no receipt")
    value = value.get("receipt", value)
    need(isinstance(value, dict) and "seq" in value and "hash" in value, "no receipt")
    integer(value["seq"])
    identifier("hash", value["hash"])
    need(isinstance(value.get("note", ""), str) and isinstance(value.get("path", []), list)
         and all(isinstance(item, str) for item in value.get("path", [])), "no receipt")
    return value


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?")
    for name in ("key", "genesis", "policy", "proof", "hash", "record", "vectors"):
        parser.add_argument("--" + name)
    for name in ("known", "receipt", "known-checkpoint"):
        parser.add_argument("--" + name, action="append", default=[])
    options = parser.parse_args(argv)
    if [options.path, options.proof, options.vectors].count(None) != 2:
        parser.error("one of PATH, --proof and --vectors")
    try:
        options.key = VerifierKey(options.key.strip(), LOG) if options.key else None
        options.genesis = identifier("hash", options.genesis) if options.genesis else None
        options.policy = Policy(read_file(options.policy)) if options.policy else None
        options.known = [head(text) for text in options.known]
        options.receipts = [receipt(read_file(path)) for path in options.receipt]
        options.known_checkpoints = [(path, read_file(path)) for path in options.known_checkpoint]
        if options.proof:
            need(options.key and (options.hash is None) != (options.record is None),
                 "a proof needs --key, and --hash or --record")
            options.hash = (bytes.fromhex(identifier("hash", options.hash)) if options.hash
                            else record_hash(read_file(options.record).rstrip(b"\n")))
    except Refused as fault:
        parser.error(str(fault))
    return options


def main(argv):
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        options = arguments(argv)
        if options.vectors:
            sys.dont_write_bytecode = True
            import check_vectors
            return check_vectors.main(options.vectors)
        if options.proof:
            return check_proof(options)
        return check_path(options)
    except OSError as fault:
        print("cannot read: %s" % fault, file=sys.stderr)
        return 7
    except Exception as fault:  # whatever was handed over: not to look at all of it decides nothing
        print("Undecided: this checker gave up (%s)." % type(fault).__name__)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
