"""Options that every command shares, and the two ways a result is printed."""

import json
from typing import Annotated, Any

import typer

Tenant = Annotated[str, typer.Option("--tenant", help="The tenant whose data is read or written.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def show(result: Any, text: str, as_json: bool) -> None:
    """Print `result` as one JSON document, or `text` for a person."""
    typer.echo(json.dumps(result, ensure_ascii=False, default=str) if as_json else text)
