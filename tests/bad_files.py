"""Files that nobody should send, made from a seed: what is done to good ones. See `tests/bad_*.py` for each way in."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000


@dataclass(frozen=True)
class BadFile:
    """`write` makes the file at the path that it is given."""

    name: str
    write: Callable[[Path], object]


def of_bytes(name: str, data: bytes | str) -> BadFile:
    return BadFile(name, lambda path: path.write_bytes(data.encode() if isinstance(data, str) else data))


def mutations(name: str, data: bytes, count: int, chance: random.Random) -> Iterator[BadFile]:
    """Cut off, with bits turned, bytes overwritten, a piece doubled, or noise put in."""
    stem, _, suffix = name.rpartition(".")
    for number in range(count):
        yield of_bytes(f"{stem}-{number:03}.{suffix}", _mutated(data, number % 5, chance))


def _mutated(data: bytes, how: int, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    if how == 0:
        return data[:at]
    if how == 1:
        turned = bytearray(data)
        for _ in range(chance.randrange(1, 20)):
            turned[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(turned)
    piece = data[at : at + chance.randrange(1, 200)]
    if how == 2:
        return data[:at] + chance.randbytes(len(piece)) + data[at + len(piece) :]
    if how == 3:
        return data[:at] + piece * chance.randrange(2, 50) + data[at:]
    return (
        data[:at] + chance.choice([b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b'"', b"\x1a", b"\xc0\x80"]) + data[at:]
    )


def repeated(path: Path, start: bytes, piece: bytes, times: int, end: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(start)
        for _ in range(times):
            file.write(piece)
        file.write(end)
