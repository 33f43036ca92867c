"""A question that asks several things is answered thing by thing."""

import re
from collections.abc import Sequence

_KINDS = (
    ("runbook", re.compile(r"\brunbooks?\b", re.I)),
    ("release_note", re.compile(r"\brelease notes?\b|\bchangelog\b", re.I)),
    ("manual", re.compile(r"\bmanuals?\b|\bdocumentation\b", re.I)),
    ("chat_thread", re.compile(r"\bchats?\b|\bslack\b|\bdiscuss\w*\b", re.I)),
    ("insight", re.compile(r"\bincidents?\b|\bhealth\b|\bopen alerts?\b|\brollouts?\b", re.I)),
)
_BOUNDARY = re.compile(
    r"(?:[?;]\s+|,\s+and\s+|,\s+|\s+and\s+)(?=(?:also\s+)?(?:(?:in|on|at|to|from|for|with|by)\s+)?(?:what|why|how|which|who|whom|when|where|did|does|is|was)\b)",
    re.I,
)

_ASKS = re.compile(
    r"\b(?:what|why|how|which|who|whom|when|where|whose)\b|^(?:is|are|do|does|did|can|may|was|were)\b", re.I
)


def clauses(question: str) -> list[str]:
    """The parts that each begin with a question word, in order; the whole text where there is only one."""
    parts: list[str] = []
    lead = ""
    for part in _BOUNDARY.split(question.strip()):
        part = f"{lead}, {part}".strip(" ,;?")
        lead = "" if _ASKS.search(part) else part  # "In firmware 6.4" asks nothing: it belongs to what follows
        if not lead:
            parts.append(part)
    return [*parts, *([lead] if lead else [])] or [question.strip()]


def named_kind(clause: str) -> str | None:
    """The kind of document that the clause itself sends the reader to."""
    return next((kind for kind, pattern in _KINDS if pattern.search(clause)), None)


def with_subject(clause: str, subject: Sequence[str]) -> str:
    """The clause with those names of its question that it leaves out: "how hot did it get" + pump-007."""
    absent = [name for name in subject if name.lower() not in clause.lower()]
    return " ".join([clause, *absent])
