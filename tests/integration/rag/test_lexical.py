from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pgvector import HalfVector
from rank_bm25 import BM25Okapi

from rag import lexical
from rag.filters import Filters
from rag.lexical import Entry, Lexical
from rag.tokens import analyse

RECORDED = datetime(2026, 10, 1, tzinfo=UTC)


def entry(
    chunk_id: str,
    body: str,
    head: str = "",
    tenant_id: str = "default",
    product: str | None = None,
    release_key: str | None = None,
    recorded_at: datetime = RECORDED,
    valid_to: datetime | None = None,
) -> Entry:
    return Entry(tenant_id, chunk_id, head, body, product, release_key, recorded_at, valid_to)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "indexes" / "one" / "lexical"


def opened(path: Path, entries: Iterable[Entry]) -> Lexical:
    lexical.build(path, entries)
    return Lexical(path, "one")


def found(index: Lexical, query: str, **filters: object) -> list[str]:
    return list(index.search(analyse(query), **{"tenants": ["default"], "limit": 10, **filters}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["P0301", "--config-dir", "E_OVERHEAT", "10.2.3", "/tmp/x.lock", "NodeFilesystemFilesFillingUp"]
)
def test_a_name_finds_the_passage_that_holds_it_before_those_that_hold_its_parts(path: Path, name: str) -> None:
    parts = "node filesystem files filling up config dir e overheat 10 2 3 tmp x lock p 0301 "
    index = opened(path, [entry("parts", parts * 2), entry("name", f"Then `{name}` is shown to the operator at once.")])
    assert found(index, f"What does {name} mean?")[0] == "name"


def test_a_name_that_stands_only_in_the_title_is_found(path: Path) -> None:
    index = opened(path, [entry("a", "It is firing."), entry("b", "It is firing.", head="KubePodCrashLooping")])
    assert found(index, "KubePodCrashLooping") == ["b"]


def test_scores_are_those_of_bm25(path: Path) -> None:
    draw = np.random.default_rng(7)
    words = [f"w{number}x" for number in range(60)]
    bodies = [" ".join(draw.choice(words, size=draw.integers(5, 139))) for _ in range(300)]
    index = opened(path, [entry(str(number), body) for number, body in enumerate(bodies)])
    oracle = BM25Okapi([analyse(body) for body in bodies], k1=1.2, b=0.75)
    for query in ("w1x", "w2x w3x", "w4x w5x w6x w7x"):
        terms = analyse(query)
        for term in terms:  # Okapi's idf without the 1 inside the logarithm is negative for frequent terms
            frequency = sum(term in analyse(body) for body in bodies)
            oracle.idf[term] = float(np.log(1 + (len(bodies) - frequency + 0.5) / (frequency + 0.5)))
        expected = oracle.get_scores(terms)
        scores = index.search(terms, tenants=["default"], limit=300)
        assert len(scores) == np.count_nonzero(expected) > 0
        for chunk_id, score in scores.items():
            assert score == pytest.approx(expected[int(chunk_id)], rel=1e-12)


def test_only_passages_of_the_tenants_asked_for_are_found(path: Path) -> None:
    index = opened(path, [entry(t, "the valve", tenant_id=t) for t in ("default", "public", "acme")])
    assert found(index, "valve", tenants=["default", "public"]) == ["default", "public"]
    assert found(index, "valve", tenants=["nobody"]) == []
    assert found(index, "valve", tenants=[]) == []


def test_filters_do_not_change_scores(path: Path) -> None:
    entries = [entry("a", "the valve opens", product="x", release_key="default|x|manual|1"), entry("b", "a filter")]
    index = opened(path, entries)
    plain = index.search(["valv"], tenants=["default"], limit=5)
    filtered = index.search(
        ["valv"], tenants=["default"], releases=["default|x|manual|1"], product="x", as_of=RECORDED, limit=5
    )
    assert plain == filtered != {}


def test_releases_that_are_not_allowed_are_not_found_and_those_of_no_product_are(path: Path) -> None:
    keys = {"old": "default|x|manual|1", "new": "default|x|manual|2", "none": None}
    index = opened(path, [entry(name, "the valve", release_key=key) for name, key in keys.items()])
    assert found(index, "valve", releases=["default|x|manual|2"]) == ["new", "none"]
    assert found(index, "valve", releases=[]) == ["none"]
    assert found(index, "valve", releases=None) == ["new", "none", "old"]


def test_a_product_shows_its_own_passages_and_those_of_none(path: Path) -> None:
    index = opened(path, [entry(str(p), "the valve", product=p) for p in ("x", "y", None)])
    assert found(index, "valve", product="x") == ["None", "x"]


def test_as_of_a_time_shows_what_was_known_and_in_force_then(path: Path) -> None:
    later = RECORDED + timedelta(days=1)
    index = opened(path, [entry("old", "the valve", valid_to=later), entry("new", "the valve", recorded_at=later)])
    assert found(index, "valve") == ["new"]
    assert found(index, "valve", as_of=RECORDED - timedelta(microseconds=1)) == []
    assert found(index, "valve", as_of=RECORDED) == ["old"]
    assert found(index, "valve", as_of=later - timedelta(microseconds=1)) == ["old"]
    assert found(index, "valve", as_of=later) == ["new"]


def test_equal_scores_are_ordered_by_id(path: Path) -> None:
    index = opened(path, [entry(name, "the valve") for name in ("c", "a", "b")])
    assert found(index, "valve") == ["a", "b", "c"]


def test_a_question_of_stop_words_finds_nothing(path: Path) -> None:
    assert found(opened(path, [entry("a", "what is it")]), "What is it?") == []


def test_an_index_of_nothing_can_be_asked(path: Path) -> None:
    index = opened(path, [])
    assert (len(index), found(index, "valve")) == (0, [])


def test_a_build_that_fails_leaves_what_was_there(path: Path) -> None:
    opened(path, [entry("a", "the valve")])

    def failing() -> Iterable[Entry]:
        yield entry("b", "the filter")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        lexical.build(path, failing())
    assert found(Lexical(path, "one"), "valve") == ["a"]
    assert [child.name for child in path.parent.iterdir()] == ["lexical"]


def test_files_that_are_no_index_are_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"."):
        Lexical(path, "one")


def test_an_open_index_stays_readable_while_its_files_are_replaced(path: Path) -> None:
    index = opened(path, [entry("a", "the valve")])
    lexical.build(path, [entry("b", "the valve")])
    assert found(index, "valve") == ["a"]


def test_a_match_obeys_the_filters_of_its_question(path: Path) -> None:
    vector = HalfVector([1.0, 0.0]).to_binary()
    kinds = {"mine": ("default", "manual"), "theirs": ("acme", "manual"), "counted": ("default", "insight")}
    entries = [
        replace(entry(name, "the valve", tenant_id=tenant), kind=kind, vector=vector)
        for name, (tenant, kind) in kinds.items()
    ]
    index = opened(path, entries)

    def matched(**filters: object) -> set[str]:
        chosen = Filters(**{"tenants": ["default"], "index_version": "one", **filters})  # type: ignore[arg-type]
        return set(index.match(["valv"], np.array([1.0, 0.0], dtype=np.float32), chosen, limit=5))

    assert matched() == {"mine", "counted"}
    assert matched(insights=False) == {"mine"}
    assert matched(tenants=["acme"]) == {"theirs"}
    assert matched(as_of=RECORDED - timedelta(days=1)) == set()
