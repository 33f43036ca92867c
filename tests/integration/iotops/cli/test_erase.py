import json
import subprocess
import sys
from pathlib import Path


def iotops(environment: dict[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "iotops.cli.main", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )


def test_a_document_and_a_tenant_are_erased_when_that_is_said(
    environment: dict[str, str], tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "pump.md").write_text("# Pump\n\nIt holds 5 bar.\n")
    ingest = ("ingest", "documents", folder, "--source", "manuals")
    assert iotops(environment, *ingest).returncode == 0
    document = ("erase", "document", "--source", "manuals", "--path", "pump.md")

    asked = iotops(environment, *document)
    assert asked.returncode == 1
    assert "rows of bronze: documents 1, quarantine 0" in asked.stderr
    assert "nothing was erased: say --yes" in asked.stderr

    done = iotops(environment, *document, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"]["bronze.documents"] == 1
    assert any("write-ahead log" in one for one in told["to_do"])  # the server is none of our own
    assert "1 erased" in iotops(environment, *ingest).stdout

    done = iotops(environment, "erase", "tenant", "default", "--yes")
    assert done.returncode == 0, done.stderr
    assert "tenant 'default' is erased" in done.stdout
    assert not (home / "bronze" / "default").exists()


def test_what_cannot_be_erased_is_an_error_in_one_line(environment: dict[str, str]) -> None:
    unknown = iotops(environment, "erase", "document", "--source", "a", "--path", "b", "--yes")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "has no document 'b' of 'a'" in unknown.stderr
    assert iotops(environment, "erase", "document", "--source", "a", "--yes").returncode == 2
