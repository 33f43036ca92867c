from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector
from prometheus_client import REGISTRY

from lakehouse.database import Connection
from rag import graphs, indexing
from rag.embedder import Embedder
from rag.indexing import Parameters
from rag.lexical import Entry, Lexical, build
from rag.nearest import nearest
from rag.rerank import RerankFailed
from rag.retriever import VECTOR_DEPTH, Filters, Hit, containing, fuse, retrieve

AddDocument = Callable[..., str]

VALVE = "The relief valve of the pump opens at 8 bar."
FILTER = "The filter is rinsed with clean water every 500 hours."
INVOICE = "Invoices are sent to customers at the end of the month."


class Search:
    """A built index, asked the way the copilot asks."""

    def __init__(self, connection: Connection, lexical: Lexical, embedder: Embedder) -> None:
        self.connection, self.lexical, self.embedder = connection, lexical, embedder

    def __call__(self, query: str, limit: int = 10, *, folded: bool = True, **filters: Any) -> list[Hit]:
        chosen = Filters(**{"tenants": ["default"], "index_version": self.lexical.index_version, **filters})
        return retrieve(self.connection, self.lexical, self.embedder, query, filters=chosen, limit=limit, folded=folded)


@pytest.fixture
def search(
    database_url: str, gold: Connection, embedder: Embedder, indexes: Path, now: datetime
) -> Callable[..., Search]:
    def built(parameters: Parameters = indexing.DEFAULTS) -> Search:
        version = indexing.build_index(database_url, embedder, indexes, now=now, parameters=parameters).version
        return Search(gold, indexing.open_lexical(gold, indexes, version.index_version), embedder)

    return built


def titles(hits: list[Hit]) -> list[str]:
    return [hit.title for hit in hits]


def test_a_passage_is_found_by_its_words_and_by_its_meaning(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    for title, text in (("Valve", VALVE), ("Filter", FILTER), ("Office", INVOICE)):
        add_document(title, text)
    ask = search()
    by_words, by_meaning = ask("relief valve")[0], ask("At which pressure does it let go?")[0]
    assert (by_words.title, by_meaning.title) == ("Valve", "Valve")
    assert by_words.lexical > 0
    assert by_meaning.lexical == 0
    assert by_meaning.cosine > 0.2


def test_a_hit_carries_its_chunk_and_its_scores(search: Callable[..., Search], add_document: AddDocument) -> None:
    text = f"# Über\n\n{FILTER}\n\n# Druck\n\n{VALVE}\n"
    document_id = add_document("P-200", text, product="P-200", version_from="2.1", url="https://example.org/p")
    hit = search()("relief valve")[0]
    assert (hit.document_id, hit.heading_path, hit.url, hit.version) == (
        document_id, ("Druck",), "https://example.org/p", "2.1",
    )  # fmt: skip
    assert text.encode()[hit.byte_start : hit.byte_end].decode() == hit.text
    assert hit.version_key == (2, 1, 0)
    assert 0 < hit.score <= 1


def test_what_only_its_words_found_has_the_cosine_that_the_database_tells(
    search: Callable[..., Search], add_document: AddDocument, embedder: Embedder
) -> None:
    for number in range(VECTOR_DEPTH + 5):
        add_document(f"Page {number}", f"{FILTER} Page {number}.")
    add_document("Office", f"{INVOICE} The word is zqhose.")
    ask = search()
    question = "Is the filter rinsed before or after the zqhose?"
    filters = Filters(["default"], ask.lexical.index_version)
    (vector,) = embedder.embed([question])
    near = nearest(ask.connection, vector, filters, graphs.find_place(ask.connection, filters), depth=VECTOR_DEPTH)
    (hit,) = (hit for hit in ask(question) if hit.title == "Office")
    assert hit.chunk_id not in near
    row = ask.connection.execute(
        "select -(embedding <#> %s::text::halfvec) from search.chunks where chunk_id = %s",
        (str(vector.astype(np.float16).tolist()), hit.chunk_id),
    ).fetchone()
    assert row is not None
    assert hit.cosine == pytest.approx(row[0], abs=1e-6)


def test_the_best_come_first_and_no_more_than_asked_for(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    for number in range(30):
        add_document(f"Page {number}", f"{VALVE} Page {number}.")
    hits = search()("relief valve", limit=7)
    assert len(hits) == 7
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_equal_questions_get_equal_answers(search: Callable[..., Search], add_document: AddDocument) -> None:
    for number in range(20):
        add_document("Same", f"{VALVE} {number}")
    ask = search()
    assert ask("relief valve") == ask("relief valve")


@pytest.mark.parametrize("question", ["relief valve", "At which pressure does it let go?"])
def test_nothing_of_another_tenant_is_ever_returned(
    search: Callable[..., Search], add_document: AddDocument, question: str
) -> None:
    for tenant_id in ("default", "public", "acme"):
        add_document("Valve", VALVE, tenant_id=tenant_id)
    ask = search()
    assert {hit.tenant_id for hit in ask(question)} == {"default"}
    assert {hit.tenant_id for hit in ask(question, tenants=["acme", "public"])} == {"acme", "public"}
    assert ask(question, tenants=[]) == []


def test_what_an_engine_returns_of_another_tenant_is_dropped_by_the_database(
    search: Callable[..., Search], add_document: AddDocument, tmp_path: Path
) -> None:
    """Lexical files whose tenant is wrong: the database has the last word."""
    add_document("Valve", VALVE, tenant_id="acme")
    ask = search()
    (chunk_id,) = (hit.chunk_id for hit in ask("relief valve", tenants=["acme"]))
    recorded = datetime.fromisoformat("2026-10-01T00:00:00+00:00")
    vector = HalfVector([0.05] * 384).to_binary()
    forged = Entry("default", chunk_id, "Valve", VALVE, None, None, recorded, None, "manual", vector)
    build(tmp_path / "forged", [forged])
    ask.lexical = Lexical(tmp_path / "forged", ask.lexical.index_version)
    assert list(ask.lexical.search(["valv"], tenants=["default"], limit=5)) == [chunk_id]
    assert ask("relief valve") == []


def test_superseded_passages_are_shown_only_as_of_their_time(
    search: Callable[..., Search], add_document: AddDocument, now: datetime
) -> None:
    changed = now - timedelta(days=3)
    add_document("Old", VALVE, recorded_at=now - timedelta(days=9), valid_to=changed)
    add_document("New", VALVE.replace("8", "9"), recorded_at=changed)
    ask = search()
    assert titles(ask("relief valve")) == ["New"]
    assert titles(ask("relief valve", as_of=changed - timedelta(seconds=1))) == ["Old"]
    assert titles(ask("relief valve", as_of=changed)) == ["New"]
    assert titles(ask("relief valve", as_of=now - timedelta(days=10))) == []


def test_only_allowed_releases_and_passages_of_no_product_are_shown(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    for version in ("1.0", "2.0"):
        add_document(f"Manual {version}", VALVE, product="P-200", version_from=version)
    add_document("Other product", VALVE, product="P-300", version_from="1.0")
    add_document("Runbook", VALVE)
    ask = search()
    assert len(ask("relief valve")) == 4
    allowed = ["default|P-200|manual|2.0"]
    assert set(titles(ask("relief valve", releases=allowed))) == {"Manual 2.0", "Runbook"}
    assert set(titles(ask("relief valve", releases=[]))) == {"Runbook"}
    assert set(titles(ask("relief valve", product="P-300"))) == {"Other product", "Runbook"}


def test_hnsw_finds_the_passages_of_a_small_tenant_among_many_of_another(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    """The nearest 40 of the graph are all of the large tenant: without iterative scans the small one would get none."""
    for number in range(300):
        add_document(f"Page {number}", f"{VALVE} {number}", tenant_id="large")
    for number in range(3):
        add_document(f"Office {number}", f"{INVOICE} {number}", tenant_id="small")
    ask = search(Parameters(hnsw_above=10))
    ask.connection.execute("set enable_sort = off")
    ask.connection.execute("set enable_bitmapscan = off")
    assert len(ask("At which pressure does it let go?", tenants=["small"])) == 3


def test_hnsw_and_an_exact_scan_find_the_same_first_passage(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    for title, text in (("Valve", VALVE), ("Filter", FILTER), ("Office", INVOICE)):
        for number in range(30):
            add_document(f"{title} {number}", f"{text} Number {number}.")
    exact, graph = search(), search(Parameters(hnsw_above=10))
    question = "When are bills posted?"
    assert titles(exact(question, limit=3)) == titles(graph(question, limit=3))


def test_a_lexical_index_of_another_version_is_refused(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    add_document("Valve", VALVE)
    with pytest.raises(ValueError, match="is of version"):
        search()("relief valve", index_version="0" * 16)


def test_an_empty_index_answers_with_nothing(search: Callable[..., Search]) -> None:
    assert search()("relief valve") == []


def test_a_question_of_stop_words_is_answered_by_meaning_alone(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    add_document("Valve", VALVE)
    assert [hit.lexical for hit in search()("what is it?")] == [0.0]


def test_fusion_prefers_what_both_engines_like() -> None:
    scores = fuse([10.0, 9.0, 0.0], [0.2, 0.7, 0.8])
    assert scores.index(max(scores)) == 1
    assert all(0 <= score <= 1 for score in scores)


def test_fusion_of_one_engine_keeps_its_order() -> None:
    assert fuse([0.0, 0.0], [0.3, 0.2]) == [0.5, 0.0]
    assert fuse([2.0, 1.0], [0.3, 0.3]) == [0.5, 0.25]
    assert fuse([], []) == []


def test_passages_that_hold_a_pattern_are_found_whatever_their_rank_and_only_visible_ones(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    add_document("New", "The option `-c` is Replaced by `--config`.")
    add_document(
        "Old", "The option `-c` is replaced by `--conf`.", valid_to=datetime.fromisoformat("2026-10-02T00:00:00Z")
    )
    add_document("Other", "The option `-c` is replaced by `--configure`.", tenant_id="acme")
    add_document("Plain", VALVE)
    ask = search()
    filters = Filters(["default"], ask.lexical.index_version)
    assert titles(containing(ask.connection, r"replaced\s+by", filters=filters)) == ["New"]


def test_copies_of_a_page_take_one_place_and_are_named_with_it(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    text = f"{VALVE} It is opened by hand once a year, from the left, with the key that hangs beside the door."
    first, second = add_document("Valve", text), add_document("Valve again", text)
    add_document("Filter", FILTER)
    hits = search()("relief valve", limit=2)
    assert [len(hit.also_in) for hit in hits] == [1, 0]
    assert {hits[0].document_id, *hits[0].also_in} == {first, second}
    assert hits[1].title == "Filter"
    assert {hit.document_id for hit in search()("relief valve", limit=2, folded=False)} == {first, second}


class BySize:
    """Prefers long passages; fails on demand."""

    def __init__(self, failing: bool = False) -> None:
        self.failing = failing

    def scores(self, _: str, texts: Sequence[str]) -> list[float]:
        if self.failing:
            raise RerankFailed("timeout", "no answer in time")
        return [float(len(text)) for text in texts]


def test_a_reranker_orders_the_passages_and_its_failure_leaves_them_as_they_were(
    search: Callable[..., Search], add_document: AddDocument
) -> None:
    for title, text in (("Valve", VALVE), ("Filter", f"{FILTER} {INVOICE}")):
        add_document(title, text)
    ask = search()
    filters = Filters(tenants=["default"], index_version=ask.lexical.index_version)

    def by(reranker: BySize) -> list[Hit]:
        return retrieve(
            ask.connection, ask.lexical, ask.embedder, "relief valve", filters=filters, limit=1, reranker=reranker
        )

    before = REGISTRY.get_sample_value("iotops_rerank_failed_total", {"reason": "timeout"}) or 0
    (best,), (fallen_back,) = by(BySize()), by(BySize(failing=True))
    assert (best.title, fallen_back.title) == ("Filter", "Valve")
    assert (best.rerank or 0) > 0
    assert fallen_back.rerank is None
    assert REGISTRY.get_sample_value("iotops_rerank_failed_total", {"reason": "timeout"}) == before + 1
