"""`iotops ask` and `iotops search`: the copilot on the command line."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse.errors import Misused

if TYPE_CHECKING:
    from rag.answer import Answer, Conflict, Context

AsOf = Annotated[str | None, typer.Option("--as-of", help="Use only what was recorded by this time (ISO 8601, UTC).")]
Device = Annotated[str | None, typer.Option("--device", help="The device that the question is about.")]
Product = Annotated[str | None, typer.Option("--product", help="The product that the question is about.")]
Version = Annotated[str | None, typer.Option("--version", help="The release or firmware that the question is about.")]


def ask(
    question: str,
    tenant: Tenant = "default",
    device: Device = None,
    product: Product = None,
    version: Version = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Answer a question with citations, or say why there is no answer."""
    from rag.answer import Context, Question

    copilot = bootstrap().copilot
    moment = datetime.now(UTC)
    answer = copilot.ask(Question(question, tenant, moment, read_time(as_of), Context(device, product, version)))
    show(answer.to_json(), describe(answer), as_json)


def search(
    query: str,
    tenant: Tenant = "default",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many passages.")] = 10,
    device: Device = None,
    product: Product = None,
    version: Version = None,
    as_of: AsOf = None,
    excerpts: Annotated[
        bool, typer.Option("--excerpts", help="Only what seems to answer, cut out of the first ten passages.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the passages that an answer would be taken from."""
    from rag.answer import Context

    hits = bootstrap().copilot.search(
        query,
        tenant_id=tenant,
        limit=limit,
        now=datetime.now(UTC),
        as_of=read_time(as_of),
        context=Context(device, product, version),
        with_excerpts=excerpts,
    )
    lines = [
        f"{hit.score:.3f}  {' › '.join((_title(hit.title, hit.version), *hit.heading_path))}\n       "
        + (hit.excerpt.text if hit.excerpt else _shortened(hit.text))
        for hit in hits
    ]
    show([asdict(hit) for hit in hits], "\n".join(lines) or "nothing found", as_json)


def read_time(text: str | None) -> datetime | None:
    """Without an offset the time is UTC. Raises Misused."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"'{text}' is no time: write it as 2026-10-20T08:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def describe(answer: "Answer") -> str:
    """The answer for a person: its text, then each claim's receipts, then what it holds for."""
    lines = [answer.text, ""]
    for number, claim in enumerate(answer.claims, start=1):
        lines.extend(f"[{number}] {_receipt(citation)}" for citation in claim.citations)
    for conflict in answer.conflicts:
        lines.extend(_conflict(conflict))
    context = _context(answer.context)
    lines.append(f"{answer.status}{context} · answer {answer.answer_id} · {answer.timings_ms['total']:.0f} ms")
    return "\n".join(lines).lstrip()


def _conflict(conflict: "Conflict") -> list[str]:
    when = f"{conflict.since} ({conflict.since_date})" if conflict.since_date else conflict.since
    lines = [f"changed since {when or 'an earlier release'}", f"    now: {_shortened(conflict.current)}"]
    lines.append(f"    before: {_shortened(conflict.previous)}")
    receipts = zip(conflict.backs, conflict.citations, strict=True)
    return [*lines, *(f"    {backs}: {_receipt(citation)}" for backs, citation in receipts)]


def _receipt(citation: Any) -> str:
    if citation.kind == "rows":
        sql = " ".join(citation.sql.split())
        return (
            f"{citation.value} = {sql}\n    with {citation.params}\n    "
            f"rows {citation.rows_sha256[:12]} · snapshot {citation.snapshot} · {len(citation.bronze)} bronze files"
        )
    where = f"{citation.object_sha256[:12]} bytes {citation.byte_start}–{citation.byte_end}"
    return f"{_title(citation.title, citation.version)} · {where}\n    “{_shortened(citation.quote, 240)}”"


def _context(context: "Context") -> str:
    parts = [context.device_id, context.product, context.version]
    return f" for {' · '.join(part for part in parts if part)}" if any(parts) else ""


def _title(title: str, version: str | None) -> str:
    return f"{title} ({version})" if version else title


def _shortened(text: str, length: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
