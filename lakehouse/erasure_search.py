"""Which stored bytes hold what is to be erased where no row says so: exports, refused bytes, objects without a row."""

import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.bronze import TABLES, VERSION, Bronze, equals, open_dataset, reaching
from lakehouse.chats import read_chat
from lakehouse.errors import BadRecord, UnknownObject
from lakehouse.quarantine import Row
from lakehouse.sources.files import SourceFile
from lakehouse.threads import EXTRACTION, conversations

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

NAMING: Final[Mapping[str, tuple[str, ...]]] = {
    "telemetry": ("object_sha256",),
    "events": ("object_sha256",),
    "messages": ("object_sha256",),
    "documents": ("object_sha256", "raw_sha256"),
    "quarantine": ("raw_sha256", "flags"),
}
TELLING: Final = 24  # bytes; a shorter line may stand in anybody's text
LARGEST_REPLY: Final = 5_000_000


class Search:
    """told: all states of the messages that go. own: the rows of the document."""

    def __init__(self, bronze: Bronze, tenant_id: str, told: Collection[Row], own: Collection[Row]) -> None:
        self._bronze, self._tenant_id = bronze, tenant_id
        self._instants = {(row["message_id"], row["ts"]) for row in told}
        self._ids = {row["message_id"] for row in told}
        self._told = {_line(row) for row in told}
        self._traces = {_trace(tenant_id, row) for row in told}
        self._texts = [text for row in own if row["extraction"] != EXTRACTION for text in self._lines_of(row)]

    def holds_lines(self, sha256: str) -> bool:
        """Whether the text of a conversation has one of the messages. An erasure that was cut off took it already."""
        data = self._read(sha256)
        return data is None or not self._told.isdisjoint(data.splitlines())

    def containers_of(self, source: str) -> set[str]:
        """Of the exports and replies that messages of the source came from, those that hold one that goes."""
        predicate = equals("tenant_id", self._tenant_id) & equals("source", source)
        column = _columns(self._bronze, "messages", ["object_sha256"], predicate)
        return {row["object_sha256"] for row in column if self._holds_messages(row["object_sha256"])}

    def refusals(self, source: str, path: str, containers: Collection[str]) -> set[str]:
        """The bytes of what was refused at the path, or cut out of a container, or holds one of the messages."""
        columns = ["source", "path", "stage", "raw_sha256", "flags"]
        rows = _columns(self._bronze, "quarantine", columns, equals("tenant_id", self._tenant_id))
        return {
            row["raw_sha256"]
            for row in rows
            if row["raw_sha256"] is not None
            and row["raw_sha256"] not in containers
            and (
                (row["source"], row["path"]) == (source, path)
                or _export(row) in containers
                or (row["stage"] == "chats" and self._holds_messages(row["raw_sha256"]))
            )
        }

    def holds(self, sha256: str) -> bool:
        """For what no row names."""
        data = self._read(sha256) or b""
        if any(text in data for text in (*self._texts, *self._traces)):
            return True
        return self._holds_messages(sha256)

    def _lines_of(self, row: Row) -> list[bytes]:
        text = self._read(row["object_sha256"]) or b""
        return [line.strip() for line in text.splitlines() if len(line.strip()) >= TELLING]

    def _holds_messages(self, sha256: str) -> bool:
        if not self._ids or not (data := self._read(sha256)):
            return False
        if not self._told.isdisjoint(data.splitlines()):
            return True
        if (stamps := _stamps(data)) is not None:
            return not self._ids.isdisjoint(stamps)
        try:
            with TemporaryDirectory() as folder:
                path = Path(folder, "export")
                path.write_bytes(data)
                chat = read_chat(SourceFile(path, path.name))
        except BadRecord:
            return any(json.dumps(name).encode() in data for name in self._ids)
        return any((message.message_id, message.ts) in self._instants for message in chat.messages)

    def _read(self, sha256: str) -> bytes | None:
        try:
            return self._bronze.objects.get(self._tenant_id, sha256)
        except UnknownObject:
            return None


def named_objects(bronze: Bronze, tenant_id: str, doomed: Mapping[str, pc.Expression]) -> set[str]:
    """Every object that a row of the tenant names, rows that go left out."""
    named: set[str] = set()
    for table, columns in NAMING.items():
        predicate = equals("tenant_id", tenant_id)
        if table in doomed:
            predicate &= ~pc.coalesce(doomed[table], pc.scalar(False))
        for row in _columns(bronze, table, list(columns), predicate):
            named |= {value for name, value in row.items() if value and name != "flags"}
            if export := _export(row):
                named.add(export)
    return named


def count_rows(bronze: Bronze, table: str, predicate: pc.Expression) -> int:
    if bronze.version(table) is None:
        return 0
    with reaching(bronze.url):
        return int(_dataset(bronze, table).count_rows(filter=predicate))


def _columns(bronze: Bronze, table: str, columns: list[str], predicate: pc.Expression) -> list[dict[str, Any]]:
    """Each combination of values once."""
    if bronze.version(table) is None:
        return []
    with reaching(bronze.url):
        found = _dataset(bronze, table).to_table(columns=columns, filter=predicate)
    return [dict(row) for row in found.group_by(columns).aggregate([]).to_pylist()]


def _dataset(bronze: Bronze, table: str) -> "Dataset":
    target = DeltaTable(bronze.table_uri(table), storage_options=bronze.objects.delta_options())
    return open_dataset(target, TABLES[table].append(VERSION))


def _line(row: Row) -> bytes:
    (conversation,) = conversations([{**row, "deleted": False}])
    return conversation.text.encode().rstrip(b"\n")


def _trace(tenant_id: str, row: Row) -> bytes:
    """What an incident's line in gold, and the texts that gold writes of incidents, tell of a message."""
    if row["author"] is None:
        return f"a message in {row['channel']}".encode()
    name = json.dumps(["participant", tenant_id, row["author"]], ensure_ascii=False)
    return f"p-{sha256(name.encode()).hexdigest()[:20]} wrote in {row['channel']}".encode()


def _export(row: Row) -> str | None:
    said = json.loads(row["flags"]) if row.get("flags") else {}
    return said.get("export")


def _stamps(data: bytes) -> list[str] | None:
    """The messages of a reply of Slack's API; None where it is none."""
    if len(data) > LARGEST_REPLY or not data.lstrip().startswith(b"{"):
        return None
    try:
        messages = json.loads(data).get("messages")
    except ValueError:
        return None
    if not isinstance(messages, list) or not all(isinstance(one, dict) and "ts" in one for one in messages):
        return None
    return [str(one["ts"]) for one in messages]
