from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgvector import HalfVector
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from rag.bm25 import BLOCKS, K1, B, Postings, Selection, best
from rag.segments import Entry, make, microseconds
from rag.tokens import analyse

ALL = Selection(frozenset({"t"}))
WORDS = st.lists(st.sampled_from(["pump", "valve", "heater", "P0301", "leak", "--config-dir"]), max_size=60)


def at(day: int) -> datetime:
    return datetime(2026, 10, day, tzinfo=UTC)


def entry(chunk_id: str, body: str, head: str = "") -> Entry:
    return Entry("t", chunk_id, head, body, None, None, at(1), None)


def postings(bodies: list[str], segments: int = 1, heads: list[str] | None = None) -> Postings:
    heading = heads or [""] * len(bodies)
    entries = [entry(str(n), body, heading[n]) for n, body in enumerate(bodies)]
    return Postings([make(entries[n::segments]) for n in range(segments)])


def oracle(terms: list[list[str]], asked: set[str]) -> list[float]:
    bm25 = BM25Okapi(terms, k1=K1, b=B)
    for word in asked:
        holding = sum(word in document for document in bm25.doc_freqs)
        bm25.idf[word] = float(np.log(1 + (len(terms) - holding + 0.5) / (holding + 0.5)))
    return [float(score) for score in bm25.get_scores(sorted(asked))]


@given(bodies=st.lists(WORDS, min_size=1, max_size=12), asked=WORDS, segments=st.integers(1, 3))
def test_scores_are_those_of_rank_bm25_however_the_chunks_are_spread(
    bodies: list[list[str]], asked: list[str], segments: int
) -> None:
    texts = [" ".join(words) for words in bodies]
    terms = set(analyse(" ".join(asked)))
    found = postings(texts, segments).search(terms, ALL, 100, 1.0)
    analysed = [analyse(text) for text in texts]
    if not any(analysed):
        assert found == {}
        return
    expected = {str(n): score for n, score in enumerate(oracle(analysed, terms)) if score > 0}
    assert found == pytest.approx(expected, rel=1e-12)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_best_come_first_and_equal_ones_by_id() -> None:
    index = postings(["pump", "pump", "pump pump valve", "heater", "pump"], segments=2)
    assert list(index.search(["pump"], ALL, 2, 1.0)) == ["0", "1"]
    assert len(index.search(["pump"], ALL, 4, 1.0)) == 4
    assert index.search(["unknown"], ALL, 4, 1.0) == {}


def test_a_head_adds_to_the_score_by_its_weight() -> None:
    index = postings(["valve", "valve", "pump"], heads=["pump", "heater", ""])
    without, light, full = (index.search(["pump"], ALL, 9, weight) for weight in (0.0, 0.5, 1.0))
    assert "0" not in without
    assert light["0"] == pytest.approx(full["0"] / 2)
    assert index.frequencies(["pump", "heater"]) == {"pump": 1, "heater": 0}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(frozenset({"a"})), {"mine", "of a release"}),
        (Selection(frozenset({"a", "b"})), {"mine", "of a release", "theirs", "counted"}),
        (Selection(frozenset({"a"}), products=frozenset({"-"})), {"mine"}),
        (Selection(frozenset({"a"}), releases=frozenset({"r1"})), {"of a release"}),
        (Selection(frozenset({"a"}), at=microseconds(at(15))), {"mine", "gone"}),
        (Selection(frozenset({"a"}), at=microseconds(at(20))), {"mine", "of a release"}),
        (Selection(frozenset()), set()),
        (Selection(frozenset({"b"}), insights=False), {"theirs"}),
        (Selection(frozenset({"b"}), insights=True), {"theirs", "counted"}),
    ],
)
def test_only_what_is_selected_is_found(selection: Selection, expected: set[str]) -> None:
    entries = [
        Entry("a", "mine", "", "pump", None, None, at(10), None),
        Entry("a", "of a release", "", "pump", "p", "r1", at(20), None),
        Entry("a", "gone", "", "pump", None, None, at(10), at(20)),
        Entry("b", "theirs", "", "pump", None, None, at(10), None, "manual"),
        Entry("b", "counted", "", "pump", None, None, at(10), None, "insight"),
    ]
    index = Postings([make(entries)])
    assert set(index.search(["pump"], selection, 9, 1.0)) == expected
    assert set(index.search(["pump"], selection, 9, 1.0)) == expected  # the second time from what is remembered


def test_terms_that_most_chunks_hold_weigh_as_the_others_do() -> None:
    bodies = ["pump valve" if n % 3 else "pump heater" for n in range(60)]
    found = postings(bodies, segments=2).search(["pump", "heater"], ALL, 100, 1.0)
    expected = oracle([analyse(body) for body in bodies], {"pump", "heater"})
    assert found == pytest.approx({str(n): score for n, score in enumerate(expected)}, rel=1e-12)


@pytest.mark.parametrize("segments", [1, 3])
def test_a_match_has_the_score_of_a_search_and_the_cosine_of_its_own_vector(segments: int) -> None:
    draw = np.random.default_rng(5)
    asked, *vectors = (vector / np.linalg.norm(vector) for vector in draw.normal(size=(31, 8)))
    entries = [
        replace(entry(str(n), "pump " * (n % 4)), vector=HalfVector(vector).to_binary())
        for n, vector in enumerate(vectors)
    ]
    index = Postings([make(entries[n::segments]) for n in range(segments)])
    matched = index.match(["pump"], asked.astype(np.float32), ALL, 20, 1.0)
    assert {chunk_id: match.score for chunk_id, match in matched.items()} == index.search(["pump"], ALL, 20, 1.0)
    assert len(matched) == 20
    for chunk_id, match in matched.items():
        assert match.cosine == pytest.approx(float(vectors[int(chunk_id)] @ asked), abs=2e-3)  # of halves


def test_an_index_of_nothing_is_asked() -> None:
    index = Postings([make([])])
    assert len(index) == 0
    assert index.search(["pump"], ALL, 5, 1.0) == {}
    assert index.match(["pump"], np.ones(3, dtype=np.float32), ALL, 5, 1.0) == {}
    assert Postings([]).search(["pump"], ALL, 5, 1.0) == {}


@given(
    seed=st.integers(0, 99),
    size=st.integers(0, 40 * BLOCKS),
    limit=st.integers(1, 20),
    kinds=st.sampled_from([2, 5, 10_000]),
)
def test_the_best_are_those_of_a_full_sort_with_all_that_equal_the_last(
    seed: int, size: int, limit: int, kinds: int
) -> None:
    scores = np.random.default_rng(seed).integers(0, kinds, size).astype(np.float64)
    least = np.sort(scores)[-limit] if size > limit else 0.0
    expected = [n for n, score in enumerate(scores) if score >= least and score > 0]
    assert sorted(best(scores, limit).tolist()) == expected
