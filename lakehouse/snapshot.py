"""A Delta table of bronze as one version of it."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.errors import ObjectStoreUnavailable, Refused
from lakehouse.log_positions import Positions, in_folder, read_positions
from lakehouse.tables import TABLES, VERSION

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")  # delta-rs paints the text of some errors
FEW: Final = 3  # names that are sooner looked up one by one than by reading the log
# Two files are read ahead, in pieces: a million rows of telemetry as one table take a gigabyte.
READING: Final = {"batch_size": 32_768, "batch_readahead": 2, "fragment_readahead": 2}


class Snapshot:
    """A table as one version of it. Version -1: it does not exist yet."""

    def __init__(self, url: str, table: str, target: DeltaTable | None, positions: Positions | None = None) -> None:
        if target is not None and VERSION.name not in (field.name for field in target.schema().fields):
            raise Refused(
                f"bronze table '{table}' at {url} was written before rows held the version that brought them: "
                "ingest its sources again into an empty bronze (IOTOPS_BRONZE_URL)"
            )
        self._url = url
        self._schema = TABLES[table].append(VERSION)
        self._target = target
        self.version = -1 if target is None else target.version()
        self.known = positions  # those of an earlier version, until they are asked for

    def position(self, name: str) -> int | None:
        """What the commits up to this version remember by that name."""
        return self.positions([name]).get(name)

    def positions(self, names: Collection[str]) -> dict[str, int]:
        """The same for many; names that nothing is remembered by are left out."""
        if self._target is None:
            return {}
        with reaching(self._url):
            if len(names) > FEW or self.known is not None:
                self.known = read_positions(self._target, self.known)
                known = self.known.names
                return {name: known[name] for name in names if name in known}
            found = {name: self._target.transaction_version(name) for name in names}
            return {name: position for name, position in found.items() if position is not None}

    def stream(self, predicate: pc.Expression | None = None, after: int | None = None) -> pa.RecordBatchReader:
        """Rows of the versions after `after`, with `bronze_version`, in no order, a few thousand at a time."""
        if self._target is None or (after is not None and after >= self.version):
            return self._schema.empty_table().to_reader()
        wanted = [] if predicate is None else [predicate]
        newer = None
        if after is not None:
            wanted.append(pc.field(VERSION.name) > after)
            newer = [(VERSION.name, ">", after)]  # skips files by the log alone, without a look at them
        found = open_dataset(self._target, self._schema, newer).scanner(filter=_all(wanted), **READING).to_reader()
        return pa.RecordBatchReader.from_batches(self._schema, self._batches(found))

    def read(self, predicate: pc.Expression | None = None, after: int | None = None) -> pa.Table:
        """The same rows, oldest commit first; those of one commit come in any order."""
        with reaching(self._url):
            return self.stream(predicate, after).read_all().sort_by(VERSION.name)

    def _batches(self, found: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with reaching(self._url):
            yield from found


def open_dataset(target: DeltaTable, schema: pa.Schema, newer: list[tuple[str, str, int]] | None = None) -> "Dataset":
    """The data files of a table. newer: which of them, by what the log says of them."""
    return target.to_pyarrow_dataset(filesystem=in_folder(target), schema=schema, file_pruning_predicate=newer)


def _all(predicates: Sequence[pc.Expression]) -> pc.Expression | None:
    joined = None
    for predicate in predicates:
        joined = predicate if joined is None else joined & predicate
    return joined


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """delta-rs reports a storage that does not answer as OSError, as a DeltaError of its own, or in Arrow's words."""
    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise ObjectStoreUnavailable(url, COLOURS.sub("", str(error))) from error
