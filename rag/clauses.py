"""A question that asks several things is answered thing by thing."""

import re

_BOUNDARY = re.compile(
    r"(?:[?;]\s+|,\s+and\s+|,\s+|\s+and\s+)(?=(?:also\s+)?(?:(?:in|on|at|to|from|for|with|by)\s+)?(?:what|why|how|which|who|whom|when|where|did|does|is|was)\b)",
    re.I,
)


def clauses(question: str) -> list[str]:
    """The parts that each begin with a question word, in order; the whole text where there is only one."""
    parts = [part.strip(" ,;?") for part in _BOUNDARY.split(question.strip())]
    return [part for part in parts if len(part.split()) > 1] or [question.strip()]
