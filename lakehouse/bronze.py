"""Bronze: append-only Delta tables beside the objects. A commit names the inputs that it lands, so none lands twice."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from lakehouse.errors import ObjectStoreUnavailable, Refused
from lakehouse.objects import ObjectStore, folder_of

TIME: Final = pa.timestamp("us", tz="UTC")


def _schema(columns: str, **others: pa.DataType) -> pa.Schema:
    """Columns in the order named; text unless `others` says different."""
    return pa.schema([(name, others.get(name, pa.string())) for name in columns.split()])


TABLES: Final[Mapping[str, pa.Schema]] = {
    "telemetry": _schema(
        "tenant_id dt device_id metric ts value unit site model firmware source object_sha256 row_number recorded_at",
        dt=pa.date32(),
        ts=TIME,
        value=pa.float64(),
        row_number=pa.int64(),
        recorded_at=TIME,
    ),
    "events": _schema(
        "tenant_id event_id device_id event_type ts severity message attributes site model firmware source "
        "object_sha256 row_number recorded_at",
        ts=TIME,
        row_number=pa.int64(),
        recorded_at=TIME,
    ),
    "messages": _schema(
        "tenant_id source channel message_id thread_id author ts text edited_at deleted object_sha256 recorded_at",
        ts=TIME,
        edited_at=TIME,
        deleted=pa.bool_(),
        recorded_at=TIME,
    ),
    "documents": _schema(
        "tenant_id source path kind title object_sha256 raw_sha256 media_type extraction byte_start byte_end product "
        "version_from version_to valid_from classification url deleted recorded_at",
        byte_start=pa.int64(),
        byte_end=pa.int64(),
        valid_from=TIME,
        deleted=pa.bool_(),
        recorded_at=TIME,
    ),
    "quarantine": _schema(
        "tenant_id source path record code reason raw_sha256 raw_size stage recorded_at",
        record=pa.int64(),
        raw_size=pa.int64(),
        recorded_at=TIME,
    ),
}
COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")  # delta-rs paints the text of some errors
PARTITIONS: Final = ["tenant_id"]
CONFIGURATION: Final = {"delta.enableChangeDataFeed": "true"}
# Each try means that another writer landed some of the same inputs meanwhile; there are only so many to land.
TRIES: Final = 20


def equals(column: str, value: str) -> str:
    """A predicate for `changes`."""
    quoted = value.replace("'", "''")
    return f"{column} = '{quoted}'"


class AlreadyLanded(Exception):
    """Some of the inputs of a commit are in the table, or were put there while it was written. Look, and try again."""


class Bronze:
    """Tables and objects below one URL. The same code for `file://` and `s3://`."""

    def __init__(self, url: str, objects: ObjectStore) -> None:
        self.url = url
        self.objects = objects

    def append(self, table: str, rows: pa.Table, transactions: Sequence[str]) -> int:
        """One commit of `rows`, which names `transactions` as landed; returns its Delta version.

        Raises AlreadyLanded where one of them is in the table already, also when a writer beside this one just did it.
        """
        with self._reaching():
            target = self._open(table) or self._create(table)
            if any(target.transaction_version(name) is not None for name in transactions):
                raise AlreadyLanded(table)
            named = CommitProperties(app_transactions=[Transaction(name, 1) for name in transactions])
            try:
                write_deltalake(target, rows.cast(TABLES[table]), mode="append", commit_properties=named)
            except CommitFailedError as error:
                raise AlreadyLanded(table) from error
            return target.version()

    def append_missing(self, table: str, rows: Mapping[str, pa.Table]) -> set[str]:
        """Land, in one commit, the rows of each transaction that is not in the table yet. Returns those landed now."""
        for _ in range(TRIES):
            done = self.landed(table, rows)
            missing = {name: part for name, part in rows.items() if name not in done}
            if not missing:
                return set()
            try:
                self.append(table, pa.concat_tables(missing.values()), list(missing))
            except AlreadyLanded:
                continue
            return set(missing)
        raise Refused(f"bronze table '{table}' is written by too many others at once: try again when they are done")

    def landed(self, table: str, transactions: Collection[str]) -> set[str]:
        """Which of these are committed."""
        with self._reaching():
            target = self._open(table)
            if target is None:
                return set()
            return {name for name in transactions if target.transaction_version(name) is not None}

    def changes(self, table: str, after: int | None = None, predicate: str | None = None) -> tuple[pa.Table, int]:
        """Rows appended after that Delta version, with the column `bronze_version`, and the latest version.

        Oldest commit first; those of one commit come in any order. A table that is not there yet has version -1.
        """
        rows, version = self.stream(table, after, predicate)
        return rows.read_all().sort_by("bronze_version"), version

    def stream(
        self, table: str, after: int | None = None, predicate: str | None = None
    ) -> tuple[pa.RecordBatchReader, int]:
        """The same rows in no order, a few thousand at a time: a million of them as a table take a gigabyte."""
        schema = TABLES[table].append(pa.field("bronze_version", pa.int64()))
        with self._reaching():
            target = self._open(table)
            first = 0 if after is None else after + 1
            if target is None or target.version() < first:
                return schema.empty_table().to_reader(), -1 if target is None else target.version()
            feed = target.load_cdf(
                starting_version=first,
                ending_version=target.version(),
                columns=[*TABLES[table].names, "_commit_version"],
                predicate=predicate,
            )
        return pa.RecordBatchReader.from_batches(schema, self._batches(feed, schema)), target.version()

    def _batches(self, feed: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in pa.RecordBatchReader.from_stream(feed):
                renamed = batch.rename_columns([*batch.schema.names[:-1], "bronze_version"])
                yield renamed.select(schema.names).cast(schema)
        except pa.ArrowException as error:  # what delta-rs says while rows are read arrives in Arrow's words
            raise ObjectStoreUnavailable(self.url, error) from error

    def version(self, table: str) -> int | None:
        """The latest Delta version; None where nothing was ever landed."""
        with self._reaching():
            target = self._open(table)
            return None if target is None else target.version()

    def table_uri(self, table: str) -> str:
        return f"{self.url}/{table}"

    def _open(self, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(self.table_uri(table), storage_options=self.objects.delta_options())
        except TableNotFoundError:
            return None

    def _create(self, table: str) -> DeltaTable:
        if self.url.startswith("file://"):
            folder_of(self.table_uri(table)).mkdir(parents=True, exist_ok=True)
        arguments: dict[str, Any] = {
            "schema": TABLES[table],
            "partition_by": PARTITIONS,
            "configuration": CONFIGURATION,
            "storage_options": self.objects.delta_options(),
        }
        try:
            return DeltaTable.create(self.table_uri(table), mode="ignore", **arguments)
        except DeltaError:
            # Two writers create it at once: the second finds it made. Anything else is still an error.
            if (created := self._open(table)) is None:
                raise
            return created

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """delta-rs reports a storage that does not answer as OSError, or as a DeltaError of its own."""
        try:
            yield
        except (OSError, DeltaError) as error:
            raise ObjectStoreUnavailable(self.url, COLOURS.sub("", str(error))) from error
