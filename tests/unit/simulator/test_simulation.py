import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.simulation import simulate

END = datetime(2026, 11, 1, tzinfo=UTC)
IN_ANOTHER_PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from simulator.simulation import simulate
simulate(Path(sys.argv[1]), Path(sys.argv[2]), seed=7, end=datetime(2026, 11, 1, tzinfo=UTC))
"""


def tree_hash(*folders: Path) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def test_the_same_arguments_give_the_same_bytes_in_another_process(simulated, tmp_path: Path) -> None:
    out, truth = tmp_path / "inbox", tmp_path / "truth"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, out, truth], check=True, env=environment)
    assert tree_hash(out, truth) == tree_hash(simulated.out, simulated.truth)


def test_another_seed_gives_other_documents_other_readings_and_other_questions(simulated, tmp_path: Path) -> None:
    simulate(tmp_path / "inbox", tmp_path / "truth", seed=8, end=END)
    before = {path.read_bytes() for path in simulated.out.rglob("*") if path.is_file()}
    after = [path.read_bytes() for path in (tmp_path / "inbox").rglob("*") if path.is_file()]
    assert len(after) > 100
    assert not before & set(after)
    texts = {question["question"] for question in simulated.questions}
    other = (tmp_path / "truth" / "questions.jsonl").read_text("utf-8")
    assert sum(f'"{text}"' in other for text in texts) < len(texts) / 4


def test_a_simulation_takes_the_place_of_the_former_one_and_leaves_other_files_alone(tmp_path: Path) -> None:
    out, truth = tmp_path / "inbox", tmp_path / "truth"
    simulate(out, truth, seed=1, end=END, days=7, interval_minutes=120)
    own = out / "acme" / "documents" / "own.md"
    own.write_text("# kept\n", encoding="utf-8")
    simulate(out, truth, seed=2, end=END, days=7, interval_minutes=120)
    simulate(tmp_path / "fresh", tmp_path / "fresh-truth", seed=2, end=END, days=7, interval_minutes=120)
    assert own.read_text("utf-8") == "# kept\n"
    own.unlink()
    assert tree_hash(out, truth) == tree_hash(tmp_path / "fresh", tmp_path / "fresh-truth")
    assert [path for path in out.rglob("*") if path.is_dir() and not any(path.iterdir())] == []


def test_the_manifest_holds_the_hash_of_each_file(simulated) -> None:
    lines = (simulated.truth / "files.sha256").read_text("utf-8").splitlines()
    listed = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    written = {path for path in simulated.out.rglob("*") if path.is_file()}
    assert {str(path.relative_to(simulated.out)) for path in written} == set(listed)
    assert all(hashlib.sha256((simulated.out / path).read_bytes()).hexdigest() == listed[path] for path in listed)


def test_the_default_stays_small_enough_for_a_demo(simulated) -> None:
    texts = [path.stat().st_size for path in simulated.out.glob("*/documents/**/*") if path.is_file()]
    assert 25_000 < len(simulated.readings) < 40_000
    assert 120_000 < sum(texts) < 250_000


def test_the_tenants_data_lies_in_the_folders_that_the_ingest_reads(simulated) -> None:
    parts = {path.relative_to(simulated.out).parts[:2] for path in simulated.out.rglob("*") if path.is_file()}
    own = {(tenant, folder) for tenant in ("acme", "globex") for folder in ("documents", "chats", "telemetry")}
    assert parts == own | {("public", "documents")}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"devices": 23}, "24 devices"),
        ({"days": 6}, "7 days"),
        ({"interval_minutes": 50}, "divide a day"),
        ({"end": END + timedelta(hours=1)}, "midnight"),
    ],
)
def test_what_the_script_does_not_fit_into_is_refused(tmp_path: Path, arguments, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        simulate(tmp_path / "inbox", tmp_path / "truth", **{"seed": 7, "end": END, **arguments})
    assert list(tmp_path.iterdir()) == []
