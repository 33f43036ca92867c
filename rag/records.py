"""Answers as given, kept with who asked what: a receipt must outlive the reply."""

import json
from datetime import datetime
from typing import Any

from lakehouse.database import Connection
from lakehouse.errors import UnknownAnswer
from rag.answer import Answer, Citation, Claim, Conflict, Context, RowsCitation, SpanCitation

SAVE = """
insert into copilot.answers (tenant_id, answer_id, asked_at, question, status, index_version, body)
values (%s, %s, %s, %s, %s, %s, %s)
"""
LOAD = "select body from copilot.answers where tenant_id = %s and answer_id = %s"
AUDIT = "insert into copilot.audit (tenant_id, at, action, subject, outcome) values (%s, %s, %s, %s, %s)"


def save(connection: Connection, answer: Answer, asked_at: datetime) -> None:
    """With its line in the audit log, in the transaction of whoever calls."""
    body = json.dumps(answer.to_json(), ensure_ascii=False, default=str)
    row = (answer.tenant_id, answer.answer_id, asked_at, answer.question, answer.status, answer.index_version, body)
    connection.execute(SAVE, row)
    connection.execute(AUDIT, (answer.tenant_id, asked_at, "ask", answer.answer_id, answer.status))


def load(connection: Connection, tenant_id: str, answer_id: str) -> dict[str, Any]:
    """The public JSON of an answer. Raises UnknownAnswer, also where it is another tenant's."""
    row = connection.execute(LOAD, (tenant_id, answer_id)).fetchone()
    if row is None:
        raise UnknownAnswer(answer_id)
    body = row[0]
    assert isinstance(body, dict)  # noqa: S101 - the column is jsonb and always holds an object
    return body


def from_json(body: dict[str, Any]) -> Answer:
    """The inverse of `Answer.to_json`."""
    claims = tuple(Claim(c["text"], tuple(_citation(dict(item)) for item in c["citations"])) for c in body["claims"])
    conflicts = tuple(_conflict(item) for item in body.get("conflicts", ()))  # none in answers of before there were any
    return Answer(**{**body, "claims": claims, "context": Context(**body["context"]), "conflicts": conflicts})


def _conflict(item: dict[str, Any]) -> Conflict:
    spans = tuple(SpanCitation(**{**c, "kind": "span"}) for c in item["citations"])
    return Conflict(**{**item, "citations": spans, "backs": tuple(item["backs"])})


def _citation(item: dict[str, Any]) -> Citation:
    if item.pop("kind") == "rows":
        return RowsCitation(**{**item, "bronze": tuple(item["bronze"])})
    return SpanCitation(**item)
