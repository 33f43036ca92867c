"""Every evaluation that was kept: of which index version, on which suite, with what result."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from lakehouse.database import Connection

SAVE: Final = """
insert into search.evaluations (index_version, suite, evaluated_at, questions, correct, stale, scorecard)
values (%s, %s, %s, %s, %s, %s, %s)
"""

NEWEST: Final = """
select scorecard
from search.evaluations
where index_version = %s and suite = %s and evaluated_at >= %s
order by evaluated_at desc, evaluation_id desc
limit 1
"""

# Without what was asked and answered: a scorecard holds the questions of all tenants.
HISTORY: Final = """
select
    e.index_version, e.suite, e.evaluated_at, e.questions, e.correct, e.stale,
    coalesce(e.scorecard -> 'metrics', '{}') as metrics,
    coalesce(e.index_version = a.index_version, false) as active
from search.evaluations as e
left join search.active as a on true
where %(suite)s::text is null or e.suite = %(suite)s
order by e.evaluated_at desc, e.evaluation_id desc
limit %(limit)s
"""


@dataclass(frozen=True)
class Run:
    """record: what is kept of it, with `metrics`, `outcomes` (right or wrong) and `scores` of single questions."""

    index_version: str
    suite: str
    evaluated_at: datetime
    questions: int
    correct: int
    stale: int
    record: dict[str, Any]


@dataclass(frozen=True)
class Past:
    """active: of the version that questions are answered from now."""

    index_version: str
    suite: str
    evaluated_at: datetime
    questions: int
    correct: int
    stale: int
    metrics: dict[str, float]
    active: bool


def save(connection: Connection, run: Run) -> None:
    row = (
        run.index_version,
        run.suite,
        run.evaluated_at,
        run.questions,
        run.correct,
        run.stale,
        json.dumps(run.record),
    )
    connection.execute(SAVE, row)


def newest(connection: Connection, index_version: str, suite: str, *, since: datetime) -> dict[str, Any] | None:
    row: tuple[Any, ...] | None = connection.execute(NEWEST, (index_version, suite, since)).fetchone()
    return None if row is None else dict(row[0])


def read_history(connection: Connection, *, suite: str | None = None, limit: int = 50) -> list[Past]:
    """Newest first."""
    with connection.cursor(row_factory=class_row(Past)) as cursor:
        return cursor.execute(HISTORY, {"suite": suite, "limit": limit}).fetchall()
