"""Broken, hostile and odd files: landed or refused with the reason and the bytes, in bounded time and memory."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from iotops.bootstrap import App
from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.ingest import ingest_documents, ingest_telemetry
from lakehouse.objects import open_objects
from lakehouse.quarantine import list_refused
from lakehouse.sources.payloads import sort_payloads
from lakehouse.sources.readings import Origin
from lakehouse.stream.batch import MessageBatch, Stream
from lakehouse.stream.landing import land_batch
from lakehouse.warehouse import build_warehouse
from tests.bad_input import GOOD, INGEST, NOW, Ingested, hash_of, landed_hashes, unaccounted

SEED = 20261101
SECONDS = 30
MEMORY = 512 << 20


@pytest.fixture(scope="module", params=[1, pytest.param(30, marks=pytest.mark.long)], ids=["sample", "all"])
def mess(
    request: pytest.FixtureRequest, new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory
) -> Ingested:
    """All bad files of every sort, with a good one behind them, in one bronze."""
    root = tmp_path_factory.mktemp("bad")
    mess = Ingested(new_app(root / "home"))
    make = [sys.executable, "-m", "tests.make_bad_files", str(root), str(SEED), str(request.param)]
    subprocess.run(make, cwd=REPOSITORY, check=True)
    for stage, (name, text) in GOOD.items():
        folder = mess.folders[stage] = root / stage
        (folder / name).write_text(text)
        INGEST[stage](mess.bronze, "acme", folder / name, now=NOW)  # so that all is loaded before memory is looked at
        mess.ingest(stage)
    return mess


@pytest.mark.parametrize("stage", GOOD)
class TestMadeFiles:
    def test_each_is_landed_or_refused_with_its_bytes(self, stage: str, mess: Ingested) -> None:
        assert len(list(mess.folders[stage].iterdir())) > 40
        assert unaccounted(mess.bronze, stage, mess.folders[stage]) == []

    def test_the_good_one_behind_them_lands(self, stage: str, mess: Ingested) -> None:
        good = hash_of(mess.folders[stage] / GOOD[stage][0])
        assert good in landed_hashes(mess.bronze, stage)

    def test_none_takes_long_or_fills_the_memory(self, stage: str, mess: Ingested) -> None:
        cost = mess.costs[stage]
        assert cost.seconds < SECONDS
        assert cost.own_memory < MEMORY
        assert cost.worker_memory < MEMORY

    def test_again_they_change_nothing(self, stage: str, mess: Ingested) -> None:
        if len(list(mess.folders[stage].iterdir())) > 300:
            pytest.skip("shown with the sample")
        before = versions(mess.bronze)
        for file in mess.folders[stage].iterdir():
            if file.stat().st_size > 20_000:  # these take their time
                file.unlink()
        mess.ingest(stage)
        after = versions(mess.bronze)
        if stage == "documents":  # those that are gone are recorded as such
            before.pop("documents"), after.pop("documents")
        assert after == before


def test_what_landed_of_them_reaches_gold(mess: Ingested) -> None:
    """A single row that Postgres refuses would stop every build."""
    app = mess.app
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=app.settings.home / "dbt")
    with database.transaction(app.database_url) as connection:
        (devices,) = connection.execute("select count(*) from gold.fct_readings where device_id = 'behind'").fetchall()
        (titles,) = connection.execute("select count(*) from gold.documents where title = 'Behind them all'").fetchall()
        (threads,) = connection.execute("select count(*) from gold.fct_message_threads where channel = 'c'").fetchall()
    assert (devices, titles, threads) == ((2,), (2,), (2,))  # of two tenants


@pytest.fixture(scope="module", params=[40, pytest.param(1_000, marks=pytest.mark.long)], ids=["sample", "all"])
def public(
    request: pytest.FixtureRequest,
    shared_data: Path,
    new_app: Callable[[Path], App],
    tmp_path_factory: pytest.TempPathFactory,
) -> Ingested:
    """The suites of others: JSON as telemetry and as chats, PDF as documents."""
    root = tmp_path_factory.mktemp("public")
    public = Ingested(new_app(root / "home"))
    json_files = sorted((shared_data / "bad-input" / "json" / "test_parsing").glob("*.json"))
    pdfs = sorted((shared_data / "bad-input" / "pdf").glob("*.pdf"))
    assert (len(json_files), len(pdfs)) > (300, 100)
    chosen = random.Random(SEED).sample(pdfs, min(len(pdfs), request.param))  # noqa: S311 - the same each time
    for stage, files, suffix in (
        ("telemetry", json_files, ".jsonl"),
        ("chats", json_files, ".json"),
        ("documents", chosen, ".pdf"),
    ):
        folder = public.folders[stage] = root / stage
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder / f"{file.stem}{suffix}")
        name, text = GOOD[stage]
        (folder / name).write_text(text)
        public.ingest(stage)
    return public


@pytest.mark.parametrize("stage", GOOD)
class TestPublicFiles:
    def test_each_is_landed_or_refused_with_its_bytes(self, stage: str, public: Ingested) -> None:
        assert unaccounted(public.bronze, stage, public.folders[stage]) == []
        good = hash_of(public.folders[stage] / GOOD[stage][0])
        assert good in landed_hashes(public.bronze, stage)

    def test_none_takes_long_or_fills_the_memory(self, stage: str, public: Ingested) -> None:
        cost = public.costs[stage]
        assert cost.seconds < SECONDS
        assert cost.own_memory < MEMORY
        assert cost.worker_memory < MEMORY


class TestMessages:
    """Of a topic, or in a request: they are parsed by the process that takes them."""

    def test_each_is_a_row_or_refused_and_those_behind_them_land(self, bronze: Bronze) -> None:
        good = b'{"ts":"2026-10-31T12:00:00Z","device_id":"behind","metric":"temp","value":1}'
        payloads = [*hostile_messages(), good]
        batch = batch_of(payloads)
        landed = land_batch(bronze, Stream("default", "kafka:t", "t"), batch, 1, NOW)
        assert landed.messages == len(payloads)
        assert landed.readings + landed.events + sum(landed.refused.values()) == len(payloads)
        assert "behind" in bronze.changes("telemetry")[0]["device_id"].to_pylist()
        stored = {row["record"]: row["raw_sha256"] for row in list_refused(bronze, "default")}
        for number, sha256 in stored.items():
            assert bronze.objects.get("default", sha256) == payloads[number]

    def test_each_alone_is_one_row_or_one_refusal(self) -> None:
        for payload in hostile_messages():
            rows = sort_payloads([payload], Origin("default", "t", "0" * 64, NOW))
            assert rows.rows == 1, payload[:80]

    def test_the_public_ones_as_well(self, shared_data: Path, bronze: Bronze) -> None:
        files = sorted((shared_data / "bad-input" / "json" / "test_parsing").glob("*.json"))
        payloads = [file.read_bytes() for file in files]
        for payload in payloads:
            assert sort_payloads([payload], Origin("default", "t", "0" * 64, NOW)).rows == 1
        landed = land_batch(bronze, Stream("default", "kafka:t", "t"), batch_of(payloads), 1, NOW)
        assert landed.readings + landed.events + sum(landed.refused.values()) == len(payloads)


def hostile_messages() -> list[bytes]:
    """What is true of one is true of each seed: they differ in length and depth only."""
    event = b'{"ts":"2026-10-31T12:00:00Z","device_id":"d","event_type":"x"'
    deep = b"[" * 900 + b"]" * 900
    escaped = b"\\u005b" * 900 + b"\\u005d" * 900
    return [
        b"",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"{}{}",
        deep,
        b'{"a":' * 100_000,
        event + b',"attributes":' + deep + b"}",
        event + b',"attributes":"' + escaped + b'"}',
        event + b',"a":"' + b"]" * 2_000 + b'","attributes":' + deep + b"}",
        event + b',"event_id":"' + b"x" * 9_000 + b'"}',
        event + b',"event_id":{"a":"' + b"x" * 9_000 + b'"},"\\u0000":"\\u0000\\ud800"}',
        event + b',"n":NaN,"m":-Infinity,"o":1e999,"p":' + b"9" * 4_000 + b"}",
        event + b',"p":' + b"9" * 100_000 + b"}",
        event.replace(b'"d"', b'"' + b"d" * 5_000 + b'"') + b"}",
        b'{"ts":"2026-10-31","device_id":"d","metric":"m","value":1e308}',
        b'{"ts":"2026-10-31","device_id":"d","metric":"m","value":1,"value":NaN}',
        b'{"ts":1e300,"device_id":"d","metric":"m","value":1}',
        b'{"ts":"2026-10-31","device_id":"\\ud800","metric":"m","value":1}',
        b'{"\\ud800":1,"ts":"2026-10-31","device_id":"d","metric":"m","value":1}',
        b'{"ts":{"a":1},"device_id":["d"],"metric":{"m":[]},"value":{}}',
        b"{" + b",".join(b'"n%d":%d' % (n, n) for n in range(50_000)) + b"}",
        b'{"a":[' + b"[]," * 300_000 + b"[]]}",
        b" " * 2_000_000,
    ]


def batch_of(payloads: Sequence[bytes]) -> MessageBatch:
    numbers = np.arange(len(payloads), dtype=np.int64)
    return MessageBatch(payloads, np.zeros(len(payloads), dtype=np.int64), numbers, {0: 0})


class TestFolders:
    def test_what_is_no_file_is_passed_over_and_odd_names_are_kept(self, bronze: Bronze, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        text = "ts,device_id,metric,value\n2026-10-31,d{},m,1\n"
        names = [b"caf\xe9.csv", b"two\nlines.csv", b"\x1b[2Jx.csv", "größe.csv".encode(), b"-rf.csv", b"~good.csv"]
        for number, name in enumerate(names):
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(text.format(number))
        os.mkfifo(folder / "pipe.csv")
        (folder / "loop.csv").symlink_to("loop.csv")
        (folder / "up").symlink_to("..")
        (folder / "zero.csv").symlink_to("/dev/zero")
        (folder / "outside.csv").symlink_to("/etc/passwd")
        with socket.socket(socket.AF_UNIX) as listening:
            os.chdir(folder)  # the name of a socket has 107 characters at most
            listening.bind("socket.csv")
            for stage in ("telemetry", "documents", "chats"):
                INGEST[stage](bronze, "default", folder, now=NOW)
        devices = bronze.changes("telemetry")[0]["device_id"].to_pylist()
        assert sorted(devices) == [f"d{number}" for number in range(len(names))]
        assert list_refused(bronze, "default") == []

    def test_a_file_that_vanishes_is_refused_and_the_others_land(self, bronze: Bronze, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / f"{name}.csv").write_text(f"ts,device_id,metric,value\n2026-10-31,{name},m,1\n")

        def remove_the_next(_done: int, _all: int) -> None:
            (tmp_path / "b.csv").unlink(missing_ok=True)

        summary = ingest_telemetry(bronze, "default", tmp_path, now=NOW, progress=remove_the_next)
        assert (summary.landed, summary.reasons) == (2, {"unreadable": 1})

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, who may not read")
    def test_what_may_not_be_read_is_refused_and_nothing_is_taken_for_deleted(self) -> None:
        with tempfile.TemporaryDirectory() as place, suppress(PermissionError):
            root = Path(place)
            for name in ("open/a.md", "closed/b.md", "half/c.md", "secret.md", "~good.md"):
                (root / "in" / name).parent.mkdir(parents=True, exist_ok=True)
                (root / "in" / name).write_text(f"# {name}\n")
            bronze = Bronze((root / "bronze").as_uri(), open_objects((root / "bronze").as_uri()))
            assert ingest_documents(bronze, "default", root / "in", now=NOW).landed == 5
            (root / "in" / "open" / "a.md").write_text("# new\n")
            for name, mode in (("closed", 0), ("half", 0o444), ("secret.md", 0)):
                (root / "in" / name).chmod(mode)
            with as_nobody(root):
                summary = ingest_documents(bronze, "default", root / "in", now=NOW)
            assert (summary.landed, summary.deleted, summary.reasons) == (1, 0, {"unreadable": 3})
            assert {row["path"] for row in list_refused(bronze, "default")} == {"closed", "half/c.md", "secret.md"}


@contextmanager
def as_nobody(root: Path) -> Iterator[None]:
    for path in (root, *root.rglob("*")):
        os.chown(path, 65534, -1, follow_symlinks=False)
    for name in ("closed", "half", "secret.md"):
        os.chown(root / "in" / name, 0, 0)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def versions(bronze: Bronze) -> dict[str, int | None]:
    return {table: bronze.version(table) for table in ("telemetry", "events", "documents", "messages", "quarantine")}
