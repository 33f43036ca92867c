"""Strings planted in everything that is taken in, and a search for them in every file before and after an erasure."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from dulwich import porcelain

from iotops.bootstrap import App
from iotops.connectors import site_of
from iotops.erasing import Erased, erase, find_target
from iotops.replay import rebuild
from iotops.settings import read_settings
from lakehouse import database
from lakehouse.connectors.origins import Target as GitTarget
from lakehouse.connectors.origins import from_git
from lakehouse.erasure import Target
from lakehouse.ingest import IngestSummary, ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.manifest import Flags
from lakehouse.tenants import create_tenant
from lakehouse.warehouse import build_warehouse
from rag.answer import Answer, Question, SpanCitation
from rag.indexing import DEFAULTS, Parameters, build_index, list_versions, promote
from tests.haystack import holders

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROOT = "1759500000.000100"
THREAD = f"ops/{ROOT}"
MANUAL = {
    "title": "zqtitle vessel",
    "text": "zqtextone",
    "path": "zqpathone",
    "large": "zqlargeone",
    "refused": "zqbadone",
}
AUTHOR = "zqauthorone"
PARTICIPANT = sha256(json.dumps(["participant", "acme", AUTHOR]).encode()).hexdigest()[:20]
CHAT = {"text": "zqchatone", "author": AUTHOR, "answer": "zqreplyone", "participant": f"p-{PARTICIPANT}"}
TENANT = {
    "device": "zqdeviceone", "value": "731918.2736455", "refused": "zqrefusedone", "event": "zqeventone",
    "html": "zqhtmlone", "git": "zqgitone", "other message": "zqstayone", "other document": "zqpumpone",
    "answer": "zqaskedone",
}  # fmt: skip
OTHERS = {"document": "zqbetadoc", "message": "zqbetachat", "device": "zqbetadevice"}


@dataclass
class World:
    """found: of each planted string where it was, by moment."""

    app: App
    origin: Path
    now: datetime = NOW
    found: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    erased: dict[str, Erased] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    again: IngestSummary | None = None
    verified: bool = False
    rebuilt: dict[str, Any] = field(default_factory=dict)

    def search(self, moment: str) -> None:
        with database.connect(self.app.database_url, autocommit=True) as connection:
            connection.execute("checkpoint")  # so that the files of tables are looked at as well
        planted = [one for strings in (MANUAL, CHAT, TENANT, OTHERS) for one in strings.values()]
        self.found[moment] = holders(self.app.settings.home, self.app.database_url, planted)

    def ingest(self, tenant_id: str) -> None:
        folder, bronze = self.origin / tenant_id, self.app.bronze
        ingest_documents(bronze, tenant_id, folder / "documents", source="manuals", now=self.now)
        ingest_chats(bronze, tenant_id, folder / "chats", now=self.now)
        ingest_telemetry(bronze, tenant_id, folder / "telemetry", source="plant", now=self.now)

    def build(self) -> None:
        home = self.app.settings.home
        project = self.app.settings.dbt_project
        build_warehouse(self.app.database_url, self.app.bronze, dbt_project=project, work=home / "dbt")
        for parameters in (Parameters(hnsw_above=1), DEFAULTS):
            index = home / "indexes"
            built = build_index(self.app.database_url, self.app.embedder, index, now=self.now, parameters=parameters)
        promote(self.app.database_url, built.version.index_version, now=self.now)

    def ask(self, tenant_id: str, text: str) -> Answer:
        return self.app.copilot.ask(Question(text, tenant_id, self.now))

    def cut_off(self, target: Target, stage: str) -> None:
        def say(line: str) -> None:
            if line.startswith(stage):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            erase(self.app, target, now=self.now, say=say)

    def erase(self, moment: str, target: Target) -> None:
        self.now += timedelta(minutes=1)
        self.erased[moment] = erase(self.app, target, now=self.now)
        self.search(moment)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two tenants, of which one loses a document, then a conversation, then all. On a server of its own, because what
    is searched are its files."""
    folder = Path(tempfile.mkdtemp(prefix="iotops-erasing-"))
    home = folder / "home"
    own = {"IOTOPS_HOME": str(home), "IOTOPS_DATABASE_URL": "", "IOTOPS_BRONZE_URL": ""}
    settings = read_settings({**os.environ, **own})
    made = World(App(settings), folder / "origin")
    try:
        live(made)
        yield made
    finally:
        database.stop_embedded(home)
        shutil.rmtree(folder, ignore_errors=True)


def live(world: World) -> None:
    app = world.app
    with database.transaction(app.database_url) as connection:
        for tenant_id in ("acme", "beta"):
            create_tenant(connection, tenant_id)
    for tenant_id in ("acme", "beta"):
        write(world.origin / tenant_id, tenant_id)
        world.ingest(tenant_id)
    grow(world.origin / "acme")
    world.now += timedelta(hours=1)
    world.ingest("acme")
    (world.origin / "acme" / "documents" / f"{MANUAL['path']}.md").write_bytes(MANUAL["refused"].encode() + b"\xff")
    world.ingest("acme")
    from_git(site_of(app), GitTarget("acme", Flags(), "git"), repository(world.origin / "repository"))
    world.build()
    world.answers["manual"] = world.ask("acme", "How many bar does the zqtitle vessel hold?")
    world.answers["thread"] = world.ask("acme", f"What is the leak {CHAT['text']}?")
    world.answers["tenant"] = world.ask("acme", f"What is said about {TENANT['answer']}?")
    world.search("before")
    manual = find_target(app, "acme", cited(world.answers["manual"])[0])
    world.cut_off(manual, "erasing bronze")
    world.answers["cut off"] = world.ask("acme", "How many bar does the vessel hold?")
    world.erase("document", manual)
    folder = world.origin / "acme" / "documents"
    world.again = ingest_documents(app.bronze, "acme", folder, source="manuals", now=world.now)
    thread = Target("acme", "slack:T9", THREAD)
    for stage in ("erasing what is served", "erasing bronze", "writing tables anew", "building gold"):
        world.cut_off(thread, stage)
    world.erase("thread", thread)
    world.answers["left"] = world.ask("acme", "How many bar does the pump hold?")
    world.erase("tenant", Target("acme"))
    world.answers["other"] = world.ask("beta", "How many bar does the pump hold?")
    world.verified = app.copilot.verify(world.answers["other"].answer_id, tenant_id="beta").ok
    world.rebuilt = rebuild(app, now=world.now, say=lambda _: None).to_json()


def cited(answer: Answer) -> list[str]:
    citations = [citation for claim in answer.claims for citation in claim.citations]
    return [citation.document_id for citation in citations if isinstance(citation, SpanCitation)]


def write(folder: Path, tenant_id: str) -> None:
    mine = tenant_id == "acme"
    for name in ("documents", "chats", "telemetry"):
        (folder / name).mkdir(parents=True)
    pump = TENANT["other document"] if mine else OTHERS["document"]
    (folder / "documents" / "pump.md").write_text(f"# Pump\n\nThe pump {pump} holds 7 bar at most.\n")
    device = TENANT["device"] if mine else OTHERS["device"]
    value = TENANT["value"] if mine else "1.5"
    refused = TENANT["refused"] if mine else "nothing"
    rows = [
        "device_id,metric,ts,value,firmware",
        f"{device},flow,2026-10-01T00:00:00Z,{value},2.0",
        f"{refused},flow,x,1,2",
    ]
    (folder / "telemetry" / "a.csv").write_text("\n".join(rows) + "\n")
    event = {"event_id": "e1", "event_type": "alarm", "device_id": device, "ts": "2026-10-01T00:00:00Z"}
    event["message"] = TENANT["event"] if mine else "pressure"
    incident = {"event_id": "e2", "event_type": "incident_opened", "device_id": device, "ts": "2025-10-03T13:30:00Z"}
    (folder / "telemetry" / "events.jsonl").write_text(f"{json.dumps(event)}\n{json.dumps(incident)}\n")
    if not mine:
        line = {"channel": "ops", "message_id": "1", "ts": "2026-10-01T00:00:00Z", "text": f"Leak {OTHERS['message']}"}
        (folder / "chats" / "a.jsonl").write_text(json.dumps(line) + "\n")
        return
    page = f"<title>Valve</title><p>The valve {TENANT['html']} opens at 3 bar.</p>"
    (folder / "documents" / "valve.html").write_text(page)
    words = " ".join(f"part {number} of it weighs {number * 7} grams." for number in range(400))
    manual = f"# {MANUAL['title']}\n\nThe zqtitle vessel {MANUAL['text']} holds 9 bar.\n\n## Parts\n\n"
    manual += f'{words} {MANUAL["large"]}\n\n--8<-- "parts/oil.md"\n'
    (folder / "documents" / "parts").mkdir()
    (folder / "documents" / "parts" / "oil.md").write_text("It takes 5 litres of oil.\n")
    (folder / "documents" / f"{MANUAL['path']}.md").write_text(manual)
    export(
        folder / "chats" / "first.zip",
        said(f"Leak {CHAT['text']} {TENANT['device']}", ROOT, "U1"),
        said("Lunch?", "1759500600.000100"),
    )


def grow(folder: Path) -> None:
    """The message becomes a thread, so an older text of its day holds it; and the manual has a second version."""
    export(
        folder / "chats" / "second.zip",
        said(f"Leak {CHAT['text']} {TENANT['device']}", ROOT, "U1", thread_ts=ROOT),
        said(f"Closed {CHAT['answer']}", "1759500060.000100", thread_ts=ROOT),
        said("Lunch?", "1759500600.000100"),
        said(f"Yes {TENANT['other message']}", "1759500700.000100"),
    )
    manual = folder / "documents" / f"{MANUAL['path']}.md"
    manual.write_text(manual.read_text().replace("9 bar", "11 bar"))


def said(text: str, ts: str, user: str = "U2", **values: str) -> dict[str, str]:
    return {"type": "message", "user": user, "ts": ts, "text": text, **values}


def export(path: Path, *messages: dict[str, str]) -> None:
    users = [{"id": "U1", "team_id": "T9", "name": CHAT["author"]}, {"id": "U2", "team_id": "T9", "name": "bo"}]
    members = {
        "users.json": users,
        "channels.json": [{"id": "C1", "name": "ops"}],
        "ops/2025-10-03.json": list(messages),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(content))


def repository(folder: Path) -> str:
    folder.mkdir()
    porcelain.init(str(folder))
    (folder / "git.md").write_text(f"# Hose\n\nThe hose {TENANT['git']} is 4 m long.\n")
    porcelain.add(str(folder), [str(folder / "git.md")])
    porcelain.commit(str(folder), message=b"hose", author=b"a <a@b>", committer=b"a <a@b>")
    return str(folder)


def test_the_search_finds_what_was_planted_wherever_it_is_kept(world: World) -> None:
    before = world.found["before"]
    assert all(before.values())
    kept = {needle: "\n".join(sorted(places)) for needle, places in before.items()}
    for where in (
        "acme/objects/",
        "gold.documents",
        "landing.documents",
        "search.chunks_",
        "(terms)",
        "pg_wal/",
        "base/",
    ):
        assert where in kept[MANUAL["text"]], where
        assert where in kept[CHAT["text"]], where
    for needle in (MANUAL["path"], CHAT["text"], TENANT["device"]):
        assert ".parquet" in kept[needle]
    for where in ("gold.documents", "silver.int_documents__versioned", "landing.documents", "search.chunks_"):
        assert where in kept[MANUAL["title"]], where
    for where in ("gold.fct_incident_events", "gold.dim_participants", "gold.fct_insight_facts", "search.chunks_"):
        assert where in kept[CHAT["participant"]], where
    assert "acme/objects/" in kept[CHAT["participant"]]
    for needle in (MANUAL["text"], CHAT["text"], TENANT["answer"]):
        assert "copilot.answers" in kept[needle]
    assert "connectors/git/" in kept[TENANT["git"]]
    assert kept[MANUAL["refused"]].startswith("bronze/acme/objects/")
    with database.transaction(world.app.database_url) as connection:
        assert len(list_versions(connection)) == 1  # of the rebuild; there were five


@pytest.mark.parametrize(
    ("moment", "gone", "left"),
    [
        ("document", [MANUAL], [CHAT, TENANT, OTHERS]),
        ("thread", [MANUAL, CHAT], [TENANT, OTHERS]),
        ("tenant", [MANUAL, CHAT, TENANT], [OTHERS]),
    ],
)
def test_no_file_and_no_table_holds_what_was_erased(
    world: World, moment: str, gone: list[dict[str, str]], left: list[dict[str, str]]
) -> None:
    found = world.found[moment]
    assert {needle: found[needle] for planted in gone for needle in planted.values() if found[needle]} == {}
    assert all(found[needle] for planted in left for needle in planted.values())


def test_nothing_of_another_tenant_is_touched(world: World) -> None:
    def of_beta(moment: str, needle: str) -> set[str]:
        places = {place for place in world.found[moment][needle] if "postgres/" not in place}
        return {place for place in places if "(terms)" not in place and "chunks_" not in place}

    for needle in OTHERS.values():
        assert of_beta("tenant", needle) == of_beta("before", needle)
    other = world.answers["other"]
    assert (other.status, world.verified) == ("answered", True)
    assert OTHERS["document"] in other.text


def test_an_answer_stands_before_the_erasure_and_not_while_it_is_under_way(world: World) -> None:
    assert "11 bar" in world.answers["manual"].text
    assert CHAT["text"] in world.answers["thread"].text
    assert "11 bar" not in world.answers["cut off"].text
    assert "7 bar" in world.answers["left"].text


def test_what_went_and_what_is_left_to_do_is_told(world: World) -> None:
    document, thread = world.erased["document"], world.erased["thread"]
    assert (document.rows["bronze.documents"], document.rows["bronze.quarantine"]) == (2, 1)
    assert sorted(document.objects.values()) == ["refused bytes", "text or raw file", "text or raw file"]
    # What the document included stands by itself now. What gold tells of an incident is another text without the
    # message; and of a firmware, when the days that it has run are counted up to what the other tenant sent last.
    assert (document.embedded, thread.embedded, world.erased["tenant"].embedded) == (1, 1, 1)
    assert "clear 'ops/1759500000.000100'" in thread.describe()
    assert world.erased["tenant"].to_json()["files"]["files of the write-ahead log removed"] > 0


def test_an_origin_that_still_has_the_document_does_not_bring_it_back(world: World) -> None:
    assert world.again is not None
    assert (world.again.erased, world.again.landed, world.again.unchanged) == (1, 0, 3)
    assert "1 erased" in world.again.describe()


def test_a_rebuild_from_bronze_gives_what_the_erasure_left(world: World) -> None:
    assert world.rebuilt["same"] is True


def test_the_register_holds_no_content(world: World) -> None:
    with database.transaction(world.app.database_url) as connection:
        rows = connection.execute(
            "select tenant_id, document_sha256, finished_at is not null from registry.erasures order by erased_at"
        ).fetchall()
    assert [(tenant_id, len(str(digest)), done) for tenant_id, digest, done in rows] == [
        ("acme", 64, True), ("acme", 64, True), ("acme", 0, True),
    ]  # fmt: skip
