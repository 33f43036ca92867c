"""`iotops simulate`: a fleet whose truth is known, written where the ingest DAGs look, or streamed to Kafka."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from iotops.cli.stopping import stopping
from lakehouse.errors import BrokerUnavailable, Misused


def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: the inbox.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of questions.jsonl; default: truth/ under the home.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other numbers, names, codes and phrasings.")] = 7,
    devices: Annotated[int, typer.Option(help="Devices over all tenants, at least 24.")] = 24,
    days: Annotated[int, typer.Option(help="Length of the history, at least 7.")] = 14,
    end: Annotated[str, typer.Option(help="End of the history: a midnight in UTC.")] = "2026-11-01T00:00:00Z",
    stream: Annotated[
        bool, typer.Option("--stream", help="Send readings and events to Kafka, and write no files.")
    ] = False,
    brokers: Annotated[str | None, typer.Option(help="Of --stream. Default: IOTOPS_KAFKA_BROKERS.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of --stream: of each topic that is not there yet.")] = 3,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Of --stream: messages a second. Default: as fast as they are taken.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Of --stream: seconds. The history starts over, later in time.")
    ] = None,
    messages: Annotated[int | None, typer.Option(min=1, help="Of --stream: how many, in place of seconds.")] = None,
    as_json: Json = False,
) -> None:
    """Write a simulated fleet and the questions whose answers are known, or stream it."""
    from simulator.simulation import simulate as run

    settings = bootstrap().settings
    if stream:
        _stream(
            brokers or settings.kafka_brokers,
            as_json,
            seed=seed,
            end=_moment(end),
            days=days,
            devices=devices,
            partitions=partitions,
            rate=rate,
            duration=duration,
            messages=messages,
        )
        return
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


def _stream(brokers: str, as_json: bool, **arguments: Any) -> None:
    """The first Ctrl-C or SIGTERM ends it, with what was acknowledged until then."""
    from simulator.stream import BrokerRefused, simulate_stream

    with stopping() as stop:
        try:
            result = simulate_stream(brokers, stop=stop, **arguments)
        except ValueError as error:
            raise Misused(f"nothing was simulated: {error}") from error
        except BrokerRefused as error:
            raise BrokerUnavailable(brokers, error) from error
    show(result.to_json(), result.describe(), as_json)
    if result.failed:
        raise typer.Exit(1)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"--end is '{text}': give a time such as 2026-11-01T00:00:00Z") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
