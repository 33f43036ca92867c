import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pgvector import HalfVector

from rag import segments
from rag.segments import Entry, make, revise

START = datetime(2026, 10, 1, tzinfo=UTC)
WORDS = ["pump", "valve", "heater", "P0301", "leak", "--config-dir", "rinse", "the"]


def entries_of(draw: random.Random, tenant_id: str, document_id: str) -> list[Entry]:
    """Of one document that says something else each time."""
    return [
        Entry(
            tenant_id,
            f"{document_id}.{ordinal}",
            draw.choice(["", "hall 4", "Pump"]),
            " ".join(draw.choices(WORDS, k=draw.randrange(8))),
            draw.choice([None, "p1", "p2"]),
            draw.choice([None, "r1"]),
            START + timedelta(seconds=draw.randrange(9)),
            draw.choice([None, START + timedelta(days=1)]),
            draw.choice(["manual", "insight"]),
            HalfVector([draw.random() for _ in range(3)]).to_binary(),
        )
        for ordinal in range(draw.randrange(4))
    ]


def in_bytes(folder: Path, segment: segments.Segment) -> bytes:
    segments.write(folder / "one", segment)
    return (folder / "one").read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_a_segment_that_was_revised_has_the_bytes_of_one_that_is_made_at_once(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    names = [(tenant, f"d{number}") for tenant in ("a", "b") for number in range(6)]
    held = {name: entries_of(draw, *name) for name in draw.sample(names, 7)}
    segment = make(entry for its in held.values() for entry in its)
    for _ in range(4):
        gone = set(draw.sample(sorted(held), min(len(held), draw.randrange(4))))
        added = {name: entries_of(draw, *name) for name in draw.sample(names, 3) if name in gone or name not in held}
        held = {name: its for name, its in held.items() if name not in gone} | added
        segment = revise(segment, gone, [entry for its in added.values() for entry in its])
        assert in_bytes(tmp_path, segment) == in_bytes(tmp_path, make(e for its in held.values() for e in its))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    vector = HalfVector([0.5, -0.25])
    entry = Entry(
        "t", "d.0", "Hall 4", "the pump, the pump and the valve", "p1", None, START, None, "manual", vector.to_binary()
    )
    segments.write(tmp_path / "one", make([entry]))
    read = segments.read(tmp_path / "one")
    (tmp_path / "one").unlink()  # as the index is collected while a question is asked
    assert read.ids.tolist() == [b"d.0"]
    assert read.names == [["t"], ["p1"], ["-"], ["manual"]]
    assert read.vectors.tolist() == [[0.5, -0.25]]
    assert read.lengths.tolist() == [[3, 2]]
    assert sorted(read.counts.tolist()) == [[0, 1], [0, 1], [1, 0], [2, 0]]
    assert read.times.tolist() == [[segments.microseconds(START), segments.OPEN_END]]


@pytest.mark.parametrize("data", [b"", b"no json\n", b"{}\n", b"[]\n"])
def test_a_file_that_is_no_segment_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one").write_bytes(data)
    with pytest.raises(ValueError, match="one is damaged"):
        segments.read(tmp_path / "one")


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    whole = in_bytes(tmp_path, make([Entry("t", "d.0", "", "pump " * 90, None, None, START, None)]))
    (tmp_path / "one").write_bytes(whole[:-64])
    with pytest.raises(ValueError, match="one is damaged"):
        segments.read(tmp_path / "one")
