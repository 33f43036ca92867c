"""`iotops eval run` and `iotops eval history`: what the index answers, against what is known."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database

if TYPE_CHECKING:
    from rag.history import Past

app = typer.Typer(help="Quality against known truth.", no_args_is_help=True)

Suite = Annotated[
    str,
    typer.Option(
        help="simulator, scifact, runbooks, chunk-spans or freshness; with --truth any name to keep it under."
    ),
]


@app.command()
def run(
    truth: Annotated[
        Path | None, typer.Option(help="Questions with truth, JSON lines; default: the simulator's.")
    ] = None,
    suite: Suite = "simulator",
    data: Annotated[Path | None, typer.Option(help="Folder of the suites that are not simulated.")] = None,
    tenant: Annotated[
        str, typer.Option("--tenant", help="Whose documents the freshness cases are asked of.")
    ] = "default",
    wrong: Annotated[bool, typer.Option("--wrong", help="List each wrong answer too.")] = False,
    as_json: Json = False,
) -> None:
    """Run one suite on the active index, print the scorecard and keep it with the index version."""
    from iotops.evaluating import run_suite

    result = run_suite(bootstrap(), suite, now=datetime.now(UTC), data=data, truth=truth, tenant_id=tenant)
    listed = [f"  {text}" for text in result.wrong] if wrong else []
    show(result.record, "\n".join([result.text, *listed]), as_json)


@app.command(name="history")
def history_(
    suite: Annotated[str | None, typer.Option(help="Only this suite.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many runs.")] = 20,
    as_json: Json = False,
) -> None:
    """List the runs that were kept, newest first; the active index version is marked."""
    from dataclasses import asdict

    from rag.history import read_history

    with database.transaction(bootstrap().database_url) as connection:
        runs = read_history(connection, suite=suite, limit=limit)
    lines = [_line(one) for one in runs] or ["nothing was evaluated yet: run 'iotops eval run'"]
    show([asdict(one) for one in runs], "\n".join(lines), as_json)


def _line(one: "Past") -> str:
    metrics = "  ".join(f"{name} {value:.3f}" for name, value in one.metrics.items())
    mark = "*" if one.active else " "
    when = f"{one.evaluated_at.astimezone(UTC):%Y-%m-%d %H:%M}"
    counts = f"{one.correct:>4} of {one.questions:<4} stale {one.stale}"
    return f"{mark} {when}  {one.index_version}  {one.suite:<12} {counts}  {metrics}".rstrip()
