import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nText.\n")
    (folder / "empty.md").write_bytes(b"")
    (folder / "latin.md").write_bytes(b"caf\xe9")
    return folder


def iotops(environment: dict[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "iotops.cli.main", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def as_json(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_documents_are_counted_and_each_refusal_is_named(environment: dict[str, str], documents: Path) -> None:
    done = iotops(environment, "ingest", "documents", documents, "--product", "px", "--version", "2.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "documents: 3 read, 1 landed, 0 unchanged, 2 quarantined (empty 1, not_utf8 1)",
        "quarantined: empty.md: the file is empty",
        "quarantined: latin.md: byte 3 (0xe9) is not UTF-8 text: save the file as UTF-8",
    ]
    again = as_json(
        iotops(environment, "ingest", "documents", documents, "--product", "px", "--version", "2.0", "--json")
    )
    assert (again["landed"], again["unchanged"], again["quarantined"]) == (0, 1, 2)
    assert again["reasons"] == {"empty": 1, "not_utf8": 1}

    listed = as_json(iotops(environment, "quarantine", "list", "--json"))
    assert [row["code"] for row in listed] == ["empty", "not_utf8"]
    told = iotops(environment, "quarantine", "list", "--reason", "empty")
    assert told.stdout.rstrip().endswith("empty  empty.md: the file is empty")
    assert len(told.stdout.splitlines()) == 1
    assert iotops(environment, "quarantine", "list", "--tenant", "public").stdout == "nothing is in quarantine\n"


def test_nothing_but_bad_files_says_so(environment: dict[str, str], documents: Path) -> None:
    done = iotops(environment, "ingest", "documents", documents / "empty.md")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "nothing landed: every file was refused"


def test_telemetry_takes_its_flags(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "pump-1.csv").write_text("timestamp,value\n2026-10-31,1\n2026-11-01,x\n")
    done = iotops(environment, "ingest", "telemetry", tmp_path / "pump-1.csv", "--device", "{stem}", "--metric", "flow")
    assert done.stdout.splitlines() == [
        "telemetry: 1 read, 1 landed (1 rows), 0 unchanged, 1 quarantined (bad_value 1)",
        "quarantined: pump-1.csv, row 2: value 'x' is no finite number",
    ]


def test_chats_land_for_the_tenant_that_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    line = {"channel": "ops", "message_id": "1", "ts": 1793448000, "text": "hi"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line))
    done = iotops(environment, "ingest", "chats", tmp_path, "--tenant", "public")
    assert done.stdout == "chats: 1 read, 1 landed (1 rows), 0 unchanged, 0 quarantined\n"


@pytest.mark.parametrize("noun", ["documents", "chats", "telemetry"])
def test_an_unknown_tenant_and_a_missing_path_are_one_clear_line(
    noun: str, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant = iotops(environment, "ingest", noun, tmp_path, "--tenant", "nobody")
    assert (tenant.returncode, tenant.stdout) == (1, "")
    assert tenant.stderr.startswith("iotops: tenant 'nobody' does not exist: use one of default, public")
    missing = iotops(environment, "ingest", noun, tmp_path / "nowhere")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert (
        missing.stderr
        == f"iotops: '{tmp_path}/nowhere' does not exist: give the path of a file or folder that can be read\n"
    )


def test_a_database_that_is_down_is_one_clear_line(environment: dict[str, str], documents: Path) -> None:
    down = environment | {"IOTOPS_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    done = iotops(down, "ingest", "documents", documents)
    assert done.returncode == 1
    assert done.stderr.startswith("iotops: the database at 127.0.0.1:9/none does not answer")
    assert len(done.stderr.splitlines()) == 1


def test_an_emptied_folder_needs_a_word_of_its_own(environment: dict[str, str], documents: Path) -> None:
    iotops(environment, "ingest", "documents", documents)
    for file in documents.iterdir():
        file.unlink()
    done = iotops(environment, "ingest", "documents", documents)
    assert done.returncode == 1
    assert "--allow-empty" in done.stderr
    assert as_json(iotops(environment, "ingest", "documents", documents, "--allow-empty", "--json"))["deleted"] == 1


def test_a_kind_that_nobody_knows_is_misuse(environment: dict[str, str], documents: Path) -> None:
    done = iotops(environment, "ingest", "documents", documents, "--kind", "poem")
    assert done.returncode == 2
    assert done.stderr.startswith("iotops: 'poem' is no kind of document")


def test_progress_is_shown_where_a_person_watches_and_only_there(environment: dict[str, str], documents: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "iotops.cli.main", "ingest", "documents", str(documents)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "3 of 3 files" in shown
    assert done.stdout.startswith(b"documents: 3 read")
    assert iotops(environment, "ingest", "documents", documents).stderr == ""
