"""What must hold of every answer, over all questions of a simulated fleet."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.errors import Misused, UnknownAnswer, UnknownDocument, UnknownTenant
from lakehouse.tenants import PUBLIC
from rag.answer import Answer, Question, RowsCitation, SpanCitation
from rag.copilot import Copilot
from rag.evaluation import Case, evaluate, judge
from simulator.catalog import build_product
from tests.fleet import INGESTED, SEED, Fleet, settle

Answers = list[tuple[Case, Answer]]


@pytest.fixture(scope="module")
def fleet(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return settle(new_app(tmp_path_factory.mktemp("fleet")))


@pytest.fixture(scope="module")
def answers(fleet: Fleet) -> Answers:
    """Every question of the truth, asked of its own tenant by its text alone."""
    return [(case, fleet.ask(case.question, case.tenant_id)) for case in fleet.cases]


def spans(answers: Answers) -> list[tuple[Case, SpanCitation]]:
    return [
        (case, citation)
        for case, answer in answers
        for claim in answer.claims
        for citation in claim.citations
        if isinstance(citation, SpanCitation)
    ]


def test_every_quote_is_the_stored_bytes_at_its_offsets(fleet: Fleet, answers: Answers) -> None:
    cited = spans(answers)
    assert len(cited) > 50
    for case, citation in cited:
        holder = PUBLIC if fleet.app.objects.exists(PUBLIC, citation.object_sha256) else case.tenant_id
        stored = fleet.app.objects.get(holder, citation.object_sha256, citation.byte_start, citation.byte_end)
        assert stored.decode() == citation.quote


def test_every_claim_has_a_receipt_and_every_receipt_holds_when_checked_again(fleet: Fleet, answers: Answers) -> None:
    for case, answer in answers:
        assert all(claim.citations for claim in answer.claims)
        verification = fleet.app.copilot.verify(answer.answer_id, tenant_id=case.tenant_id)
        assert verification.ok, verification
        assert len(verification.checks) == sum(len(claim.citations) for claim in answer.claims)


def test_no_tenant_is_ever_shown_what_belongs_to_another(fleet: Fleet) -> None:
    private = {"acme": "globex", "globex": "acme"}
    with database.transaction(fleet.app.database_url) as connection:
        rows = connection.execute("select document_id, tenant_id from gold.documents").fetchall()
    owner = {str(document): str(tenant) for document, tenant in rows}
    asked = [(fleet.ask(case.question, private[case.tenant_id]), private[case.tenant_id]) for case in fleet.cases]
    seen = 0
    for answer, tenant_id in asked:
        for claim in answer.claims:
            for citation in claim.citations:
                seen += 1
                if isinstance(citation, RowsCitation):
                    assert citation.params["tenant_id"] == tenant_id
                else:
                    assert owner[citation.document_id] in {tenant_id, PUBLIC}
    assert seen > 50


def test_every_number_asked_for_is_right(answers: Answers) -> None:
    outcomes = [judge(case, answer) for case, answer in answers if case.kind == "telemetry"]
    assert len(outcomes) > 10
    assert [o.case.question for o in outcomes if not o.correct] == []


def test_readings_are_counted_whatever_their_units_are(fleet: Fleet) -> None:
    with database.transaction(fleet.app.database_url) as connection:
        device, count, units = connection.execute(
            "select device_id, count(*), count(distinct unit) from gold.fct_readings where tenant_id = 'acme' "
            "group by 1 order by 3 desc, 1 limit 1"
        ).fetchone() or ("", 0, 0)
    assert int(str(units)) > 1
    answer = fleet.ask(f"How many readings of {device} were recorded?", "acme")
    assert [c.value for claim in answer.claims for c in claim.citations if isinstance(c, RowsCitation)] == [count]


def test_no_citation_is_of_a_release_that_the_question_is_not_about(answers: Answers) -> None:
    outcomes = [judge(case, answer) for case, answer in answers if case.kind == "version-dependent"]
    assert len(outcomes) > 10
    assert sum(o.stale for o in outcomes) == 0


def test_what_earlier_releases_said_is_reported_with_receipts_that_hold(fleet: Fleet, answers: Answers) -> None:
    told = [(case, one) for case, answer in answers if case.kind == "version-dependent" for one in answer.conflicts]
    assert len(told) > 5
    for case, one in told:
        assert one.current != one.previous
        assert {"current", "previous"} <= set(one.backs)
        for citation in one.citations:
            holder = PUBLIC if fleet.app.objects.exists(PUBLIC, citation.object_sha256) else case.tenant_id
            stored = fleet.app.objects.get(holder, citation.object_sha256, citation.byte_start, citation.byte_end)
            assert stored.decode() == citation.quote


def test_release_notes_that_no_manual_followed_are_told_as_a_contradiction(fleet: Fleet) -> None:
    gateway = build_product("gateway", SEED)
    keepalive = gateway.facts["keepalive"]
    answer = fleet.ask(keepalive.asks[0].format(it=f"the {gateway.name}"), "acme")
    assert keepalive.values[3] in answer.text
    conflict = next(one for one in answer.conflicts if keepalive.values[2] in one.previous)
    assert keepalive.values[3] in conflict.current
    assert conflict.since == gateway.versions[3]


def test_what_changed_and_when_is_answered_from_both_releases(fleet: Fleet) -> None:
    product = build_product("pump", SEED)
    fact = product.facts["vibration_limit"]  # it changed with the last release
    values, versions = fact.values, product.versions
    asked = fact.asks[0].format(it=f"the {product.name}")
    answer = fleet.ask(f"{asked} What changed between {versions[0]} and {versions[2]}, and when?", "acme")
    since = versions[values.index(values[2])]
    assert all(any(value in claim.text for claim in answer.claims) for value in (values[0], values[2]))
    assert f"Changed in {since}" in answer.text
    cited = {c.version for claim in answer.claims for c in claim.citations if isinstance(c, SpanCitation)}
    assert cited == {versions[1], since}  # the value before, in the last release that had it


def test_what_changed_is_told_though_the_pages_of_two_releases_differ_in_two_words_only(fleet: Fleet) -> None:
    product = build_product("cold", SEED)
    fact = product.facts["show_command"]
    values = fact.values[: product.manuals]
    asked = fact.asks[0].format(it=f"the {product.name}")
    first, last = product.versions[0], product.versions[product.manuals - 1]
    answer = fleet.ask(f"{asked} What changed between {first} and {last}, and when?", "acme")
    assert len(set(values)) == 2
    assert all(any(value in claim.text for claim in answer.claims) for value in set(values))
    assert f"Changed in {product.versions[values.index(values[-1])]}" in answer.text


def test_an_answer_is_kept_as_given_and_shown_to_its_tenant_only(fleet: Fleet, answers: Answers) -> None:
    case, answer = answers[0]
    other = "globex" if case.tenant_id == "acme" else "acme"
    assert fleet.app.copilot.answer(answer.answer_id, tenant_id=case.tenant_id) == json.loads(
        json.dumps(answer.to_json())
    )
    with pytest.raises(UnknownAnswer):
        fleet.app.copilot.answer(answer.answer_id, tenant_id=other)


def test_a_document_is_shown_around_its_quote_and_to_its_tenant_only(fleet: Fleet, answers: Answers) -> None:
    case, citation = next((c, s) for c, s in spans(answers) if not fleet.app.objects.exists(PUBLIC, s.object_sha256))
    source = fleet.app.copilot.document(citation.document_id, tenant_id=case.tenant_id)
    start, end = (offset - source.byte_start for offset in (citation.byte_start, citation.byte_end))
    assert source.text.encode()[start:end].decode() == citation.quote
    with pytest.raises(UnknownDocument):
        fleet.app.copilot.document(citation.document_id, tenant_id="globex" if case.tenant_id == "acme" else "acme")


def test_the_series_behind_a_number_holds_the_readings_it_was_computed_from(fleet: Fleet, answers: Answers) -> None:
    case, answer = next((c, a) for c, a in answers if c.kind == "telemetry" and "average" in c.question.lower())
    series = fleet.app.copilot.series(answer.answer_id, 0, 0, tenant_id=case.tenant_id)
    citation = answer.claims[0].citations[0]
    assert isinstance(citation, RowsCitation)
    values = [point.value for point in series.points]
    assert sum(values) / len(values) == pytest.approx(citation.value, abs=1e-5)


def test_lineage_leads_to_raw_files_that_bronze_holds(fleet: Fleet, answers: Answers) -> None:
    kinds = set()
    for case, answer in answers[:20]:
        origins = fleet.app.copilot.lineage(answer.answer_id, tenant_id=case.tenant_id)
        assert {(o.claim, o.citation) for o in origins} == {
            (i, j) for i, claim in enumerate(answer.claims) for j, _ in enumerate(claim.citations)
        }
        assert all(fleet.app.objects.exists(o.tenant_id, o.raw_sha256) for o in origins)
        kinds |= {o.table for o in origins}
    assert "documents" in kinds


def test_before_anything_was_recorded_nothing_is_known(fleet: Fleet, answers: Answers) -> None:
    answered = [case for case, answer in answers if answer.status == "answered"][::7]
    assert len(answered) > 5
    for case in answered:
        before = fleet.ask(case.question, case.tenant_id, as_of=INGESTED - timedelta(days=1))
        assert before.claims == ()
        assert fleet.ask(case.question, case.tenant_id, as_of=INGESTED).claims != ()


def test_an_unknown_device_is_named_in_the_refusal(fleet: Fleet) -> None:
    answer = fleet.ask("What is the latest temperature of pump-999?", "acme")
    assert answer.status == "abstained"
    assert "'pump-999' is not known" in answer.text


def test_questions_that_cannot_be_put_are_refused_in_one_line(fleet: Fleet) -> None:
    with pytest.raises(UnknownTenant, match="iotops tenant create nobody"):
        fleet.ask("What is it?", "nobody")
    with pytest.raises(Misused, match="1 to 2000 characters"):
        fleet.ask("  ", "acme")
    with pytest.raises(Misused, match="1 to 2000 characters"):
        fleet.ask("x" * 2001, "acme")


def test_a_reranker_chooses_the_passages_of_an_answer_and_of_a_search(fleet: Fleet, answers: Answers) -> None:
    class Backwards:
        """The first come last."""

        def scores(self, _: str, texts: Sequence[str]) -> list[float]:
            return [float(place) for place in range(len(texts))]

    case, answer = next((c, a) for c, a in answers if a.claims and isinstance(a.claims[0].citations[0], SpanCitation))
    app = fleet.app
    turned = Copilot(app.database_url, app.objects, app.embedder, app.settings.home / "indexes", Backwards())
    plain, other = (
        asked.search(case.question, tenant_id=case.tenant_id, now=INGESTED) for asked in (app.copilot, turned)
    )
    assert [hit.rerank for hit in plain] == [None] * len(plain)
    assert [hit.rerank for hit in other] == sorted((hit.rerank for hit in other), reverse=True)
    assert other[0] != plain[0]
    assert turned.ask(Question(case.question, case.tenant_id, INGESTED)).claims != answer.claims


def test_the_scorecard_counts_what_was_asked(fleet: Fleet) -> None:
    sample = [case for case in fleet.cases if case.kind == "telemetry"][:3]
    card = evaluate(fleet.app.copilot.ask, sample, now=INGESTED)
    assert (card.questions, card.correct) == (3, 3)
    assert card.describe().splitlines()[-1].split()[:4] == ["all", "3", "of", "3"]
