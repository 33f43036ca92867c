"""Dropped and made again from bronze: the same content, by hashes of its rows."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iotops.bootstrap import App
from iotops.replay import rebuild
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.errors import StepFailed
from lakehouse.ingest import ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.maintenance import maintain
from lakehouse.warehouse import build_warehouse
from rag.indexing import build_index, promote

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WORDS = [
    "pump",
    "valve",
    "filter",
    "bar",
    "hour",
    "rinse",
    "water",
    "gauge",
    "bolt",
    "alarm",
    "sensor",
    "motor",
    "leak",
]


@pytest.fixture(scope="module")
def grown(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> App:
    """Two days of files, each landed, built and indexed by itself, so that all of it grew and has old versions."""
    folder = tmp_path_factory.mktemp("replay")
    app = new_app(folder / "home")
    for day in (0, 1):
        write(folder, day)
        at = NOW + day * DAY
        ingest_telemetry(app.bronze, "default", folder / "telemetry", now=at)
        ingest_documents(app.bronze, "default", folder / "documents", now=at)
        ingest_chats(app.bronze, "default", folder / "chats", now=at)
        build(app)
        version = build_index(app.database_url, app.embedder, app.settings.home / "indexes", now=at).version
        promote(app.database_url, version.index_version, now=NOW)
    return app


@pytest.fixture
def built(grown: App, copy_app: Callable[[App, Path], App], home: Path) -> App:
    return copy_app(grown, home)


def write(folder: Path, day: int) -> None:
    for name in ("telemetry", "documents", "chats"):
        (folder / name).mkdir(exist_ok=True)
    rows = [f"pump-{pump},flow,2026-10-0{day + 1}T00:0{pump}:00Z,{pump + day},2.{day}" for pump in range(5)]
    corrected = [f"pump-0,flow,2026-10-01T00:00:00Z,{90 + day},2.0"]
    text = "\n".join(["device_id,metric,ts,value,firmware", *rows, *corrected])
    (folder / "telemetry" / f"{day}.csv").write_text(text + "\n")
    (folder / "documents" / "pump.md").write_text(f"# Pump\n\nIt holds {day + 5} bar.\n")
    draw = random.Random(day)  # noqa: S311
    for page in range(20):
        text = "\n\n".join(f"## {draw.choice(WORDS)} {part}\n\n{sentence(draw)}" for part in range(3))
        (folder / "documents" / f"page-{day}-{page}.md").write_text(f"# Page {page}\n\n{text}\n")
    message = f'{{"channel": "ops", "message_id": "{day}", "ts": "2026-10-01T0{day}:00:00Z", "text": "Leak {day}"}}'
    (folder / "chats" / f"{day}.jsonl").write_text(message + "\n")


def sentence(draw: random.Random) -> str:
    return f"{' '.join(draw.choices(WORDS, k=12))} {draw.randrange(90)}."


def first_ten(app: App, now: datetime) -> list[list[tuple[str, int]]]:
    """Of 200 questions."""
    draw = random.Random(9)  # noqa: S311
    questions = [" ".join(draw.choices(WORDS, k=4)) for _ in range(200)]
    found = [app.copilot.search(question, tenant_id="default", limit=10, now=now) for question in questions]
    return [[(hit.document_id, hit.byte_start) for hit in hits] for hits in found]


def build(app: App) -> None:
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=app.settings.home / "dbt")


def test_a_rebuild_gives_the_same_content_and_the_same_index(built: App, now: datetime) -> None:
    maintain(built.bronze, kept_hours=0)
    build(built)  # takes note of the versions that maintenance made
    found = first_ten(built, now)
    done = rebuild(built, now=now, say=lambda _: None)
    assert first_ten(App(built.settings), now) == found
    assert min(map(len, found)) == 10
    assert done.to_json()["same"] is True
    assert done.before == done.after
    assert len(done.after.tables) > 10
    assert done.after.index is not None
    assert "content hashes are the same" in done.describe()


def test_what_bronze_held_beyond_the_last_build_is_named(built: App, tmp_path: Path, now: datetime) -> None:
    (tmp_path / "more.csv").write_text("device_id,metric,ts,value\npump-9,flow,2026-10-05T00:00:00Z,1\n")
    ingest_telemetry(built.bronze, "default", tmp_path / "more.csv", now=now)
    done = rebuild(built, now=now, say=lambda _: None)
    assert "bronze held more" in done.describe()
    assert "gold.fct_readings," in done.describe()
    assert "gold.fct_message_threads" not in done.describe()


def test_another_content_from_the_same_bronze_is_an_error(built: App, now: datetime) -> None:
    with database.transaction(built.database_url) as connection:
        connection.execute("update gold.fct_readings set value = value + 1 where device_id = 'pump-3'")
    with pytest.raises(StepFailed, match=r"another content in gold\.fct_readings:"):
        rebuild(built, now=now, say=lambda _: None)


def test_a_content_hash_hangs_on_rows_and_not_on_their_order(database_url: str) -> None:
    with database.transaction(database_url) as connection:
        connection.execute("create schema gold")
        connection.execute("create table gold.a (x int, y timestamptz)")
        connection.execute("create table gold.b (x int, y timestamptz)")
        connection.execute("insert into gold.a values (1, '2026-01-01T00:00:00Z'), (2, null), (2, null)")
        connection.execute("set local timezone to 'Asia/Tokyo'")
        connection.execute("insert into gold.b values (2, null), (1, '2026-01-01T09:00:00+09'), (2, null)")
        same = content_hashes(connection)
        connection.execute("delete from gold.b where ctid in (select ctid from gold.b where x = 2 limit 1)")
        assert same["a"] == same["b"] != content_hashes(connection)["b"]
