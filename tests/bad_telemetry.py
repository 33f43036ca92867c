"""Files of readings and events that nobody should send."""

import io
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tests.bad_files import MB, BadFile, mutations, of_bytes, repeated

HEADER = "ts,device_id,metric,value"
READING = {"ts": "2026-10-31T12:00:00Z", "device_id": "d1", "metric": "temp", "value": 20.5}
EVENT = {"ts": "2026-10-31T12:00:00Z", "device_id": "d1", "event_type": "door_opened"}


def csv_lines(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def good_csv(rows: int = 200) -> bytes:
    lines = (f"2026-10-31T12:{n // 60 % 60:02}:{n % 60:02}Z,d{n % 7},temp,{n}" for n in range(rows))
    return csv_lines(*lines).encode()


def good_json_lines(rows: int = 100) -> bytes:
    lines = (READING | {"value": n} if n % 3 else EVENT | {"attributes": {"n": n}} for n in range(rows))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def good_table(rows: int = 2_000) -> pa.Table:
    times = pa.array(range(rows), pa.int64()).cast(pa.timestamp("s"))
    named = {"device_id": [f"d{n % 5}" for n in range(rows)], "metric": ["temp"] * rows, "value": range(rows)}
    return pa.table({"ts": times, **named})


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def telemetry(chance: random.Random, many: int = 1) -> Iterator[BadFile]:
    """many: how often each sort of damage is done."""
    yield from mutations("turned.csv", good_csv(), 10 * many, chance)
    yield from mutations("turned.jsonl", good_json_lines(), 10 * many, chance)
    yield from mutations("turned.parquet", as_parquet(good_table()), 20 * many, chance)
    yield from mutations(
        "plain.parquet", as_parquet(good_table(), compression="none", use_dictionary=False), 10 * many, chance
    )
    yield from _odd_texts(chance)
    yield from _csv_bombs()
    yield from _json_bombs()
    yield from _parquet_bombs()


def _odd_texts(chance: random.Random) -> Iterator[BadFile]:
    good = good_csv(20).decode()
    yield of_bytes("empty.csv", b"")
    yield of_bytes("empty.jsonl", b"")
    yield of_bytes("empty.parquet", b"")
    yield of_bytes("blank.csv", b"\n\n \r\n")
    yield of_bytes("bom-only.csv", b"\xef\xbb\xbf")
    yield of_bytes("bom-only.jsonl", b"\xef\xbb\xbf")
    for encoding in ("utf-16", "utf-16-le", "utf-32", "cp037"):
        yield of_bytes(f"{encoding}.csv", good.encode(encoding))
        yield of_bytes(f"{encoding}.jsonl", good_json_lines().decode().encode(encoding))
    yield of_bytes("latin-1.csv", good.replace("temp", "größe").encode("latin-1"))
    yield of_bytes("nul.csv", good.replace("temp", "te\0mp").encode())
    yield of_bytes("nul-text.jsonl", json.dumps(READING | {"metric": "te\0mp"}))
    yield of_bytes("carriage.csv", good.replace("\n", "\r"))
    yield of_bytes("quotes.csv", csv_lines('"2026-10-31,d,m,1'))
    yield of_bytes("header-only.csv", HEADER)
    yield of_bytes("twice.csv", "ts,ts,device_id,metric,value\n2026-10-31,x,d,m,1\n")
    yield of_bytes("no-names.csv", ",,,\n1,2,3,4\n")
    yield of_bytes("widths.csv", csv_lines("1", "1,2,3,4,5", "2026-10-31,d,m,1", ",,,", ""))
    yield of_bytes("huge-values.csv", csv_lines(*(f"2026-10-31T12:00:0{n}Z,d,m,1.7e308" for n in range(9))))
    yield of_bytes("no-values.csv", csv_lines("2026-10-31,d,m,1e999", "2026-10-31,d,m,nan", "2026-10-31,d,m,-inf"))
    yield of_bytes("no-times.csv", csv_lines("0000-00-00,d,m,1", "99999-01-01,d,m,1", "2026-02-30,d,m,1", "9e99,d,m,1"))
    yield of_bytes("ends-of-time.csv", csv_lines("0001-01-01T00:00:00+14:00,d,m,1", "9999-12-31T23:59:59-14:00,d,m,1"))
    yield of_bytes(
        "long-names.csv",
        csv_lines(f"2026-10-31,{'d' * 5_000},m,1", f"2026-10-31,d,{chance.randbytes(9_000).hex()},1"),
    )


def _csv_bombs() -> Iterator[BadFile]:
    yield BadFile("a-line-of-100-mb.csv", lambda path: repeated(path, b"", b"x" * MB, 100))
    yield BadFile(
        "a-cell-of-50-mb.csv",
        lambda path: repeated(path, csv_lines("2026-10-31,d,m,1").encode() + b"2026-10-31,", b"x" * MB, 50, b",m,1\n"),
    )
    yield BadFile(
        "an-open-quote-of-20-mb.csv", lambda path: repeated(path, HEADER.encode() + b'\n"', b"x,y\n" * 250_000, 20)
    )
    yield of_bytes("a-million-columns.csv", "c," * 1_000_000 + "\n" + "1," * 1_000_000 + "\n")
    yield of_bytes("9-000-columns.csv", ",".join(f"c{n}" for n in range(9_000)) + "\n" + ("1," * 8_999 + "1\n") * 300)
    yield BadFile("only-bad-rows.csv", lambda path: repeated(path, HEADER.encode() + b"\n", b"x\n" * 500_000, 2))
    yield BadFile("only-commas.csv", lambda path: repeated(path, HEADER.encode() + b"\n", b",,,\n" * 30_000, 2))
    yield BadFile("only-line-ends.csv", lambda path: repeated(path, HEADER.encode(), b"\n" * MB, 8))


def _json_bombs() -> Iterator[BadFile]:
    good = json.dumps(READING)
    deep = "[" * 900 + "]" * 900
    yield BadFile(
        "a-line-of-100-mb.jsonl",
        lambda path: repeated(path, (good + '\n{"a":"').encode(), b"x" * MB, 100, b'"}\n' + good.encode()),
    )
    yield of_bytes("all-brackets.jsonl", '{"a":[' + "[]," * 2_000_000 + "[]]}\n" + good)
    yield of_bytes("open-brackets.jsonl", "[" * 5_000_000)
    yield of_bytes("deep.jsonl", f'{good}\n{{"a":{deep}}}\n{good[:-1]},"attributes":{deep}}}\n')
    yield of_bytes("deep-event.jsonl", json.dumps(EVENT)[:-1] + f',"attributes":{deep}}}\n')
    yield of_bytes("deep-text.jsonl", json.dumps(EVENT | {"attributes": deep}))
    yield of_bytes("deep-behind-text.jsonl", json.dumps(EVENT)[:-1] + f',"a":"{"]" * 2_000}","attributes":{deep}}}\n')
    yield of_bytes("deep-objects.jsonl", good + "\n" + '{"a":' * 200_000 + "1" + "}" * 200_000)
    yield of_bytes("digits.jsonl", good[:-1] + ',"n":' + "9" * 1_000_000 + "}")
    yield of_bytes("names.jsonl", "".join(f'{{"n{n}":{n}}}\n' for n in range(100_000)))
    yield of_bytes("names-of-one.jsonl", "{" + ",".join(f'"n{n}":{n}' for n in range(300_000)) + "}")
    yield of_bytes("no-names.jsonl", "{}\n" * 50)
    yield of_bytes("doubled-names.jsonl", '{"ts":1,"ts":"2026-10-31","device_id":"d","metric":"m","value":1,"value":2}')
    yield of_bytes("odd-names.jsonl", '{"\\ud800":1,"":2,"a\\u0000b":3}\n' + good)
    yield of_bytes(
        "odd-event.jsonl", json.dumps(EVENT | {"\0": "\0", "n": float("nan"), "event_id": {"a": "x" * 9_000}})
    )
    yield of_bytes("nan.jsonl", good.replace("20.5", "NaN") + "\n" + good.replace("20.5", "-Infinity"))


def _parquet_bombs() -> Iterator[BadFile]:
    rows = 50_000
    times = pa.array([0] * rows, pa.timestamp("s"))
    long = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * MB]))
    named = {"device_id": ["d"] * rows, "metric": ["m"] * rows, "value": [1.0] * rows}
    yield of_bytes("dictionary-bomb.parquet", as_parquet(pa.table({"ts": times, **named, "note": long})))
    zeros = pa.table({"ts": times, **named, "note": pa.array(["\0" * 3_000] * rows)})
    yield BadFile(
        "packed-bomb.parquet", lambda path: parquet.write_table(zeros, path, compression="zstd", use_dictionary=False)
    )
    one_group = pa.table({"v": pa.array(range(1_000_000), pa.int64())})
    yield BadFile("a-wide-group.parquet", lambda path: parquet.write_table(one_group, path, row_group_size=1_000_000))
    many = pa.table({f"c{n}": [1] for n in range(5_000)})
    yield of_bytes("5-000-columns.parquet", as_parquet(many))
    nested: pa.DataType = pa.int64()
    for _ in range(100):
        nested = pa.list_(nested)
    yield of_bytes("deep.parquet", as_parquet(pa.table({"ts": pa.array([None], nested)})))
    yield of_bytes("lying-footer.parquet", b"PAR1" + b"x" * 100 + struct.pack("<I", 0x7FFFFFFF) + b"PAR1")
    data = as_parquet(good_table())
    length = struct.unpack("<I", data[-8:-4])[0]
    yield of_bytes("other-footer.parquet", data[: -8 - length] + as_parquet(good_table(9))[-8 - length :])
    yield of_bytes("odd-types.parquet", as_parquet(_odd_types()))
    yield of_bytes("no-rows.parquet", as_parquet(good_table(0)))
    yield of_bytes("no-columns.parquet", as_parquet(pa.table({})))


def _odd_types() -> pa.Table:
    return pa.table(
        {
            "ts": pa.array([2**62, -(2**62), None], pa.timestamp("us")),
            "device_id": pa.array([b"\xff", b"d", b"\0"], pa.binary()),
            "metric": pa.array([[("k", "v\0")], None, []], pa.map_(pa.string(), pa.string())),
            "value": pa.array(["1", "x", None]).dictionary_encode(),
            "event_type": pa.array(["a", "b", None]),
            "note": pa.array([{"x": [1, float("nan")]}, {"x": None}, None]),
        }
    )
