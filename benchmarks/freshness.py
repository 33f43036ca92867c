"""Answers about what changed from release to release: python -m benchmarks.freshness --data FOLDER

Each DATA/docs/*/freshness_cases.jsonl, whose releases are the folders beside it, is ingested by the real pipeline and
asked in three ways; so are the version questions of simulated fleets, and what changed in these. "conflict": where an
earlier release said otherwise, whether a right answer reports it. Beside it, from the same chunks, what a pipeline
without any rule of versions gives: the first passage of the fused retrieval.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.answer_weights import prepare
from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import database
from lakehouse.ingest import ingest_documents
from lakehouse.tenants import readable
from lakehouse.warehouse import build_warehouse
from rag import evaluation
from rag.answer import Question
from rag.freshness_cases import FILE, FreshnessCase, ask_cases, asked, holds, read_freshness_cases
from rag.indexing import build_index
from rag.retriever import Filters, retrieve
from rag.significance import interval
from rag.versions import active_version, promote
from simulator.catalog import KINDS, Product, build_product

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """citations: for the peer, the one passage that it shows."""

    suite: str
    way: str
    arm: str
    right: bool
    stale: int
    citations: int
    missing: bool
    note: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with docs/*/freshness_cases.jsonl")
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",") if seed], default=[301, 302]
    )
    parser.add_argument("--home", type=Path, default=Path(".iotops/benchmarks/freshness"), help="kept for the next run")
    parser.add_argument("--wrong", action="store_true", help="list each answer that is not right")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for path in sorted((options.data / "docs").glob(f"*/{FILE}")):
        cases = read_freshness_cases(path)
        outcomes += of_cases(
            settled(options.home.resolve() / path.parent.name, path.parent, cases), path.parent.name, cases
        )
    for seed in options.seeds:
        outcomes += of_simulator(prepare(options.home.resolve() / f"seed-{seed}", seed), seed)
    report(outcomes, wrong=options.wrong)


def settled(home: Path, folder: Path, cases: Sequence[FreshnessCase]) -> App:
    """A home in which both releases are ingested, built and indexed. A repeat finds everything as it was."""
    app = App(read_settings({"IOTOPS_HOME": str(home)}))
    for version in sorted({v for case in cases for v in (case.version_old, case.version_current)}):
        ingest_documents(app.bronze, "default", folder / version, now=NOW, product=cases[0].product, version=version)
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=home / "dbt")
    built = build_index(app.database_url, app.embedder, home / "indexes", now=NOW)
    promote(app.database_url, built.version.index_version, now=NOW)
    return app


def of_cases(app: App, suite: str, cases: Sequence[FreshnessCase]) -> Iterator[Outcome]:
    for one in ask_cases(app.copilot.ask, cases, tenant_id="default", now=NOW):
        text = f"{one.case.id}: {one.text}"
        yield Outcome(suite, one.way, "iotops", one.right, one.stale, one.citations, one.missing, text)
        passage, version = first_passage(app, asked(one.case, one.way)[0], "default")
        wanted, other = (one.case.current, one.case.outdated)
        excluded = one.case.version_old
        if one.way == "old":
            wanted, other, excluded = other, wanted, one.case.version_current
        right, says_other = holds(passage, wanted), holds(passage, other)
        stale = one.way != "changed" and (version == excluded or (says_other and not right))
        if one.way == "changed":
            right = right and says_other and holds(passage, frozenset({one.case.since}))
        yield Outcome(suite, one.way, "plain pipeline", right and not stale, int(stale), 1, not right)


def of_simulator(app: App, seed: int) -> Iterator[Outcome]:
    products = {kind: build_product(kind, seed) for kind in KINDS}
    truth = app.settings.home / "truth" / "questions.jsonl"
    for case in evaluation.read_cases(truth):
        if case.kind != "version-dependent":
            continue
        answer = app.copilot.ask(Question(case.question, case.tenant_id, case.now or NOW))
        judged = evaluation.judge(case, answer)
        count = sum(len(claim.citations) for claim in answer.claims)
        note = f"{case.question} {judged.reason}: {answer.text}"
        way = "device" if case.context.device_id else "named" if str(case.context.version) in case.question else "plain"
        yield Outcome("simulator", way, "iotops", judged.correct, judged.stale, count, not answer.claims, note)
        passage, _ = first_passage(app, case.question, case.tenant_id)
        says = all(text.lower() in passage.lower() for text in case.contains)
        stale = any(text.lower() in passage.lower() for text in case.not_contains)
        yield Outcome("simulator", way, "plain pipeline", says and not stale, int(stale), 1, not says)
        earlier = earlier_values(products.values(), case)
        if judged.correct and earlier:
            told = any(reports(c.current, case.contains[:1]) and reports(c.previous, earlier) for c in answer.conflicts)
            yield Outcome("simulator", "conflict", "iotops", told, 0, len(answer.conflicts), not answer.conflicts, note)
    for product in products.values():
        yield from _what_changed(app, product)


def earlier_values(products: Iterable[Product], case: evaluation.Case) -> list[str]:
    """What the product's releases before the one that the question is about said of the same fact."""
    for product in products:
        if product.name == case.context.product and case.context.version in product.versions:
            release = product.release(case.context.version)
            for fact in product.facts.values():
                if fact.asks and fact.values[release] == case.contains[0]:
                    return [value for value in fact.values[:release] if value != fact.values[release]]
    return []


def reports(text: str, values: Sequence[str]) -> bool:
    return any(value.lower() in text.lower() for value in values)


def _what_changed(app: App, product: Product) -> Iterator[Outcome]:
    """Of the facts that changed once between the first and the last release with a manual: before, after, and when."""
    first, last = product.versions[0], product.versions[product.manuals - 1]
    for fact in product.facts.values():
        values = fact.values[: product.manuals]
        if not fact.asks or not fact.announce or len(set(values)) != 2 or values[0] == values[-1]:
            continue
        since = product.versions[values.index(values[-1])]
        ask = fact.asks[0].format(it=f"the {product.name}", **product.slots(0))
        question = f"{ask} What changed between {first} and {last}, and when?"
        answer = app.copilot.ask(Question(question, "acme", NOW))
        said = "\n".join(claim.text for claim in answer.claims) + answer.text
        right = all(reports(said, [text]) for text in (values[0], values[-1])) and f"Changed in {since}" in answer.text
        note = f"{question} wants {values[0]}, {values[-1]}, {since}: {answer.text}"
        yield Outcome("simulator", "changed", "iotops", right, 0, len(answer.claims), not answer.claims, note)
        passage, _ = first_passage(app, question, "acme")
        told = all(reports(passage, [text]) for text in (values[0], values[-1], since))
        yield Outcome("simulator", "changed", "plain pipeline", told, 0, 1, not told)


def first_passage(app: App, query: str, tenant_id: str) -> tuple[str, str | None]:
    with database.transaction(app.database_url) as connection:
        version = str(active_version(connection))
        lexical = app.copilot.lexical(version)
        filters = Filters(readable(tenant_id), version)
        hits = retrieve(connection, lexical, app.embedder, query, filters=filters, limit=1)
    return (hits[0].text, hits[0].version_from) if hits else ("", None)


def report(outcomes: Sequence[Outcome], *, wrong: bool) -> None:
    groups = dict.fromkeys((o.suite, o.way) for o in outcomes)
    print(f"{'suite':12}{'asked':10}{'arm':16}{'right':>16}{'share [95 %]':>22}{'stale citations':>18}{'missing':>9}")
    for suite, way in [*groups, ("all", "")]:
        for arm in ("iotops", "plain pipeline"):
            chosen = [o for o in outcomes if o.arm == arm and (suite == "all" or (o.suite, o.way) == (suite, way))]
            print(f"{suite:12}{way:10}{arm:16}{_line(chosen)}")
    ours, peer = ([o for o in outcomes if o.arm == arm] for arm in ("iotops", "plain pipeline"))
    ratio = sum(o.right for o in ours) / max(1, sum(o.right for o in peer))
    print(f"right, ours / peer's: {ratio:.2f}")
    for one in ours if wrong else []:
        if not one.right or one.stale:
            print(f"  {one.suite} {one.way} stale {one.stale}: {one.note}")


def _line(chosen: Sequence[Outcome]) -> str:
    right, count = sum(o.right for o in chosen), len(chosen)
    low, high = interval(right, count)
    stale, cited = sum(o.stale for o in chosen), sum(o.citations for o in chosen)
    rate = interval(stale, cited)
    return (
        f"{right:>9} of {count:<4}{right / max(1, count):>8.2f} [{low:.2f}, {high:.2f}]"
        f"{stale:>8} of {cited:<4}[≤ {rate[1]:.2f}]{sum(o.missing for o in chosen):>6}"
    )


if __name__ == "__main__":
    main()
