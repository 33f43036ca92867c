"""The extractive answerer: of the passages found, the sentences that answer, or the reason why none does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from rag.answer import Claim
from rag.embedder import Embedder
from rag.receipts import span
from rag.retriever import Hit
from rag.sentences import Unit, plain, units
from rag.tokens import analyse

PASSAGES = 8  # passages whose sentences are scored: 8 hold about 60 sentences, 60 to 100 ms on two cores
MOST_CLAIMS = 3


@dataclass(frozen=True)
class Weights:
    """Of the parts of a sentence's score, and the limits below which it is no answer. See docs/adr/0006."""

    cosine: float = 0.5
    coverage: float = 0.3
    passage: float = 0.2
    kind: float = 0.1
    missing: float = 0.12
    near: float = 0.07
    abstain_below: float = 0.42


@dataclass(frozen=True)
class Candidate:
    """One unit of one passage, with what gives it its meaning: the label it explains, table header, heading."""

    hit: Hit
    unit: Unit
    label: Unit | None
    header: Unit | None
    section: str

    @property
    def words(self) -> str:
        parts = [self.label, self.header, self.unit]
        return " ".join(plain(part.text) for part in parts if part)

    @property
    def meaning(self) -> str:
        """What is embedded."""
        return " › ".join(part for part in (self.hit.title, self.section, self.words) if part)


@dataclass(frozen=True)
class Scored:
    candidate: Candidate
    score: float
    cosine: float
    coverage: float
    missing: int


@dataclass(frozen=True)
class Evidence:
    """Claims in the order of their passages; `confidence` is the best sentence's score, for abstaining by."""

    claims: tuple[Claim, ...]
    confidence: float


def extract(
    question: str, hits: Sequence[Hit], embedder: Embedder, *, known: frozenset[str], weights: Weights = Weights()
) -> Evidence:
    """The claims that answer, none where the evidence does not carry an answer.

    known: names in the question that need no evidence, because they were looked up (device, product, version, site).
    """
    candidates = [candidate for hit in hits[:PASSAGES] for candidate in _candidates(hit)]
    if not candidates:
        return Evidence((), 0.0)
    scored = score(question, candidates, embedder, known=known, weights=weights)
    best = max(scored, key=lambda s: s.score)
    if best.score < weights.abstain_below:
        return Evidence((), best.score)
    return Evidence(tuple(_claim(s.candidate) for s in _selected(scored, best, weights)), best.score)


def score(
    question: str, candidates: Sequence[Candidate], embedder: Embedder, *, known: frozenset[str], weights: Weights
) -> list[Scored]:
    vectors = embedder.embed([question, *(c.meaning for c in candidates)])
    cosines = vectors[1:] @ vectors[0]
    terms = _term_weights(question, candidates)
    names = [name for name in specific_names(question) if name.lower() not in known]
    wanted = expected(question)
    best_passage = max(c.hit.score for c in candidates) or 1.0
    return [
        _score(c, float(cosine), terms, names, wanted, c.hit.score / best_passage, weights)
        for c, cosine in zip(candidates, np.asarray(cosines), strict=True)
    ]


def _score(
    c: Candidate,
    cosine: float,
    terms: dict[str, float],
    names: list[str],
    wanted: re.Pattern[str] | None,
    passage: float,
    weights: Weights,
) -> Scored:
    own = set(analyse(c.words))
    around = set(analyse(f"{c.hit.title} {c.section} {' '.join(c.hit.heading_path)}"))
    total = sum(terms.values()) or 1.0
    coverage = sum(weight * (1.0 if term in own else 0.7 if term in around else 0.0) for term, weight in terms.items())
    text = f"{c.hit.title} {' '.join(c.hit.heading_path)} {c.hit.text}".lower()
    missing = sum(name.lower() not in text for name in names)
    fits = wanted is not None and wanted.search(" ".join(u.text for u in (c.label, c.unit) if u)) is not None
    value = (
        weights.cosine * cosine
        + weights.coverage * coverage / total
        + weights.passage * passage
        + (weights.kind if fits else 0.0)
        - weights.missing * missing
        - (weights.kind if c.unit.text.rstrip().endswith(":") or c.unit.kind == "code" else 0.0)
    )
    return Scored(c, value, cosine, coverage / total, missing)


def _selected(scored: list[Scored], best: Scored, weights: Weights) -> list[Scored]:
    """The best sentence and those nearly as good, at most MOST_CLAIMS, without repetitions, best first."""
    chosen: list[Scored] = []
    said: set[str] = set()
    for s in sorted(scored, key=lambda s: -s.score):
        words = s.candidate.words.lower()
        if s.score < best.score - weights.near or len(chosen) == MOST_CLAIMS:
            break
        if words not in said:
            said.add(words)
            chosen.append(s)
    return chosen


def _claim(c: Candidate) -> Claim:
    """Quotes of the sentence, and of the label or table header without which it would not be understood."""
    parts = [part for part in (c.label, c.header, c.unit) if part]
    text = plain(c.unit.text)
    if c.header:
        text = _row_text(c.header.text, c.unit.text)
    if c.label:
        text = f"{plain(c.label.text)}: {text}"
    return Claim(text, tuple(span(c.hit, part.start, part.end) for part in parts))


def _row_text(header: str, row: str) -> str:
    names, cells = _cells(header), _cells(row)
    pairs = [f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell]
    return "; ".join(pairs) or plain(row)


def _cells(row: str) -> list[str]:
    return [plain(cell) for cell in row.strip().strip("|").split("|")]


def _candidates(hit: Hit) -> list[Candidate]:
    """Every unit that can answer, with the label and header that stand above it in the passage."""
    found: list[Candidate] = []
    label: Unit | None = None
    header: Unit | None = None
    section = hit.heading_path[-1] if hit.heading_path else ""
    for unit in units(hit.text):
        if unit.kind == "heading":
            if unit.text.lstrip().startswith("#"):
                section, label = plain(unit.text), unit if _is_literal(plain(unit.text)) else None
            continue
        if unit.kind == "key":
            label = unit
            continue
        if unit.kind == "row":
            if header is None:
                header = unit
                continue
        else:
            header = None
        found.append(Candidate(hit, unit, label, header, section))
    return found


def _is_literal(text: str) -> bool:
    """A name as machines read it (`--config`, EDGEX_CONF_DIR, core.yaml), not words."""
    return " " not in text and bool(re.search(r"[_./\-\d]|[a-z][A-Z]", text))


def _term_weights(question: str, candidates: Sequence[Candidate]) -> dict[str, float]:
    """Term of the question → how rare it is among the passages at hand: what few of them say, decides."""
    passages = {id(c.hit): c.hit for c in candidates}
    texts = [set(analyse(f"{hit.title} {hit.text}")) for hit in passages.values()]
    count = len(texts)
    return {
        term: log(1 + (count - frequency + 0.5) / (frequency + 0.5))
        for term in set(analyse(question))
        if (frequency := sum(term in words for words in texts)) is not None
    }


_LITERAL = r"--?[a-zA-Z][\w-]*|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|`[^`]+`|\b\w+\.(?:ya?ml|toml|json|conf|ini|log|txt)\b"
_EXPECTATIONS = tuple(
    (re.compile(question, re.I), re.compile(answer))
    for question, answer in (
        (r"\b(?:command[- ]line|cli)\b|\b(?:option|flag|switch)\b", r"(?<!\w)--?[a-zA-Z][\w-]*"),
        (r"\benvironment variable\b", r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"),
        (r"\bwhich (?:command|file|parameter|setting|endpoint|topic|register|port)\b|\bwhat command\b", _LITERAL),
        (r"\bhow (?:many|much|long|often|far|fast|hot|cold|high|low)\b", r"\d"),
        (r"\b(?:threshold|limit|interval|rate|maximum|minimum)\b", r"\d"),
        (r"\bwhen\b", r"\d{4}-\d{2}-\d{2}|\b\d{1,2}:\d{2}\b|\b(?:19|20)\d{2}\b"),
        (r"\bwho\b", r"@\w|\b[A-Z][a-z]+\b"),
    )
)  # fmt: skip


def expected(question: str) -> re.Pattern[str] | None:
    """What the answer to such a question looks like, where its words tell."""
    return next((answer for asked, answer in _EXPECTATIONS if asked.search(question)), None)


_SPECIFIC = re.compile(
    r"`[^`]+`|\"[^\"]+\"|(?<![\w-])--?[a-zA-Z][\w-]+|\b\w*(?:\d\w*[A-Za-z]|[A-Za-z]\w*\d)\w*(?:[-.]\w+)*|\b\w+_\w+\b|\b[A-Z][a-z]+[A-Z]\w*\b|\b[A-Z]{3,}\b"
)


def specific_names(question: str) -> list[str]:
    """Codes, options, identifiers and quoted words: an answer that mentions none of them is about something else."""
    return [match.strip('`"') for match in _SPECIFIC.findall(question)]
