"""`iotops answer show|verify|lineage`: an answer given earlier, whether its receipts hold, where they come from."""

from dataclasses import asdict

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.ask import describe
from iotops.cli.options import Json, Tenant, show
from lakehouse.errors import CitationMismatch, Refused

app = typer.Typer(help="Answers given earlier.", no_args_is_help=True)


@app.command()
def verify(answer_id: str, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Read every quote and run every statement again; exit code 1 where one differs or is retired."""
    result = bootstrap().copilot.verify(answer_id, tenant_id=tenant)
    lines = [
        f"[{check.claim + 1}] {check.kind}: {state} ({check.detail})"
        for check in result.checks
        for state in ("ok" if check.ok else "RETIRED" if check.retired else "FAILED",)
    ]
    show(asdict(result), "\n".join(lines) or "no citations: the answer abstained", as_json)
    if not result.ok:
        failed = sum(not check.ok and not check.retired for check in result.checks)
        if not failed:
            raise Refused(f"rows behind {answer_id} are kept in bronze only, where this command does not read")
        raise CitationMismatch(f"{failed} of {len(result.checks)} citations of {answer_id} no longer hold")


@app.command(name="show")
def show_(answer_id: str, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Print an answer as it was given."""
    from rag.records import from_json

    body = bootstrap().copilot.answer(answer_id, tenant_id=tenant)
    show(body, describe(from_json(body)), as_json)


@app.command()
def lineage(answer_id: str, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Follow every citation back to the raw file in bronze."""
    origins = bootstrap().copilot.lineage(answer_id, tenant_id=tenant)
    lines = [
        f"[{o.claim + 1}] {o.table}@{o.bronze_version}  {o.source}{f' {o.path}' if o.path else ''}\n"
        f"    {o.tenant_id}/objects/{o.raw_sha256[:2]}/{o.raw_sha256}  taken in {o.recorded_at:%Y-%m-%d %H:%M} UTC"
        f"{f', text by {o.extraction}' if o.extraction not in ('none', 'identity') else ''}"
        for o in origins
    ]
    show([asdict(origin) for origin in origins], "\n".join(lines) or "no citations: the answer abstained", as_json)
