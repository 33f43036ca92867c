"""Questions that ask what changed, and when: what they are about, and between which releases."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rag.answer import Claim, Conflict, SpanCitation
from rag.candidates import candidates
from rag.receipts import span
from rag.replacements import Replacement
from rag.retriever import Hit
from rag.sentences import plain
from rag.tokens import analyse
from rag.version_order import version_key

_V: Final = r"(?:(?:version|firmware|release|v\.?)\s*)?v?\d+(?:\.\d+)*[\w.-]*"
_NAMED: Final = rf"(?:the\s+)?(?:[A-Z][\w-]*\s+){{0,3}}{_V}"
_ASKS: Final = re.compile(
    r"\bwhat\b(?:\W+\w+){0,3}?\W+(?:chang\w+|differ\w*|new)\b|\b(?:did|has|have|does)\b.{1,80}?\bchang\w+\b"
    r"|\bsince when\b|\bwhen (?:was|were|did)\b.{1,80}?\b(?:chang\w+|renam\w+|replac\w+|remov\w+|introduc\w+)\b"
    r"|\b(?:difference|changes?)\s+(?:between|from|since|in)\b",
    re.I,
)
_FILLERS: Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?:between|from)\s+{_NAMED}\s+(?:and|to|until)\s+{_NAMED}",
        rf"\b(?:since|in|with|after|as of)\s+{_NAMED}",
        r",?\s*\band\s+(?:since\s+)?when(?:\s+did\s+(?:it|that|this)\s+change)?\b",
        r"^\W*since when\b|\bsince when\b",
        r"\bwhat(?:['’]s|\s+is|\s+was|\s+has|\s+have)?\s+(?:been\s+)?(?:the\s+)?(?:changes?|changed|different|differences?|new)\b"
        r"(?:\s+(?:about|with|in|for|of|to|regarding|as to))?",
        r"\bhow\s+(?:did|has|have|does)\b|\b(?:been\s+)?chang(?:ed|e|es|ing)\b",
        r"\bwhen\s+(?:was|were|did)\b",
    )
)
MOST_CONFLICTS: Final = 3
MOST_LISTED: Final = 8


@dataclass(frozen=True)
class Change:
    """subject: what is left to ask for; empty where all changes are asked for. None: nothing older, or today's."""

    subject: str
    old: str | None
    new: str | None


def read_change(text: str, versions: Sequence[str], known: Sequence[str], product: str | None = None) -> Change | None:
    """versions: those that the text names, lowest first. known: the releases that the product has."""
    if product and not versions:
        versions = sorted(re.findall(rf"{re.escape(product)}\s+v?(\d+(?:\.\d+)+)", text, re.I), key=version_key)
    if not versions or not _ASKS.search(text):
        return None
    ordered = sorted(dict.fromkeys(known), key=version_key)
    if len(versions) > 1:
        old, new = versions[0], versions[-1]
    elif re.search(rf"\b(?:since|after|from)\s+{_NAMED}", text, re.I):
        old, new = versions[0], ordered[-1] if ordered else versions[0]
    else:
        new = versions[0]
        before = [version for version in ordered if version_key(version) < version_key(new)]
        old = before[-1] if before else new
    subject = text
    for filler in _FILLERS:
        subject = filler.sub(" ", subject)
    subject = re.sub(r"\s+([?.,;:])", r"\1", " ".join(subject.split())).strip(" ,;:.?-–—")
    is_told = set(analyse(subject)) - set(analyse(product or ""))
    return Change(subject if is_told else "", old if version_key(old) < version_key(new) else None, new)


def list_changes(notes: Sequence[Hit], statements: Sequence[Replacement], change: Change) -> list[Claim]:
    """The lines of release notes, then the statements of changes that name their release, newest first."""
    low, high = version_key(change.old or ""), version_key(change.new or "")
    lines = [(c.hit, c.unit) for hit in notes for c in candidates(hit, 0) if c.unit.kind == "item"]
    lines += [(one.hit, one.unit) for one in statements if low < version_key(one.since or "") <= high]
    claims: dict[str, Claim] = {}
    for hit, unit in lines:
        quote = span(hit, unit.start, unit.end)
        claims.setdefault(plain(unit.text), Claim(_under([quote], plain(unit.text)), (quote,)))
    return list(claims.values())[:MOST_LISTED]


def told(conflicts: Sequence[Conflict]) -> list[Claim]:
    """Of each: what holds, what held before, and the statement of the change; each under its release."""
    claims: dict[str, Claim] = {}
    for one in conflicts[:MOST_CONFLICTS]:
        parts = {
            part: [c for c, backs in zip(one.citations, one.backs, strict=True) if backs == part] for part in one.backs
        }
        for text, quotes in ((one.current, parts.get("current", [])), (one.previous, parts.get("previous", []))):
            claims.setdefault(text, Claim(_under(quotes, text), tuple(quotes)))
        if since := [c for c in parts.get("since", ()) if c not in parts.get("current", ())]:
            text = plain(since[0].quote)
            claims.setdefault(text, Claim(f"Changed in {_when(one)}: {text}", tuple(since)))
    return [claim for claim in claims.values() if claim.citations]


def summary(conflicts: Sequence[Conflict]) -> str | None:
    """One line, without the values: they stand in the claims, each with its receipt."""
    dated: dict[str, str] = {}
    for one in conflicts[:MOST_CONFLICTS]:
        if one.since and (one.since not in dated or one.since_date):
            dated[one.since] = _when(one)
    return f"Changed in {', '.join(dated.values())}." if dated else None


def _when(one: Conflict) -> str:
    return f"{one.since} ({one.since_date})" if one.since_date else str(one.since)


def _under(quotes: Sequence[SpanCitation], text: str) -> str:
    version = quotes[0].version if quotes else None
    return f"{version}: {text}" if version else text
