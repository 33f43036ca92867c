"""Bronze: append-only Delta tables beside the objects. A commit names the inputs that it lands, so none lands twice."""

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import parquet

from lakehouse.durable_log import entry_path, make_folder, sync, sync_log, take_torn_entry_aside
from lakehouse.errors import Refused
from lakehouse.log_positions import Positions
from lakehouse.objects import ObjectStore, folder_of
from lakehouse.snapshot import Snapshot as Snapshot
from lakehouse.snapshot import open_dataset as open_dataset
from lakehouse.snapshot import reaching as reaching
from lakehouse.tables import CONFIGURATION, PARTITIONS
from lakehouse.tables import TABLES as TABLES
from lakehouse.tables import TIME as TIME
from lakehouse.tables import VERSION as VERSION
from lakehouse.tables import equals as equals
from lakehouse.without_pandas import leave_pandas_out

# Each try means that another writer committed meanwhile.
TRIES: Final = 100
BUSY: Final = "bronze table '{table}' is written by too many others at once: try again when they are done"
# A batch becomes a row group.
REWRITING: Final = {"batch_size": 262_144, "batch_readahead": 1, "fragment_readahead": 1}


class AlreadyLanded(Exception):
    """Some of the inputs of a commit are in the table. Look, and try again."""


@dataclass(frozen=True)
class Commit:
    """rows: to append. positions: what the table remembers from now on, by name, in the same commit.

    forgettable: after `lakehouse.tables.REMEMBERED` the table may forget them.
    """

    rows: pa.Table
    positions: Mapping[str, int] = field(default_factory=dict)
    forgettable: bool = False


@dataclass(frozen=True)
class _Head:
    """A table as its last commit left it, and which file its log ended with."""

    target: DeltaTable | None
    positions: Positions | None = None
    entry: tuple[int, int] | None = None


@dataclass
class _Rewritten:
    """What a commit is to do to the files of a table, and how many rows are gone by it."""

    actions: list[AddAction | RemoveAction] = field(default_factory=list)
    removed: int = 0


class Bronze:
    """Tables and objects below one URL. The same code for `file://` and `s3://`."""

    def __init__(self, url: str, objects: ObjectStore) -> None:
        leave_pandas_out()
        self.url = url
        self.objects = objects
        self._heads: dict[str, _Head] = {}

    def commit(self, table: str, decide: Callable[[Snapshot], Commit | None]) -> int | None:
        """Append what `decide` finds missing in the table; returns the Delta version, None where nothing was missing.

        It is committed only onto the very snapshot that was decided upon. Where another writer was faster, it is
        decided again, so two at once land each input once. On return it is durable.
        """
        for _ in range(TRIES):
            with reaching(self.url):
                head = self._open_head(table)
            target, snapshot = head.target, Snapshot(self.url, table, head.target, head.positions)
            wanted = decide(snapshot)
            with reaching(self.url):
                if wanted is None:
                    self._sync(table, -1 if target is None else target.version())
                    self._keep_head(table, target, snapshot.known)
                    return None
                if target is None:
                    self._create(table)
                    continue
                version = target.version() + 1
                if self._write(table, target, wanted):
                    self._keep_head(table, target, snapshot.known)
                    return version
        raise Refused(BUSY.format(table=table))

    def remove(self, table: str, doomed: pc.Expression) -> int:
        """Take the rows that match out of the table, by one durable commit; returns how many they were.

        Other rows of their files are written again, with their own `bronze_version`. The files themselves stay on disk
        for readers of earlier versions, until a vacuum.
        """
        for _ in range(TRIES):
            with reaching(self.url):
                if (target := self._open(table)) is None:
                    return 0
                rewritten = self._without(table, target, doomed)
                if not rewritten.removed:
                    return 0
                if self._publish(table, target, rewritten.actions):
                    return rewritten.removed
        raise Refused(BUSY.format(table=table))

    def put_back(self, table: str, decide: Callable[[Snapshot], pa.Table]) -> int:
        """Like `commit`, of rows of one tenant that bear the versions which once brought them; returns how many."""
        for _ in range(TRIES):
            with reaching(self.url):
                target = self._open(table) or self._create(table)
            if not (rows := decide(Snapshot(self.url, table, target))).num_rows:
                return 0
            part, tenant_id = rows.drop_columns(["tenant_id"]).combine_chunks(), rows["tenant_id"][0].as_py()
            with reaching(self.url):
                added = self._put_part(table, tenant_id, target.version() + 1, part.schema, part.to_batches())
                if self._publish(table, target, [added]):
                    return int(rows.num_rows)
        raise Refused(BUSY.format(table=table))

    def append(self, table: str, rows: pa.Table, transactions: Sequence[str]) -> int:
        """One commit of `rows`, which names `transactions` as landed; returns its Delta version.

        Raises AlreadyLanded where one of them is in the table.
        """

        def decide(snapshot: Snapshot) -> Commit:
            if snapshot.positions(transactions):
                raise AlreadyLanded(table)
            return Commit(rows, dict.fromkeys(transactions, 1))

        version = self.commit(table, decide)
        assert version is not None  # noqa: S101 - decide never says that nothing is missing
        return version

    def append_missing(self, table: str, rows: Mapping[str, pa.Table]) -> set[str]:
        """Land, in one commit, the rows of each transaction that is not in the table yet. Returns those landed now."""
        missing: set[str] = set()

        def decide(snapshot: Snapshot) -> Commit | None:
            nonlocal missing
            missing = rows.keys() - snapshot.positions(rows)
            if not missing:
                return None
            return Commit(pa.concat_tables(rows[name] for name in rows if name in missing), dict.fromkeys(missing, 1))

        self.commit(table, decide)
        return missing

    def landed(self, table: str, transactions: Collection[str]) -> set[str]:
        """Which of these are committed."""
        return set(self.snapshot(table).positions(transactions))

    def changes(
        self, table: str, after: int | None = None, predicate: pc.Expression | None = None
    ) -> tuple[pa.Table, int]:
        """Rows appended after that Delta version, with the column `bronze_version`, and the latest version.

        Oldest commit first; those of one commit come in any order. A table that is not there yet has version -1.
        """
        snapshot = self.snapshot(table)
        return snapshot.read(predicate, after), snapshot.version

    def stream(
        self, table: str, after: int | None = None, predicate: pc.Expression | None = None
    ) -> tuple[pa.RecordBatchReader, int]:
        """The same rows in no order, a few thousand at a time."""
        snapshot = self.snapshot(table)
        with reaching(self.url):
            return snapshot.stream(predicate, after), snapshot.version

    def snapshot(self, table: str) -> Snapshot:
        with reaching(self.url):
            return Snapshot(self.url, table, self._open(table))

    def version(self, table: str) -> int | None:
        """The latest Delta version; None where nothing was ever landed."""
        version = self.snapshot(table).version
        return version if version >= 0 else None

    def table_uri(self, table: str) -> str:
        return f"{self.url}/{table}"

    def _open(self, table: str) -> DeltaTable | None:
        uri, options = self.table_uri(table), self.objects.delta_options()
        try:
            return DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            return None
        except DeltaError:
            if not self.url.startswith("file://") or not take_torn_entry_aside(folder_of(uri)):
                raise
            return DeltaTable(uri, storage_options=options)

    def _open_head(self, table: str) -> _Head:
        """The newest version, by way of the table that the commit before left: of 50 entries in the log, only the new
        ones are read. No other thread has it meanwhile."""
        head = self._heads.pop(table, None)
        if head is None or head.target is None or head.entry != self._entry(table, head.target.version()):
            return _Head(self._open(table))
        head.target.update_incremental()
        return head

    def _keep_head(self, table: str, target: DeltaTable | None, positions: Positions | None) -> None:
        if target is not None and (entry := self._entry(table, target.version())):
            self._heads[table] = _Head(target, positions, entry)

    def _entry(self, table: str, version: int) -> tuple[int, int] | None:
        """What tells the log's entry from that of a table which took the place of this one; None outside folders."""
        if not self.url.startswith("file://"):
            return None
        try:
            found = entry_path(folder_of(self.table_uri(table)), version).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _create(self, table: str) -> DeltaTable:
        if self.url.startswith("file://"):
            make_folder(folder_of(self.table_uri(table)))
        arguments: dict[str, Any] = {
            "schema": TABLES[table].append(VERSION),
            "partition_by": PARTITIONS,
            "configuration": CONFIGURATION,
            "storage_options": self.objects.delta_options(),
        }
        try:
            created = DeltaTable.create(self.table_uri(table), mode="ignore", **arguments)
        except DeltaError:
            # Two writers create it at once: the second finds it made. Anything else is still an error.
            if (found := self._open(table)) is None:
                raise
            created = found
        self._sync(table, 0)
        return created

    def _write(self, table: str, target: DeltaTable, wanted: Commit) -> bool:
        version, rows = target.version() + 1, wanted.rows.cast(TABLES[table])
        actions: list[AddAction | RemoveAction] = []
        for tenant_id in rows["tenant_id"].unique().to_pylist():
            part = rows.filter(pc.equal(rows["tenant_id"], tenant_id)).drop_columns(["tenant_id"])
            part = part.append_column(VERSION, pa.repeat(pa.scalar(version, VERSION.type), len(part)))
            actions.append(self._put_part(table, tenant_id, version, part.schema, part.combine_chunks().to_batches()))
        return self._publish(table, target, actions, wanted)

    def _publish(
        self, table: str, target: DeltaTable, actions: list[AddAction | RemoveAction], wanted: Commit | None = None
    ) -> bool:
        """Whether they are committed as the next version, and durable. If not, their files are no part of the table,
        and a vacuum takes them: removing them here would be wrong where the store did commit and its reply was lost.

        wanted: whose positions are to be remembered.
        """
        version, identity = target.version() + 1, uuid.uuid4().hex
        schema = TABLES[table].append(VERSION)
        properties = CommitProperties(
            custom_metadata={"iotops.commit": identity},
            max_commit_retries=0,  # the rows bear the number of this very version
            app_transactions=_transactions(wanted) if wanted else None,
        )
        try:
            target.create_write_transaction(actions, "append", schema, PARTITIONS, commit_properties=properties)
        except (DeltaError, OSError) as error:
            # A store whose answer was lost may have done it; delta-rs asks no second time where no answer came.
            if not self._is_of(table, version, identity):
                if isinstance(error, CommitFailedError):
                    return False
                raise
        self._sync(table, version)
        return True

    def _is_of(self, table: str, version: int, identity: str) -> bool:
        newest = self._open(table)
        if newest is None or newest.version() < version:  # it failed, and nobody else's took its place
            return False
        newest.load_as_version(version)
        return any(entry.get("iotops.commit") == identity for entry in newest.history(1))

    def _without(self, table: str, target: DeltaTable, doomed: pc.Expression) -> _Rewritten:
        """The files that hold rows to remove, and what is to stand in their place."""
        from pyarrow.dataset import get_partition_keys

        kept = ~pc.coalesce(doomed, pc.scalar(False))  # an unknown is no match, and stays
        version, moment = target.version() + 1, time.time_ns() // 1_000_000
        rewritten = _Rewritten()
        dataset = open_dataset(target, TABLES[table].append(VERSION))
        for fragment in dataset.get_fragments(filter=doomed):
            if not (found := fragment.scanner(schema=dataset.schema, filter=doomed).count_rows()):
                continue
            rewritten.removed += found
            tenant_id = get_partition_keys(fragment.partition_expression)["tenant_id"]
            place = {"tenant_id": tenant_id}
            rewritten.actions.append(RemoveAction(fragment.path, True, moment, partition_values=place))
            columns = [name for name in dataset.schema.names if name != "tenant_id"]
            if fragment.scanner(schema=dataset.schema, filter=kept).count_rows():
                part = fragment.scanner(schema=dataset.schema, columns=columns, filter=kept, **REWRITING).to_reader()
                rewritten.actions.append(self._put_part(table, tenant_id, version, part.schema, part))
        return rewritten

    def _put_part(
        self, table: str, tenant_id: str, version: int, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
    ) -> AddAction:
        """A Parquet file of one tenant, durable before the log speaks of it."""
        buffer, count, first, last = pa.BufferOutputStream(), 0, version, 0
        with parquet.ParquetWriter(buffer, schema, compression="zstd") as writer:
            for batch in filter(len, batches):
                writer.write_batch(batch)
                count += len(batch)
                bounds = pc.min_max(batch[VERSION.name]).as_py()
                first, last = min(first, bounds["min"]), max(last, bounds["max"])
        data = buffer.getvalue()
        name = f"tenant_id={tenant_id}/{version:012d}-{uuid.uuid4().hex}.parquet"
        self.objects.put_part(f"{table}/{name}", memoryview(data))
        stats = {
            "numRecords": count,
            "minValues": {VERSION.name: first},
            "maxValues": {VERSION.name: last},
            "nullCount": {VERSION.name: 0},
        }
        moment = time.time_ns() // 1_000_000  # the log's own clock, which a vacuum goes by
        return AddAction(name, len(data), {"tenant_id": tenant_id}, moment, True, json.dumps(stats))

    def _sync(self, table: str, version: int) -> None:
        if version >= 0 and self.url.startswith("file://"):
            folder = folder_of(self.table_uri(table))
            sync_log(folder, version)
            if version == 0:
                sync(folder)  # which holds the log's own folder since then


def _transactions(wanted: Commit) -> list[Transaction]:
    moment = time.time_ns() // 1_000_000 if wanted.forgettable else None
    return [Transaction(name, position, moment) for name, position in wanted.positions.items()]
