from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from rag.bm25 import K1, B, Posted, Postings, Selection, open_segment, write_segment
from rag.tokens import analyse

OPEN_END = 1 << 62
ALL = Selection(frozenset({"t"}), None, None, None, OPEN_END)
WORDS = st.lists(st.sampled_from(["pump", "valve", "heater", "P0301", "leak", "--config-dir"]), max_size=60)


def postings(folder: Path, bodies: list[str], segments: int = 1, heads: list[str] | None = None) -> Postings:
    names = [f"s{n}" for n in range(segments)]
    for n, name in enumerate(names):
        rows = range(n, len(bodies), segments)
        heading = heads or [""] * len(bodies)
        write_segment(folder, name, (Posted(str(i), heading[i], bodies[i], ("t", "-", "-"), 0, OPEN_END) for i in rows))
    return Postings([open_segment(folder, name) for name in names])


def oracle(terms: list[list[str]], asked: set[str]) -> list[float]:
    bm25 = BM25Okapi(terms, k1=K1, b=B)
    for word in asked:
        holding = sum(word in document for document in bm25.doc_freqs)
        bm25.idf[word] = float(np.log(1 + (len(terms) - holding + 0.5) / (holding + 0.5)))
    return [float(score) for score in bm25.get_scores(sorted(asked))]


@given(bodies=st.lists(WORDS, min_size=1, max_size=12), asked=WORDS, segments=st.integers(1, 3))
def test_scores_are_those_of_rank_bm25_however_the_chunks_are_spread(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[list[str]], asked: list[str], segments: int
) -> None:
    texts = [" ".join(words) for words in bodies]
    terms = set(analyse(" ".join(asked)))
    found = postings(tmp_path_factory.mktemp("s"), texts, segments).search(terms, ALL, 100, 1.0)
    analysed = [analyse(text) for text in texts]
    if not any(analysed):
        assert found == {}
        return
    expected = {str(n): score for n, score in enumerate(oracle(analysed, terms)) if score > 0}
    assert found == pytest.approx(expected, rel=1e-12)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_best_come_first_and_equal_ones_by_id(tmp_path: Path) -> None:
    index = postings(tmp_path, ["pump", "pump", "pump pump valve", "heater", "pump"], segments=2)
    assert list(index.search(["pump"], ALL, 2, 1.0)) == ["0", "1"]
    assert len(index.search(["pump"], ALL, 4, 1.0)) == 4
    assert index.search(["unknown"], ALL, 4, 1.0) == {}


def test_a_head_adds_to_the_score_by_its_weight(tmp_path: Path) -> None:
    index = postings(tmp_path, ["valve", "valve", "pump"], heads=["pump", "heater", ""])
    without, light, full = (index.search(["pump"], ALL, 9, weight) for weight in (0.0, 0.5, 1.0))
    assert "0" not in without
    assert light["0"] == pytest.approx(full["0"] / 2)
    assert index.frequencies(["pump", "heater"]) == {"pump": 1, "heater": 0}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(frozenset({"a"}), None, None, None, OPEN_END), {"mine", "of a release"}),
        (Selection(frozenset({"a", "b"}), None, None, None, OPEN_END), {"mine", "of a release", "theirs"}),
        (Selection(frozenset({"a"}), frozenset({"-"}), None, None, OPEN_END), {"mine"}),
        (Selection(frozenset({"a"}), None, frozenset({"r1"}), None, OPEN_END), {"of a release"}),
        (Selection(frozenset({"a"}), None, None, 15, OPEN_END), {"mine", "gone"}),
        (Selection(frozenset({"a"}), None, None, 20, OPEN_END), {"mine", "of a release"}),
        (Selection(frozenset(), None, None, None, OPEN_END), set()),
    ],
)
def test_only_what_is_selected_is_found(tmp_path: Path, selection: Selection, expected: set[str]) -> None:
    chunks = [
        Posted("mine", "", "pump", ("a", "-", "-"), 10, OPEN_END),
        Posted("of a release", "", "pump", ("a", "p", "r1"), 20, OPEN_END),
        Posted("gone", "", "pump", ("a", "-", "-"), 10, 20),
        Posted("theirs", "", "pump", ("b", "-", "-"), 10, OPEN_END),
    ]
    write_segment(tmp_path, "s", chunks)
    index = Postings([open_segment(tmp_path, "s")])
    assert set(index.search(["pump"], selection, 9, 1.0)) == expected
    assert set(index.search(["pump"], selection, 9, 1.0)) == expected  # the second time from what is remembered


def test_equal_chunks_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_segment(tmp_path, name, [Posted("1", "hall 4", "the pump", ("t", "-", "-"), 1, 2)])
    for file in tmp_path.glob("a.*"):
        assert file.read_bytes() == (tmp_path / f"b.{file.name.partition('.')[2]}").read_bytes()


def test_an_empty_segment_holds_nothing(tmp_path: Path) -> None:
    write_segment(tmp_path, "s", [])
    index = Postings([open_segment(tmp_path, "s")])
    assert len(index) == 0
    assert index.search(["pump"], ALL, 5, 1.0) == {}
