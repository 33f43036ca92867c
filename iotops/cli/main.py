"""`iotops <noun> <verb>`: done is exit code 0, refused or failed is 1, misused is 2."""

import sys

import typer

from iotops.cli import (
    anomalies,
    answer,
    ask,
    bronze,
    db,
    demo,
    erase,
    evaluate,
    index,
    ingest,
    quality,
    quarantine,
    serve,
    simulate,
    stream,
    tenant,
    up,
    warehouse,
)
from lakehouse.errors import IotopsError, Misused

app = typer.Typer(
    name="iotops",
    help="A lakehouse for fleets of devices whose answers come with receipts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(up.up)
app.command()(demo.demo)
app.command()(ask.ask)
app.command()(ask.search)
app.command()(simulate.simulate)
app.add_typer(answer.app, name="answer")
app.add_typer(evaluate.app, name="eval")
app.add_typer(db.app, name="db")
app.add_typer(serve.app, name="serve")
app.add_typer(tenant.app, name="tenant")
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(index.app, name="index")
app.add_typer(bronze.app, name="bronze")
ingest.app.command()(stream.stream)
app.add_typer(ingest.app, name="ingest")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(quality.app, name="quality")
app.add_typer(anomalies.app, name="anomalies")
app.add_typer(erase.app, name="erase")


def main() -> None:
    try:
        app()
    except IotopsError as error:
        typer.echo(f"iotops: {error}", err=True)
        sys.exit(2 if isinstance(error, Misused) else 1)
    except KeyboardInterrupt:
        typer.echo("iotops: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
