"""`iotops eval run`: the answers of the active index against known truth."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database
from lakehouse.errors import MissingPath

app = typer.Typer(help="Quality against known truth.", no_args_is_help=True)


@app.command()
def run(
    truth: Annotated[
        Path | None, typer.Option(help="Questions with truth, JSON lines; default: the simulator's.")
    ] = None,
    suite: Annotated[str, typer.Option(help="The name that the result is kept under.")] = "simulator",
    wrong: Annotated[bool, typer.Option("--wrong", help="List each wrong answer too.")] = False,
    as_json: Json = False,
) -> None:
    """Ask every question of a file (each names its tenant), print the scorecard and keep it with the index version."""
    from rag import evaluation, versions

    app_ = bootstrap()
    path = truth or app_.settings.home / "truth" / "questions.jsonl"
    if not path.is_file():
        raise MissingPath(path)
    now = datetime.now(UTC)
    card = evaluation.evaluate(app_.copilot.ask, evaluation.read_cases(path), now=now)
    with database.transaction(app_.database_url) as connection:
        version = versions.active_version(connection)
        evaluation.save(connection, str(version), suite, card, now)
    lines = [card.describe()]
    if wrong:
        lines += [
            f"  {o.case.id} {o.reason}\n    {o.case.question}\n    {o.answer.text}"
            for o in card.outcomes
            if not o.correct
        ]
    show(card.to_json(), "\n".join(lines), as_json)
