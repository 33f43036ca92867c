"""What erasure takes from bronze: which rows and objects, and in which order they go.

Objects go before the rows that name them, and messages last: until then a second run finds all that is left to do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, Bronze, Commit, equals
from lakehouse.erased import digest
from lakehouse.erasure_files import BronzeFiles
from lakehouse.erasure_search import Search, count_rows, named_objects
from lakehouse.quarantine import Row
from lakehouse.state import deletion, key_of
from lakehouse.threads import EXTRACTION, Thread, land_conversations, path_of

TEXT: Final = "text or raw file"
CONTAINER: Final = "chat export or reply of an API"
REFUSED: Final = "refused bytes"
UNNAMED: Final = "named by no row"


@dataclass(frozen=True)
class Target:
    """One document of a tenant, by source and path; without them the tenant as a whole."""

    tenant_id: str
    source: str = ""
    path: str = ""

    @property
    def is_tenant(self) -> bool:
        return not self.path

    @property
    def digest(self) -> str:
        return "" if self.is_tenant else digest(self.source, self.path)

    def describe(self) -> str:
        return f"tenant '{self.tenant_id}'" if self.is_tenant else f"document '{self.path}' of '{self.source}'"


@dataclass(frozen=True)
class Plan:
    """All of it is found again by a second run, as long as the messages are there.

    rows: of bronze, by table. messages: channel and id of those that go, in all their states. copies: path and object
    of versions of other conversations that hold some of them; retold: those conversations. objects: what goes, by
    hash, and what it is. kept: what stays, and why.
    """

    target: Target
    rows: Mapping[str, int]
    messages: frozenset[tuple[str, str]] = frozenset()
    copies: frozenset[tuple[str, str]] = frozenset()
    retold: frozenset[Thread] = frozenset()
    objects: Mapping[str, str] = field(default_factory=dict)
    refused_bytes: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """Those of the document, and of the conversations that lose versions."""
        return frozenset({self.target.path, *(path for path, _ in self.copies)})

    @property
    def containers(self) -> list[str]:
        return sorted(sha256 for sha256, what in self.objects.items() if what == CONTAINER)

    @property
    def unnamed(self) -> list[str]:
        return sorted(sha256 for sha256, what in self.objects.items() if what == UNNAMED)


_TELLING: Final = ("documents", "quarantine", "messages")


def make_plan(bronze: Bronze, target: Target) -> Plan:
    """What there is to erase in bronze. Nothing is written."""
    if target.is_tenant:
        predicate = equals("tenant_id", target.tenant_id)
        return Plan(target, {table: count_rows(bronze, table, predicate) for table in TABLES})
    lines = bronze.changes("documents", predicate=_of_source(target))[0].to_pylist()
    own = [row for row in lines if row["path"] == target.path]
    told = _messages(bronze, target)
    retold = frozenset((row["channel"], row["thread_id"]) for row in told) - _threads_at(told, target.path)
    search = Search(bronze, target.tenant_id, told, own)
    others = {path_of(*thread) for thread in retold}
    copies = [
        row
        for row in lines
        if row["path"] in others and row["extraction"] == EXTRACTION and search.holds_lines(row["object_sha256"])
    ]
    plan = Plan(
        target,
        rows={},
        messages=frozenset((row["channel"], row["message_id"]) for row in told),
        copies=frozenset((row["path"], row["object_sha256"]) for row in copies),
        retold=retold,
    )
    return _with_objects(bronze, plan, [*own, *copies], told, search)


def _with_objects(
    bronze: Bronze, plan: Plan, documents: list[dict[str, Any]], told: list[dict[str, Any]], search: Search
) -> Plan:
    target = plan.target
    containers = {row["object_sha256"] for row in told} | (search.containers_of(target.source) if told else set())
    containers |= {row["raw_sha256"] for row in documents if row["extraction"] == EXTRACTION}
    texts = {row[name] for row in documents for name in ("object_sha256", "raw_sha256")} - containers
    refused = search.refusals(target.source, target.path, containers)
    plan = replace(plan, objects=dict.fromkeys(containers, CONTAINER), refused_bytes=frozenset(refused))
    named = named_objects(bronze, target.tenant_id, doomed := _doomed(plan))
    found = dict.fromkeys(refused, REFUSED) | dict.fromkeys(texts, TEXT)
    goes = {sha256: what for sha256, what in found.items() if sha256 not in named} | dict(plan.objects)
    others = BronzeFiles(bronze).objects(target.tenant_id).keys() - named - found.keys() - containers
    return replace(
        plan,
        rows={table: count_rows(bronze, table, predicate) for table, predicate in doomed.items()},
        objects=goes | {sha256: UNNAMED for sha256 in others if search.holds(sha256)},
        kept=tuple(f"object {sha256}: other rows of the tenant name it" for sha256 in sorted(found.keys() & named)),
    )


def erase_rows(bronze: Bronze, plan: Plan, *, now: datetime) -> int:
    """Objects, then the rows that name them; returns how many bytes of objects went."""
    target, files = plan.target, BronzeFiles(bronze)
    if target.is_tenant:
        freed = files.remove_tenant(target.tenant_id)
        for table in TABLES:
            bronze.remove(table, equals("tenant_id", target.tenant_id))
        return freed
    _retell(bronze, plan, now)
    freed = sum(files.remove_object(target.tenant_id, sha256) for sha256 in plan.objects)
    for table, doomed in _doomed(plan).items():
        bronze.remove(table, doomed)
    return freed + files.remove_leftovers(target.tenant_id)


def drop_old_files(bronze: Bronze, target: Target) -> int:
    """Parquet files of earlier versions, of which time travel ends here; of a tenant its names in the logs as well."""
    files = BronzeFiles(bronze)
    touched = TABLES if target.is_tenant else _TELLING
    tables = [table for table in touched if bronze.version(table) is not None]
    dropped = sum(files.drop_old_files(table) for table in tables)
    if target.is_tenant:
        for table in tables:
            files.forget_tenant(table, target.tenant_id)
    return dropped


def _retell(bronze: Bronze, plan: Plan, now: datetime) -> None:
    """Conversations that the messages were in at other times are written anew without them."""
    if not plan.retold:
        return
    target = plan.target
    rows = bronze.changes("messages", predicate=_of_messages(plan))[0].to_pylist()
    latest = {key_of("messages", row): row for row in rows}
    gone = [deletion(row, now) for row in latest.values() if not row["deleted"]]
    if gone:
        bronze.commit("messages", lambda _: Commit(pa.Table.from_pylist(gone, schema=TABLES["messages"])))
    for classification, threads in _by_classification(bronze, plan).items():
        land_conversations(bronze, target.tenant_id, target.source, classification, now, threads)


def _by_classification(bronze: Bronze, plan: Plan) -> dict[str, set[Thread]]:
    of = _among("path", {path_of(*thread) for thread in plan.retold})
    rows = bronze.changes("documents", predicate=_of_source(plan.target) & of)[0].to_pylist()
    said = {row["path"]: row["classification"] for row in rows}
    found: dict[str, set[Thread]] = {}
    for thread in plan.retold:
        found.setdefault(said.get(path_of(*thread), "internal"), set()).add(thread)
    return found


def _doomed(plan: Plan) -> dict[str, pc.Expression]:
    """By table, in the order in which they go."""
    target = plan.target
    documents = pc.field("path") == target.path
    for path, sha256 in sorted(plan.copies):
        documents |= equals("path", path) & equals("object_sha256", sha256)
    refused = equals("source", target.source) & equals("path", target.path)
    refused |= _among("raw_sha256", plan.refused_bytes | set(plan.containers))
    for sha256 in plan.containers:
        refused |= pc.match_substring(pc.field("flags"), sha256)
    doomed = {
        "documents": _of_source(target) & documents,
        "quarantine": equals("tenant_id", target.tenant_id) & refused,
    }
    return doomed | ({"messages": _of_messages(plan)} if plan.messages else {})


def _of_messages(plan: Plan) -> pc.Expression:
    by_channel: dict[str, list[str]] = {}
    for channel, message_id in sorted(plan.messages):
        by_channel.setdefault(channel, []).append(message_id)
    each = [equals("channel", channel) & _among("message_id", ids) for channel, ids in by_channel.items()]
    return _of_source(plan.target) & reduce(lambda left, right: left | right, each)


def _of_source(target: Target) -> pc.Expression:
    return equals("tenant_id", target.tenant_id) & equals("source", target.source)


def _among(column: str, values: Iterable[str]) -> pc.Expression:
    return pc.field(column).isin(pa.array(sorted(values), pa.string()))  # typed, as none may be among them


def _messages(bronze: Bronze, target: Target) -> list[dict[str, Any]]:
    """All states of those that were ever in the conversation at the path, also under the channel's other names."""
    slashes = [position for position, letter in enumerate(target.path) if letter == "/"]
    threads = [target.path[position + 1 :] for position in slashes]
    in_threads = _of_source(target) & _among("thread_id", threads)
    rows = bronze.changes("messages", predicate=in_threads)[0].to_pylist()
    own = [row for row in rows if path_of(row["channel"], row["thread_id"]) == target.path]
    if not own:
        return []
    ids = _among("message_id", {row["message_id"] for row in own})
    states = bronze.changes("messages", predicate=_of_source(target) & ids)[0].to_pylist()
    said = {_said(row) for row in own}
    keys = {key_of("messages", row) for row in own} | {key_of("messages", row) for row in states if _said(row) in said}
    return [row for row in states if key_of("messages", row) in keys]


def _said(row: Row) -> tuple[Any, ...]:
    """A message that moved to another name of its channel says the same there."""
    return row["message_id"], row["ts"], row["author"], row["text"]


def _threads_at(told: list[dict[str, Any]], path: str) -> set[Thread]:
    found = {(row["channel"], row["thread_id"]) for row in told}
    return {thread for thread in found if path_of(*thread) == path}
