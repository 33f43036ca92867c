import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iotops.cli.main import app
from lakehouse.errors import Misused

SMALL = ["--days", "7"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, home: Path):
    monkeypatch.setenv("IOTOPS_HOME", str(home))
    monkeypatch.delenv("IOTOPS_INBOX", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["simulate", *arguments], catch_exceptions=True)


def test_it_writes_to_the_inbox_and_puts_the_truth_under_the_home(run, home: Path) -> None:
    result = run(*SMALL, "--json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["tenants"] == ["acme", "globex"]
    assert told["now"] == "2026-11-01T00:00:00+00:00"
    assert (home / "inbox" / "acme" / "telemetry").is_dir()
    assert len((home / "truth" / "questions.jsonl").read_text("utf-8").splitlines()) == told["questions"]


def test_folders_and_end_can_be_chosen(run, tmp_path: Path) -> None:
    out, truth = tmp_path / "data", tmp_path / "answers"
    result = run(*SMALL, "--out", str(out), "--truth", str(truth), "--end", "2025-03-08")
    assert result.exit_code == 0
    days = {path.stem for path in out.glob("acme/telemetry/readings/*/*")}
    assert days == {f"2025-03-0{day}" for day in range(1, 8)}
    assert (truth / "questions.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--devices", "3"], "24 devices"),
        (["--end", "soon"], "2026-11-01T00:00:00Z"),
        (["--end", "2026-11-01T05:00"], "midnight"),
    ],
)
def test_what_cannot_be_simulated_is_misuse_and_says_why(run, arguments: list[str], reason: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, Misused)
    assert reason in str(result.exception)
