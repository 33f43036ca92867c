"""What is measured of a candidate, to tell the sentence that answers from those around it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np

from rag.candidates import Candidate
from rag.embedder import Embedder
from rag.lexical import Lexical
from rag.retriever import Hit
from rag.sentences import plain
from rag.tokens import analyse

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

NAMES: Final = (
    "cosine",  # of the sentence alone
    "cosine_in_place",  # of the sentence under its title and heading
    "coverage",  # share of the question's terms, by rarity, in the sentence
    "coverage_in_place",  # the same with title, headings and label
    "coverage_headings",
    "passage",  # fused score of its passage, relative to the best
    "rank",  # 1, 1/2, 1/3 … by its passage
    "fits",  # looks like what is asked for: an option, a number, a name
    "cause",  # gives a cause, where a cause is asked for
    "remedy",  # tells of a repair, where one is asked for
    "asks",  # is itself a question
    "slight",  # says less than four things
    "row",
    "announces",  # ends with a colon
    "code",
    "missing",  # its passage lacks a code, option or identifier of the question
    "nameless",  # its passage lacks a name (a capitalised word) of the question
    "elsewhere",  # it tells of another device or another day than the question
    "unheard",  # share of the question's terms that the whole index does not hold: the same for all candidates
)
KNOWN_WEIGHT = 0.3  # of the terms of names that were looked up: they chose the passages already


@dataclass(frozen=True)
class Asked:
    """One clause of a question.

    query: the clause with its subject, and with what happened where it asks what is to be done about it.
    general: the same with the product in place of the device, as manuals write.
    bare: without either, for a sentence that names the product is no better an answer for it.
    known: names that were looked up, in lower case. day: what the question says happened on, as 2026-10-20.
    """

    clause: str
    query: str
    general: str
    bare: str
    known: frozenset[str]
    devices: tuple[str, ...] = ()
    day: str | None = None


def measure_candidates(
    asked: Asked,
    candidates: Sequence[Candidate],
    embedder: Embedder,
    lexical: Lexical,
) -> Matrix:
    """One row a candidate, one column a name of NAMES."""
    count = len(candidates)
    texts = [*(plain(c.unit.text) for c in candidates), *(c.meaning for c in candidates)]
    vectors = embedder.embed([asked.bare, asked.query, asked.general, *texts])
    bare, query, general = vectors[:3]
    own, in_place = vectors[3 : 3 + count] @ bare, vectors[3 + count :]
    spoken = np.array([c.hit.kind == "chat_thread" for c in candidates])
    in_place = np.where(spoken, in_place @ query, in_place @ general)
    weights, unheard = _term_weights(asked, lexical)
    codes = [name for name in specific_names(asked.clause) if name.lower() not in asked.known]
    names = [name for name in proper_names(asked.clause) if not any(name.lower() in known for known in asked.known)]
    best = max(c.hit.score for c in candidates) or 1.0
    rows = [
        [
            own[i],
            in_place[i],
            *_coverages(c, weights),
            c.hit.score / best,
            1.0 / (1 + c.rank),
            *_signs(asked.clause, c),
            _lacks(c, codes),
            _lacks(c, names),
            _elsewhere(c, asked),
            unheard,
        ]
        for i, c in enumerate(candidates)
    ]
    return np.array(rows, dtype=np.float64)


def _term_weights(asked: Asked, lexical: Lexical) -> tuple[dict[str, float], float]:
    """Term of the question → its share of what the question says, by BM25's idf; and the share that no chunk holds."""
    known = {term for name in asked.known for term in analyse(name)}
    frequencies, count = lexical.frequencies(set(analyse(asked.query))), len(lexical)
    weights = {
        term: log(1 + (count - n + 0.5) / (n + 0.5)) * (KNOWN_WEIGHT if term in known else 1.0)
        for term, n in frequencies.items()
    }
    total = sum(weights.values()) or 1.0
    shares = {term: weight / total for term, weight in weights.items()}
    return shares, sum(share for term, share in shares.items() if not frequencies[term])


def _coverages(c: Candidate, weights: Mapping[str, float]) -> tuple[float, float, float]:
    own, headings = set(analyse(c.words)), set(analyse(c.headings))
    around = own | headings | set(analyse(f"{c.hit.title} {c.hit.name}"))
    return _share(weights, own), _share(weights, around), _share(weights, headings)


def _share(weights: Mapping[str, float], found: Collection[str]) -> float:
    return sum(weight for term, weight in weights.items() if term in found)


def _signs(clause: str, c: Candidate) -> list[bool]:
    text = c.unit.text.rstrip()
    wanted = expected(clause)
    return [
        wanted is not None and wanted.search(c.quoted) is not None,
        bool(_ASKS_CAUSE.search(clause) and _CAUSE.search(text)),
        bool(_ASKS_REMEDY.search(clause) and _REMEDY.search(text)),
        text.endswith("?"),
        len(set(analyse(c.words))) < 4,
        c.unit.kind == "row",
        text.endswith(":"),
        c.unit.kind == "code",
    ]


def _elsewhere(c: Candidate, asked: Asked) -> bool:
    if c.hit.kind == "chat_thread":
        return tells_of_other(c.hit, asked)
    # manuals and runbooks know no single event of a single device
    return asked.day is not None or bool(asked.devices and asks_for_event(asked.clause))


def tells_of_other(hit: Hit, asked: Asked) -> bool:
    """A conversation of which neither the text nor the title (its first words) names the device, or on another day."""
    text = f"{hit.title} {hit.text}".lower()
    other_device = bool(asked.devices) and not any(device.lower() in text for device in asked.devices)
    return other_device or (asked.day is not None and f"[{asked.day}" not in text)


def asks_for_event(clause: str) -> bool:
    """What happened, and who did what about it, is asked for; not how a thing works."""
    return _EVENT.search(clause) is not None


def _lacks(c: Candidate, names: Sequence[str]) -> bool:
    text = f"{c.hit.title} {c.hit.name} {c.headings} {c.hit.text}".lower()
    return any(name.lower() not in text for name in names)


_EVENT = re.compile(
    r"(?:^|[:.,] )(?:why (?:did|was|were|had)|how (?:did|was|were)|who|when (?:did|was)"
    r"|what (?:\w{2,}[^\We]ed|made|was|were|took|went|had))\b",  # what caused, not what speed
    re.I,
)
_ASKS_CAUSE = re.compile(r"\b(?:why|caused?|causes|reason|what (?:made|was wrong|is wrong|happened))\b", re.I)
_CAUSE = re.compile(
    r"\b(?:because|due to|caused?|causing|reason|turned out|explains?|explained|owing to|fault|found)\b|solved:",
    re.I,
)
_ASKS_REMEDY = re.compile(
    r"\b(?:how (?:was|did|were|do|is|can|should)|what (?:was|did|should|do)\b.*\b(?:done|do)|repair\w*|fix\w*"
    r"|resolve\w*|mitigat\w*|brought back|get rid|took care)\b",
    re.I,
)
_REMEDY = re.compile(
    r"\b(?:replac\w+|repair\w*|fix(?:ed)?|flush\w*|clean\w*|swap\w*|chang\w+|install\w*|reset\w*|restart\w*|reboot\w*|laid"
    r"|pull\w*|tighten\w*|remov\w+|moved|fitted|solved?|back|bent|calibrated|ensure|increase|reduce|check)\b",
    re.I,
)
_LITERAL = r"--?[a-zA-Z][\w-]*|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|`[^`]+`|\b\w+\.(?:ya?ml|toml|json|conf|ini|log|txt)\b"
_LONG = (  # in time or in space
    r"ms|milliseconds?|s|sec(?:ond)?s?|min(?:ute)?s?|h|hours?|d|days?|weeks?|months?|years?"
    r"|mm|cm|m|km|met(?:er|re)s?|ft|feet|inch(?:es)?"
)
_RECURRING = (
    r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b|\bof the month\b|\b(?i:each|every|daily|weekly|monthly|yearly)\b"
)
_EXPECTATIONS = tuple(
    (re.compile(question, re.I), re.compile(answer))
    for question, answer in (
        (r"\b(?:command[- ]line|cli)\b|\b(?:option|flag|switch)\b", r"(?<!\w)--?[a-zA-Z][\w-]*"),
        (r"\benvironment variable\b", r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"),
        (r"\bwhich (?:command|file|parameter|setting|endpoint|topic|register|port)\b|\bwhat command\b", _LITERAL),
        (r"\bwhat (?:do|should|must|can) (?:i|you|we) (?:type|enter|run)\b", _LITERAL),
        (r"\b(?:which|what) (?:firmware|release|version)\b", r"\b\d+\.\d+"),
        (r"\bhow long\b", rf"\d[\d.,]*\s?(?:{_LONG})\b"),
        (r"\bhow (?:many|much|often|far|fast|hot|cold|high|low)\b", r"\d"),
        (r"\b(?:from|at|above|below|beyond) (?:which|what)\b", r"\d"),
        (r"\b(?:threshold|limit|interval|rate|maximum|minimum|delay|torque|voltage|height|number|level|port)\b", r"\d"),
        (r"\b(?:when|which day|what day) (?:is|are|do|does)\b", _RECURRING),
        (r"\bwhen\b", r"\d{4}-\d{2}-\d{2}|\b\d{1,2}:\d{2}\b|\b(?:19|20)\d{2}\b"),
        (r"\bwho\b", r"@\w|\b[A-Z][a-z]+\b"),
    )
)


def expected_literal(question: str) -> re.Pattern[str] | None:
    """The pattern of options or environment variables, where one of these is asked for by its name."""
    return next((answer for asked, answer in _EXPECTATIONS[:2] if asked.search(question)), None)


def expected(question: str) -> re.Pattern[str] | None:
    """What the answer to such a question looks like, where its words tell."""
    return next((answer for asked, answer in _EXPECTATIONS if asked.search(question)), None)


_SPECIFIC = re.compile(
    r"`[^`]+`|\"[^\"]+\"|(?<![\w-])--?[a-zA-Z][\w-]+|\b\w*(?:\d\w*[A-Za-z]|[A-Za-z]\w*-?\d)\w*(?:[-.]\w+)*|\b\w+_\w+\b"
    r"|\b[A-Z][a-z]+[A-Z]\w*\b|\b[A-Z]{2,}[a-z]+\b|\b[A-Z]{3,}\b"
)


_PROPER = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*\b|(?<=[a-z,] )[A-Z]{2,}\b")
_CALENDAR = re.compile(r"(?:January|February|March|April|May|June|July|August|September|October|November|December|UTC)")


def proper_names(question: str) -> list[str]:
    """Capitalised words inside the question: persons, places, brands."""
    return [name for name in _PROPER.findall(question) if not _CALENDAR.fullmatch(name)]


def specific_names(question: str) -> list[str]:
    """Codes, options, identifiers and quoted words: an answer that mentions none of them is about something else."""
    return [match.strip('`"') for match in _SPECIFIC.findall(question)]
