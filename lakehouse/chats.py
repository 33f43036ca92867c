"""Chat exports to messages, and the conversations that they make up to documents."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from lakehouse.bronze import Bronze, equals
from lakehouse.errors import BadRecord
from lakehouse.messages import CONTENT, land_messages, land_rows, news, rename_channels
from lakehouse.quarantine import Refusal, Refusals
from lakehouse.sources.chat_wire import read_chats, refuse_garbage
from lakehouse.sources.exports import SUFFIXES, sort_of
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger
from lakehouse.sources.messages import Chat, stream_chat_lines
from lakehouse.sources.text import check_text_file
from lakehouse.state import Row
from lakehouse.summary import IngestSummary
from lakehouse.threads import Thread, land_conversations

__all__ = ["CONTENT", "ingest_chats", "land_conversations", "land_messages", "news", "read_chat", "refuse_messages"]

LARGEST = 200_000_000
# So many messages wait for those of further files to share a commit with.
PORTION = 10_000


@dataclass(frozen=True)
class _Place:
    """A chat as bronze knows it: what it is called, and when the newest of its messages was written."""

    channel: str
    newest: datetime


@dataclass
class _Import:
    """Messages on their way to bronze. given: the source, where it is not the export's own to say."""

    bronze: Bronze
    tenant_id: str
    given: str | None
    classification: str
    now: datetime
    landed: int = 0
    files: set[str] = field(default_factory=set)
    waiting: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    threads: dict[str, set[Thread]] = field(default_factory=lambda: defaultdict(set))

    def add(self, chat: Chat, sha256: str) -> None:
        source = self.given or chat.source
        self.waiting[source] += [{**vars(message), "object_sha256": sha256} for message in chat.messages]
        if len(self.waiting[source]) >= PORTION:
            self.flush(source)

    def flush(self, source: str) -> None:
        rows = self.waiting.pop(source, [])
        landed = land_rows(self.bronze, self.tenant_id, source, rows, self.now)
        self.landed += len(landed.rows)
        self.files |= {row["object_sha256"] for row in landed.rows}
        self.threads[source] |= landed.threads

    def rename(self, source: str, place: str, old: str, new: str) -> None:
        self.flush(source)
        self.threads[source] |= rename_channels(self.bronze, self.tenant_id, source, {old: new}, self.now, place=place)

    def finish(self) -> None:
        for source in list(self.waiting):
            self.flush(source)
        for source, threads in self.threads.items():
            land_conversations(self.bronze, self.tenant_id, source, self.classification, self.now, threads)


def ingest_chats(
    bronze: Bronze,
    tenant_id: str,
    path: Path,
    *,
    now: datetime,
    source: str | None = None,
    classification: str = "internal",
) -> IngestSummary:
    """Land every message at `path` that is new or was changed, and the conversations that differ for it.

    The default source is `slack:<workspace>`, `discord:<server>`, `telegram`, `mbox` or `jsonl`, so that a longer
    export of the same place adds to what the shorter one brought. Two places that have the same channels need a
    `source` each.
    """
    found = list_files(path)
    files = [file for file in found if path.is_file() or file.is_closed or file.path.suffix.lower() in SUFFIXES]
    flags = {"classification": classification} | ({"source": source} if source else {})
    refused = Refusals(bronze, tenant_id, "chats", source or default_source(path), now, flags)
    run = _Import(bronze, tenant_id, source, classification, now)
    with Extractor() as extractor:
        for file in files:
            with refused.catching(file):
                _read(run, extractor, file, refused)
    refused.record()
    run.finish()
    return IngestSummary(
        stage="chats",
        read=len(files),
        landed=len(run.files),
        unchanged=max(0, len(files) - len(run.files) - refused.files),
        ignored=len(found) - len(files),
        rows=run.landed,
        reasons=refused.reasons,
        refused=refused.shown,
    )


def read_chat(file: SourceFile) -> Chat:
    """All that the file holds. Raises BadRecord."""
    with Extractor() as extractor:
        parts = list(_parts(extractor, file))
    messages = tuple(message for part in parts for message in part.messages)
    return Chat(parts[0].source if parts else "", messages, tuple(bad for part in parts for bad in part.bad))


def refuse_messages(refused: Refusals, name: str, source: str, chat: Chat, export: str) -> None:
    """export: the file's bytes. What is cut out of an archive means something only beside its lists of names."""
    for bad in chat.bad:
        flags = {**(refused.flags or {}), **({"export": export, "member": bad.member} if bad.member else {})}
        sha256 = export if bad.raw is None else refused.bronze.objects.put(refused.tenant_id, bad.raw)
        path = f"{name}/{bad.member}" if bad.member else name
        size = 0 if bad.raw is None else len(bad.raw)
        refused.add(Refusal(source, path, bad.code, bad.reason, sha256, size, bad.record, flags))


def _parts(extractor: Extractor, file: SourceFile) -> Iterator[Chat]:
    refuse_larger(file.path, LARGEST)
    sort = sort_of(file.path)
    if sort in ("json", "lines"):
        check_text_file(file.path)
    if sort != "lines":
        yield from read_chats(extractor, file.path, sort)
        return
    bad = 0
    for part in stream_chat_lines(file.path):  # a line at a time needs no worker to be harmless
        yield part
        bad += len(part.bad)
        refuse_garbage(bad)


def _read(run: _Import, extractor: Extractor, file: SourceFile, refused: Refusals) -> None:
    sha256: str | None = None
    known: dict[str, dict[str, _Place]] = {}
    seen: dict[tuple[str, str], _Place] = {}
    count = 0
    for chat in _parts(extractor, file):
        sha256 = sha256 or run.bronze.objects.put_file(run.tenant_id, file.path)
        count += len(chat.messages) + len(chat.bad)
        source = run.given or chat.source
        refuse_messages(refused, file.name, source, chat, sha256)
        if chat.place is not None and chat.messages:
            if source not in known:
                run.flush(source)
                known[source] = _places(run, source)
            _note(seen, source, chat)
            chat = _as_known(chat, known[source].get(chat.place))
        run.add(chat, sha256)
    if not count:
        raise BadRecord("empty", "it holds no messages")
    for (source, place), now in seen.items():
        before = known[source].get(place)
        if before is not None and before.channel != now.channel and before.newest <= now.newest:
            run.rename(source, place, before.channel, now.channel)


def _as_known(chat: Chat, known: _Place | None) -> Chat:
    """Under the name that bronze has for it, until it is known that the export is the newer one."""
    if known is None or chat.messages[0].channel == known.channel:
        return chat
    return replace(chat, messages=tuple(replace(message, channel=known.channel) for message in chat.messages))


def _note(seen: dict[tuple[str, str], _Place], source: str, chat: Chat) -> None:
    name = (source, chat.place or "")
    newest = max(message.ts for message in chat.messages)
    if name in seen:
        newest = max(newest, seen[name].newest)
    seen[name] = _Place(chat.messages[0].channel, newest)


def _places(run: _Import, source: str) -> dict[str, _Place]:
    """By the ids of chats, with which those of their messages begin."""
    predicate = equals("tenant_id", run.tenant_id) & equals("source", source)
    rows, _ = run.bronze.stream("messages", predicate=predicate)
    places: dict[str, _Place] = {}
    versions: dict[str, int] = {}
    for batch in rows:
        for row in batch.select(["channel", "message_id", "ts", "deleted", "bronze_version"]).to_pylist():
            place = row["message_id"].partition("-")[0]
            known, version = places.get(place), versions.get(place, -1)
            if row["deleted"]:
                continue
            channel = row["channel"] if known is None or row["bronze_version"] >= version else known.channel
            places[place] = _Place(channel, row["ts"] if known is None else max(row["ts"], known.newest))
            versions[place] = max(version, row["bronze_version"])
    return places
