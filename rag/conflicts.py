"""What an answer says now and what was said before: statements of two releases about one thing, with receipts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Final

from rag.answer import Backs, Conflict, SpanCitation
from rag.candidates import Candidate, candidates
from rag.receipts import span
from rag.releases import Bounds, bounds
from rag.replacements import Replacement
from rag.retriever import Hit
from rag.sentences import plain
from rag.tokens import analyse
from rag.version_order import version_key

# Of the words of both, that two releases' statements of one thing share in their order. Manuals keep their wording.
ALIKE: Final = 0.55
# The same where both are about one code: what it stands for may have changed whole.
ALIKE_OF_CODE: Final = 0.4
_CODE: Final = re.compile(r"\b[A-Z]{1,4}-?\d{2,}\b")
# Of the rarer terms of the shorter one, where a changelog tells the same in other words than the manual.
TOLD_ALIKE: Final = 0.34
_WORD: Final = re.compile(r"[\w°%µ]+(?:[-./:][\w]+)*")
_VALUE: Final = re.compile(
    r"-?\d+(?:[.,]\d+)*\s?(?P<unit>%|°\s?[CFK]?|[A-Za-zµΩ]{1,12}\b)?|`[^`]+`|(?<!\w)--?[A-Za-z][\w-]*|\b\w*_\w+\b"
)
_UNITS: Final = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "hrs": "hour", "d": "day"}


@dataclass(frozen=True)
class Stated:
    """One claim's evidence. replacement: the statement that took the place of an outdated candidate."""

    candidate: Candidate
    replacement: Replacement | None


Earlier = Callable[[str, Hit], Sequence[Hit]]  # passages for a query, of releases before that of the hit
Notes = Callable[[str, Hit], Sequence[Hit]]  # the same of the release notes of the very release of the hit
SAME_TERMS: Final = 0.5  # of a release note's terms, in the manual's sentence about the same
NEW_TERMS: Final = 0.8  # of what is new in a statement, that the release note of its change repeats


def find_conflict(
    stated: Stated, statements: Sequence[Replacement], earlier: Earlier, notes: Notes, same: Notes
) -> Conflict | None:
    """What was said before of the same thing, and since when it is not. None where nothing else is known.

    same: passages of the manual of the very release of a hit.
    """
    if stated.replacement:
        return _replaced(stated.candidate, stated.replacement, earlier)
    now = stated.candidate
    told = next((s for s in statements if s.confirms(now.quoted, now.headings) and not s.outdates(now.quoted)), None)
    note = now if now.hit.kind == "release_note" else None
    compared = (_in_manual(note, same(note.words, note.hit)) if note else None) or now
    query = f"{compared.section} {compared.words}"
    before = sorted(_aligned(compared, earlier(query, compared.hit)), key=_order, reverse=True)
    since = compared.hit
    for then in before:  # newest first: how far back does it say the same?
        if not _is_same(compared, then):
            return _conflict(now, then, told, since, notes, note)
        since = then.hit
    return _told(now, told, earlier) if told else None


def _replaced(outdated: Candidate, by: Replacement, earlier: Earlier) -> Conflict:
    """The statement wins over the page; what the page still says is what was said before."""
    old = [c for c in _naming(by, earlier(plain(outdated.words), by.hit)) if _order(c) < version_key(by.since or "")]
    then = max(old, key=_order, default=outdated)
    statement = span(by.hit, by.unit.start, by.unit.end)
    quotes: list[tuple[Backs, SpanCitation]] = [
        ("current", statement),
        *_quotes(then, "previous"),
        ("since", statement),
    ]
    return _made(plain(by.unit.text), plain(then.words), by.since, _day(by.hit), quotes)


def _told(now: Candidate, by: Replacement, earlier: Earlier) -> Conflict:
    then = max(_naming(by, earlier(" ".join(sorted(by.old)), now.hit)), key=_order, default=None)
    statement = span(by.hit, by.unit.start, by.unit.end)
    previous = plain(then.words) if then else plain(by.unit.text)
    quotes = [*_quotes(now, "current"), *(_quotes(then, "previous") if then else [("previous", statement)])]
    return _made(plain(now.words), previous, by.since, _day(by.hit), [*quotes, ("since", statement)])


def _conflict(
    now: Candidate,
    then: Candidate,
    told: Replacement | None,
    since: Hit,
    notes: Notes | None = None,
    note: Candidate | None = None,
) -> Conflict:
    quotes = [*_quotes(now, "current"), *_quotes(then, "previous")]
    if told:
        quotes.append(("since", span(told.hit, told.unit.start, told.unit.end)))
        return _made(plain(now.words), plain(then.words), told.since, _day(told.hit), quotes)
    if notes and note is None:
        note = _announcement(now, then, notes(now.words, since))
    if note:
        quotes.append(("since", span(note.hit, note.unit.start, note.unit.end)))
    return _made(plain(now.words), plain(then.words), since.version, _day(since), quotes)


def _announcement(now: Candidate, then: Candidate, hits: Sequence[Hit]) -> Candidate | None:
    """The sentence of a release note that repeats what is new in the statement."""
    new = set(analyse(now.words)) - set(analyse(then.words))
    shares = [(len(new & set(analyse(c.words))), c) for hit in hits for c in candidates(hit, 0)]
    share, best = max(shares, key=lambda pair: pair[0], default=(0, None))
    return best if new and share >= NEW_TERMS * len(new) else None


def replaced_by(then: Candidate, statements: Sequence[Replacement], earlier: Earlier) -> Conflict | None:
    """From what an older release says to the statement that it is so no more."""
    by = next((s for s in statements if s.outdates(then.quoted, then.headings)), None)
    if by is None or version_key(by.since or "") <= then.hit.version_key:
        return None
    return _replaced(then, by, earlier)


def contradicting(found: Sequence[Candidate], best: Candidate) -> list[Candidate]:
    """Of what may be cited, the statements of another release than the best that give another value of the same."""
    return [
        other
        for other in found
        if other.hit.product == best.hit.product
        and _order(other) != _order(best)
        and other.hit.kind in ("manual", "release_note")
        and _tells_alike(best, other)
    ]


def in_order(one: Candidate, other: Candidate) -> Conflict:
    """Of two that contradict, the newer release is the current one."""
    then, now = sorted((one, other), key=_order)
    return _conflict(now, then, None, now.hit)


def _tells_alike(one: Candidate, other: Candidate) -> bool:
    left, right = _values(one.unit.text), _values(other.unit.text)
    if not left or not right or left & right or not {unit for _, unit in left} & {unit for _, unit in right}:
        return False
    ours, theirs = _subject(one), _subject(other)
    return len(ours & theirs) >= max(2, TOLD_ALIKE * min(len(ours), len(theirs)))


def _subject(c: Candidate) -> frozenset[str]:
    return frozenset(analyse(_VALUE.sub(" ", plain(c.unit.text)))) - frozenset(analyse(c.hit.product or ""))


def _values(text: str) -> frozenset[tuple[str, str]]:
    """Each value with its unit, in one spelling; a name as machines write it is a value of its own."""
    found = set()
    for match in _VALUE.finditer(text):
        unit = (match["unit"] or "").replace(" ", "").lower()
        unit = _UNITS.get(unit, unit.removesuffix("s") if len(unit) > 2 else unit)
        number = re.match(r"-?\d+(?:[.,]\d+)*", match[0])
        found.add((number[0].replace(",", "") if number else match[0].strip("`").lower(), unit))
    return frozenset(found)


def _aligned(now: Candidate, hits: Sequence[Hit]) -> list[Candidate]:
    """Of each earlier release, the statement that is worded most like this one, under the same heading: one about the
    same code, where there is one."""
    best: dict[tuple[int, ...], tuple[bool, float, Candidate]] = {}
    codes = _codes(now)
    for hit in hits:
        if hit.product != now.hit.product or hit.kind != now.hit.kind or hit.version_key >= now.hit.version_key:
            continue
        for then in candidates(hit, 0):
            if then.unit.kind != now.unit.kind or _heading(then) != _heading(now):
                continue
            of_code, likeness = bool(codes & _codes(then)), _likeness(now.words, then.words)
            known = best.get(hit.version_key, (False, 0.0, then))
            if likeness >= (ALIKE_OF_CODE if of_code else ALIKE) and (of_code, likeness) > known[:2]:
                best[hit.version_key] = (of_code, likeness, then)
    return [then for _, _, then in best.values()]


def _codes(c: Candidate) -> set[str]:
    return set(_CODE.findall(c.words)) - set(_CODE.findall(c.hit.product or ""))


def _likeness(left: str, right: str) -> float:
    return SequenceMatcher(None, _WORD.findall(left.lower()), _WORD.findall(right.lower()), autojunk=False).ratio()


def _heading(c: Candidate) -> str:
    return " ".join(_WORD.findall(re.sub(r"\d+(?:\.\d+)*", "", c.section.lower())))


def _is_same(now: Candidate, then: Candidate) -> bool:
    """The same values; where there are none, the same words, unless one stretch alone was put in place of another."""
    left, right = _values(now.words), _values(then.words)
    versions = {now.hit.version or "", then.hit.version or ""}
    left, right = (frozenset(v for v in side if v[0] not in versions) for side in (left, right))
    if left - right and right - left:
        return False
    ours, theirs = _said(now), _said(then)
    steps = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    changed = [step for step in steps if step[0] != "equal"]
    if len(changed) == 1 and changed[0][0] == "replace":
        return False
    return not (len(set(ours) - set(theirs)) >= 2 and len(set(theirs) - set(ours)) >= 2)


def _said(c: Candidate) -> list[tuple[str, ...]]:
    """Word by word, without those that say nothing: a name of several parts is one."""
    return [terms for word in _WORD.findall(c.words) if (terms := tuple(analyse(word)))]


def _in_manual(note: Candidate, hits: Sequence[Hit]) -> Candidate | None:
    """Where the manual of the same release says what its release note tells: manuals can be held against each other."""
    terms, values = set(analyse(note.words)), _values(note.words) | _literals(note.words)
    best: tuple[tuple[bool, float], Candidate] | None = None
    for hit in hits:
        for c in candidates(hit, 0) if hit.kind == "manual" else ():
            share = len(terms & set(analyse(c.words))) / max(1, len(terms))
            rank = (bool(values & (_values(c.words) | _literals(c.words))), share)
            if (rank[0] or share >= SAME_TERMS) and (best is None or rank > best[0]):
                best = (rank, c)
    return best[1] if best else None


def _literals(text: str) -> frozenset[tuple[str, str]]:
    """Words with a hyphen, and the words behind "with": what commands look like in prose."""
    found = re.findall(r"\b[\w]+-[\w-]+\b|(?<=\bwith )[a-z]+(?: [a-z-]+)?", plain(text))
    return frozenset((word.lower(), "") for word in found)


def _naming(by: Replacement, hits: Sequence[Hit]) -> list[Candidate]:
    """What names the old, and not the new, in passages of the same product."""
    return [
        c
        for hit in hits
        if hit.product == by.hit.product
        for c in candidates(hit, 0)
        if by.outdates(c.quoted, c.headings)
    ]


def _order(c: Candidate) -> tuple[int, ...]:
    return c.hit.version_key


def _quotes(c: Candidate, backs: Backs) -> list[tuple[Backs, SpanCitation]]:
    return [(backs, span(c.hit, part.start, part.end)) for part in (c.label, c.header, c.unit) if part]


def _made(
    current: str, previous: str, since: str | None, day: str | None, quotes: Sequence[tuple[Backs, SpanCitation]]
) -> Conflict:
    return Conflict(current, previous, since, day, tuple(q for _, q in quotes), tuple(backs for backs, _ in quotes))


def _day(hit: Hit) -> str | None:
    """When the release was published, where a document states it: else the day stands for its arrival only."""
    when: datetime = hit.valid_from
    return f"{when:%Y-%m-%d}" if when != hit.recorded_at else None


def in_force(c: Candidate, version: str | None) -> bool:
    """Whether the sentence speaks of that release, or of its own: "before 3.0 …" says nothing of 3.1."""
    said: Bounds = bounds(plain(c.unit.text))
    return said.hold(version or c.hit.version)
