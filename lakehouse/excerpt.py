"""What a person may see of refused bytes: enough to know them by, and nothing that a terminal would obey."""

import csv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from lakehouse.bronze import Bronze
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Row
from lakehouse.redriving.attempt import fetch_file
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.files import SourceFile
from lakehouse.sources.tabular import delimiter_of

SHOWN_BYTES: Final = 2_000
PIECE: Final = 1 << 20
LONGEST_FIELD: Final = 16 << 20


def excerpt(bronze: Bronze, refused: Row) -> str:
    """The row of the file where the refusal is about one; else how the bytes begin."""
    try:
        if refused["stage"] == "telemetry" and refused["raw_holds"] == "file" and refused["record"] is not None:
            with TemporaryDirectory() as folder:
                file = fetch_file(bronze, refused["tenant_id"], refused["raw_sha256"], refused["path"], folder)
                return _row(file, refused["record"]) or f"row {refused['record']} cannot be cut out of the file"
        if refused["raw_sha256"] is None:
            return "none of its bytes could be kept"
        data = bronze.objects.get(refused["tenant_id"], refused["raw_sha256"], 0, SHOWN_BYTES)
    except BadRecord as error:
        return error.reason
    more = refused["raw_size"] - len(data)
    return printable_bytes(data) + (f"\n… and {more:,} bytes more (--raw writes all)" if more > 0 else "")


def printable_bytes(data: bytes) -> str:
    return printable(data.decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """What moves the cursor, colours, or turns the direction of text is shown by its number."""
    shown = (one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)
    return "".join(shown)


def _row(file: SourceFile, number: int) -> str | None:
    """As it stands in the file; of Parquet as JSON."""
    suffix = file.path.suffix.lower()
    if suffix == ".parquet":
        text = _row_of_parquet(file.path, number)
    elif suffix in (".jsonl", ".ndjson"):
        text = _row_of_lines(file.path, number)
    else:
        text = _row_of_csv(file.path, number)
    return None if text is None else printable(text.strip("\r\n"))[:SHOWN_BYTES]


def _row_of_lines(path: Path, number: int) -> str | None:
    """Its beginning, as a line may be longer than the memory."""
    at = 1
    with path.open("rb") as file:
        while piece := file.readline(PIECE):
            if at == number:
                return printable_bytes(piece[: 4 * SHOWN_BYTES])
            at += piece.endswith(b"\n")
    return None


def _row_of_csv(path: Path, number: int) -> str | None:
    """Blank lines do not count, the header is row 0, and a quoted field may go on over lines."""
    csv.field_size_limit(LONGEST_FIELD)
    taken: list[str] = []
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        at = -1
        try:
            for _ in csv.reader(_kept(file, taken), delimiter=delimiter_of(path)):
                text = "".join(taken)
                taken.clear()
                at += bool(text.strip("\r\n"))
                if at == number:
                    return text
        except csv.Error:
            return None
    return None


def _kept(lines: IO[str], taken: list[str]) -> Iterator[str]:
    while line := lines.readline(LONGEST_FIELD + 1):
        if len(line) > LONGEST_FIELD:
            raise csv.Error("a line longer than any field")
        taken.append(line)
        yield line


def _row_of_parquet(path: Path, number: int) -> str | None:
    """By the worker: the file is a stranger's."""
    try:
        with Extractor() as extractor:
            return next((reply["text"] for reply in extractor.stream("row", path, number=number)), None)
    except BadRecord:
        return None
