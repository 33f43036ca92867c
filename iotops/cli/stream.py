"""`iotops ingest stream`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from iotops.cli.stopping import stopping
from lakehouse import database, tenants
from lakehouse.errors import Misused

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from lakehouse.stream.consumer import Progress


def stream(
    tenant: Tenant = "default",
    brokers: Annotated[str | None, typer.Option(help="host:port,… Default: IOTOPS_KAFKA_BROKERS.")] = None,
    topic: Annotated[str | None, typer.Option(help="Default: telemetry.<tenant>.")] = None,
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: kafka:<topic>.")] = None,
    group: Annotated[str, typer.Option(help="Consumers of one group share the partitions.")] = "iotops",
    batch: Annotated[int, typer.Option(min=1, help="Most messages in one commit.")] = 20_000,
    flush_seconds: Annotated[float, typer.Option(min=0, help="Longest wait for a batch to fill.")] = 1.0,
    until_idle: Annotated[
        float | None, typer.Option(help="End when all is landed and nothing came for so many seconds.")
    ] = None,
    max_messages: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
    session_seconds: Annotated[
        float, typer.Option(min=0.1, help="How long the group waits for a consumer that was killed.")
    ] = 10.0,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve metrics on this port of 127.0.0.1.")
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Tell rate and lag also where nobody watches.")] = False,
    as_json: Json = False,
) -> None:
    """Read a Kafka topic into bronze, each message once, until stopped by Ctrl-C or SIGTERM.

    docs/stream.md says what a message holds.
    """
    from prometheus_client import CollectorRegistry

    from lakehouse.stream.batch import Stream
    from lakehouse.stream.consumer import StreamOptions, consume_stream
    from lakehouse.stream.metrics import StreamMetrics

    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    topic = topic or f"telemetry.{tenant}"
    options = StreamOptions(
        brokers=brokers or app.settings.kafka_brokers,
        group=group,
        batch=batch,
        flush_seconds=flush_seconds,
        until_idle=until_idle,
        max_messages=max_messages,
        session_seconds=session_seconds,
    )
    registry = CollectorRegistry()
    with stopping() as stop, _serving(registry, metrics_port):
        summary = consume_stream(
            app.bronze,
            Stream(tenant, source or f"kafka:{topic}", topic),
            options,
            stop=stop,
            metrics=StreamMetrics(registry),
            clock=lambda: datetime.now(UTC),
            progress=_tell if progress or sys.stderr.isatty() else None,
        )
    show(summary.to_json(), summary.describe(), as_json)


@contextmanager
def _serving(registry: "CollectorRegistry", port: int | None) -> Iterator[None]:
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise Misused(f"--metrics-port {port} cannot be served on ({error.strerror}): choose a free port") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _tell(progress: "Progress") -> None:
    sys.stderr.write(f"{progress.messages} messages landed, {progress.rate:.0f}/s, {progress.lag} behind\n")
    sys.stderr.flush()
