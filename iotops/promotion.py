"""From a built index version to the active one: evaluated first, promoted when it is no worse."""

from datetime import datetime

from iotops.bootstrap import App
from iotops.evaluating import searching
from lakehouse import database
from rag import evaluation, indexing
from rag.gate import require_no_worse
from rag.versions import IndexVersion, get_version

SUITE = "simulator"  # of `iotops eval run` too


def evaluate_candidate(app: App, *, now: datetime) -> str | None:
    """Ask the known questions of the version that gold stands for, and keep the scorecard.

    Returns its id, or None where that version is the active one already. Builds the version where nobody has yet.
    """
    built = indexing.build_index(app.database_url, app.embedder, app.settings.home / "indexes", now=now)
    candidate = built.version
    if candidate.active:
        return None
    truth = app.settings.home / "truth" / "questions.jsonl"
    if truth.is_file():
        card = evaluation.evaluate(
            lambda question: app.copilot.ask(question, index_version=candidate.index_version),
            evaluation.read_cases(truth),
            now=now,
            search=searching(app, candidate.index_version),
        )
        with database.transaction(app.database_url) as connection:
            evaluation.save(connection, candidate.index_version, SUITE, card, now)
    return candidate.index_version


def promote_candidate(app: App, index_version: str, *, now: datetime, anyway: bool = False) -> IndexVersion:
    """index_version: or the beginning of one. anyway: though it may be worse than the active one.

    Raises PromotionRefused: its evaluations are worse than the active version's, or its rows not as built.
    """
    with database.transaction(app.database_url) as connection:
        version = get_version(connection, index_version)
        if not anyway:
            require_no_worse(connection, version.index_version)
    return indexing.promote(app.database_url, version.index_version, now=now)
