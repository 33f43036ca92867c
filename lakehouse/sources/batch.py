"""Raw columns with the number of each row, before anything is interpreted."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from lakehouse.errors import BadRecord

# Rows of one block. Each is an object until it is told of.
MOST_BAD: Final = 200_000


@dataclass(frozen=True)
class BadRow:
    """A row that could not be cut into columns."""

    number: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """numbers: which row of the file each one is. A CSV's first row after the header is 1 and blank lines do not count;
    in JSON lines it is the number of the line.

    objects: the rows as JSON had them, where they were read one by one.
    """

    columns: pa.Table
    numbers: pa.Array
    bad: tuple[BadRow, ...] = ()
    objects: tuple[dict[str, Any], ...] | None = None


def too_many_bad(count: int) -> BadRecord:
    return BadRecord("too_many_bad", f"{count:,} of its rows cannot be read, most of those there are: correct the file")
