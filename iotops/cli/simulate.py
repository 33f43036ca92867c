"""`iotops simulate`: a fleet whose truth is known, written where the ingest DAGs look."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse.errors import Misused


def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: the inbox.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of questions.jsonl; default: truth/ under the home.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other numbers, names, codes and phrasings.")] = 7,
    devices: Annotated[int, typer.Option(help="Devices over all tenants, at least 24.")] = 24,
    days: Annotated[int, typer.Option(help="Length of the history, at least 7.")] = 14,
    end: Annotated[str, typer.Option(help="End of the history: a midnight in UTC.")] = "2026-11-01T00:00:00Z",
    as_json: Json = False,
) -> None:
    """Write a simulated fleet and the questions whose answers are known."""
    from simulator.simulation import simulate as run

    settings = bootstrap().settings
    try:
        result = run(
            out or settings.inbox,
            truth or settings.home / "truth",
            seed=seed,
            end=_moment(end),
            days=days,
            devices=devices,
        )
    except ValueError as error:
        raise Misused(f"nothing was simulated: {error}") from error
    show(result.to_json(), result.describe(), as_json)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"--end is '{text}': give a time such as 2026-11-01T00:00:00Z") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
