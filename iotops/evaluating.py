"""`iotops eval run`: one suite on the active index version, its result kept with the version."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.errors import IndexNotBuilt, MissingPath, Misused
from rag import evaluation, history, versions
from rag.freshness_cases import FILE, ask_cases, read_freshness_cases
from rag.suites import COMPARED, read_suite, score_suite


@dataclass(frozen=True)
class Result:
    """text: for a person; wrong: the answers that were not right, where the suite gives answers."""

    record: dict[str, Any]
    text: str
    wrong: tuple[str, ...] = ()


def run_suite(
    app: App, suite: str, *, now: datetime, data: Path | None, truth: Path | None, tenant_id: str = "default"
) -> Result:
    """Raises Misused, MissingPath, IndexNotBuilt."""
    with database.transaction(app.database_url) as connection:
        version = versions.active_version(connection)
    if version is None:
        raise IndexNotBuilt
    if suite in (*COMPARED, "freshness") and truth is None:
        if data is None:
            raise Misused(f"suite '{suite}' is read from a folder: name it with --data")
        result, run = (
            _freshness(app, version, data, tenant_id, now)
            if suite == "freshness"
            else _public(app, version, suite, data, now)
        )
        with database.transaction(app.database_url) as connection:
            history.save(connection, run)
        return result
    return _simulator(app, version, suite, truth or app.settings.home / "truth" / "questions.jsonl", now)


def _simulator(app: App, version: str, suite: str, path: Path, now: datetime) -> Result:
    card = evaluation.evaluate(app.copilot.ask, evaluation.read_cases(path), now=now, search=searching(app))
    with database.transaction(app.database_url) as connection:
        evaluation.save(connection, version, suite, card, now)
    wrong = [
        f"{o.case.id} {o.reason}\n    {o.case.question}\n    {o.answer.text}" for o in card.outcomes if not o.correct
    ]
    return Result(card.to_json(), card.describe(), tuple(wrong))


def searching(app: App, index_version: str | None = None) -> evaluation.Searching:
    return lambda question: app.copilot.search(
        question.text,
        tenant_id=question.tenant_id,
        limit=evaluation.SEARCHED,
        now=question.now,
        index_version=index_version,
    )


def _freshness(app: App, version: str, data: Path, tenant_id: str, now: datetime) -> tuple[Result, history.Run]:
    paths = sorted(data.glob(f"docs/*/{FILE}"))
    if not paths:
        raise MissingPath(data / "docs" / "*" / FILE)
    cases = [case for path in paths for case in read_freshness_cases(path)]
    judged = list(ask_cases(app.copilot.ask, cases, tenant_id=tenant_id, now=now))
    right, stale, cited = (
        sum(values) for values in zip(*((j.right, j.stale, j.citations) for j in judged), strict=True)
    )
    metrics = {"right": right / len(judged), "stale_citation_rate": stale / cited if cited else 0.0}
    metrics |= {
        f"right, {way}": sum(j.right for j in judged if j.way == way) / len(cases)
        for way in ("plain", "old", "changed")
    }
    outcomes = {f"{j.case.id} {j.way}": j.right for j in judged}
    public = {"questions": len(judged), "correct": right, "stale_citations": stale, "metrics": metrics}
    wrong = tuple(f"{j.case.id} {j.way}\n    {j.text}" for j in judged if not j.right)
    run = history.Run(version, "freshness", now, len(judged), right, stale, {**public, "outcomes": outcomes})
    return Result(public, _table(metrics, right, len(judged), stale), wrong), run


def _public(app: App, version: str, suite: str, data: Path, now: datetime) -> tuple[Result, history.Run]:
    scores = score_suite(read_suite(suite, data), app.embedder)
    names = next(iter(scores.values())).keys()
    metrics = {name: sum(values[name] for values in scores.values()) / len(scores) for name in names}
    found = sum(values[COMPARED[suite]] > 0 for values in scores.values())
    public = {"questions": len(scores), "correct": found, "stale_citations": 0, "metrics": metrics}
    record = {**public, "compared": COMPARED[suite], "scores": scores}
    run = history.Run(version, suite, now, len(scores), found, 0, record)
    return Result(public, _table(metrics, found, len(scores), 0)), run


def _table(metrics: dict[str, float], correct: int, questions: int, stale: int) -> str:
    rows = [f"  {name:<22}{value:>7.4f}" for name, value in metrics.items()]
    return "\n".join([*rows, f"  {'all':<18}{correct:>4} of {questions}   stale citations: {stale}"])
