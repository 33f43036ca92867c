"""The extractive answerer: of the passages found, the sentences that answer, or none where they carry no answer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

import numpy as np

from rag.answer import Claim, Conflict
from rag.candidates import Candidate, candidates
from rag.conflicts import Stated, contradicting, in_force, in_order
from rag.embedder import Embedder
from rag.features import (
    NAMES,
    Asked,
    asks_for_event,
    expected_literal,
    measure_candidates,
    tells_of_other,
)
from rag.lexical import Lexical
from rag.receipts import span
from rag.replacements import Replacement, outdating
from rag.retriever import Hit
from rag.sentences import plain

PASSAGES: Final = 10  # passages whose sentences are scored: about 80 sentences
MOST_CLAIMS: Final = 3
NEAR: Final = 1.2  # how far below the best a further claim may score, in the units of WEIGHTS
RIVAL: Final = 4.0  # the same of a sentence that contradicts the best one

# Fitted on simulated fleets of other seeds than those it is judged on: docs/adr/0006-choosing-sentences.md.
# Set by hand, because the simulator writes none of them: announces, code.
WEIGHTS: Final = {
    "cosine": 7.79,
    "cosine_in_place": 2.97,
    "coverage": 0.25,
    "coverage_in_place": 4.34,
    "coverage_headings": -2.08,
    "passage": 4.95,
    "rank": -0.22,
    "fits": 3.18,
    "cause": 3.69,
    "remedy": 0.65,
    "asks": -1.77,
    "slight": -2.68,
    "row": -1.05,
    "announces": -2.0,
    "code": -2.0,
    "missing": -0.32,
    "nameless": -1.12,
    "elsewhere": -1.69,
    "unheard": 0.0,
}
ENOUGH: Final = 0.5  # of confidence
# Where a conversation about that device (and day) was found: finding it is most of the evidence already.
ENOUGH_TOLD: Final = 0.15
# Of the best candidate, the log odds that it answers; below even odds the copilot abstains. From the same fit.
CONFIDENCE: Final = {
    "cosine": 2.81,
    "cosine_in_place": 0.97,
    "coverage_in_place": 1.62,
    "fits": 0.87,
    "cause": 0.67,
    "missing": -1.77,
    "nameless": -2.46,
    "elsewhere": -1.51,
    "unheard": -0.24,
    "bias": -2.45,
}


Stating = Callable[[Sequence[str]], Sequence[Replacement]]


@dataclass(frozen=True)
class Evidence:
    """Claims, best first, each with what it stands on. confidence: the probability that the best one answers.

    conflicts: between passages that may be cited, of which the newer release's was taken.
    """

    claims: tuple[Claim, ...]
    confidence: float
    stated: tuple[Stated, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


def extract(
    asked: Asked,
    hits: Sequence[Hit],
    embedder: Embedder,
    lexical: Lexical,
    stating: Stating | None = None,
    version: str | None = None,
) -> Evidence:
    """No claims where the evidence does not carry an answer.

    stating: gives the statements in force, about some texts, that something was replaced; a sentence that says the old
    gives way to them.
    version: the release that the question is about; a sentence that speaks of others by its own words is left out.
    """
    found = [candidate for candidate in gather(asked, hits) if in_force(candidate, version)]
    if not found:
        return Evidence((), 0.0)
    features = measure_candidates(asked, found, embedder, lexical)
    scores = features @ np.array([WEIGHTS[name] for name in NAMES])
    order = [int(i) for i in np.argsort(-scores, kind="stable")]
    confidence = _confidence(features[order[0]])
    if confidence < (ENOUGH_TOLD if found[order[0]].hit in told(asked, hits) else ENOUGH):
        return Evidence((), confidence)
    best = found[order[0]]
    others = contradicting([found[i] for i in order[1:] if scores[i] >= scores[order[0]] - RIVAL], best)[:1]
    conflicts = tuple(in_order(best, other) for other in others)
    if others and others[0].hit.version_key > best.hit.version_key:
        order = [found.index(others[0]), *(i for i in order if found[i] is not others[0])]
    elif others:
        order = [i for i in order if found[i] is not others[0]]
    chosen = [
        c for c in _selected(found, scores, order) if not (others and c is best and order[0] != found.index(best))
    ]
    stated = _stated(chosen, stating([c.quoted for c in chosen]) if stating else [])
    return Evidence(tuple(stated), confidence, tuple(stated.values()), conflicts)


def gather(asked: Asked, hits: Sequence[Hit]) -> list[Candidate]:
    """The candidates of the best passages.

    Where an option or a variable is asked for, those that name one, of all passages: what names none cannot answer.
    """
    if literal := expected_literal(asked.clause):
        naming = [c for rank, hit in enumerate(hits) for c in candidates(hit, rank) if literal.search(c.quoted)]
        if naming:
            return naming
    passages = told(asked, hits) or hits[:PASSAGES]
    return [candidate for rank, hit in enumerate(passages) for candidate in candidates(hit, rank)]


def told(asked: Asked, hits: Sequence[Hit]) -> list[Hit]:
    """Of a question what happened to a device, the conversations about that device, on that day where one is named."""
    if not (asked.devices and asks_for_event(asked.clause)):
        return []
    return [hit for hit in hits if hit.kind == "chat_thread" and not tells_of_other(hit, asked)]


def _confidence(row: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    value = CONFIDENCE["bias"] + sum(
        weight * row[NAMES.index(name)] for name, weight in CONFIDENCE.items() if name != "bias"
    )
    return 1 / (1 + exp(-value))


def _selected(
    found: Sequence[Candidate],
    scores: np.ndarray[tuple[int], np.dtype[np.float64]],
    order: Sequence[int],
) -> list[Candidate]:
    """The best and those nearly as good, at most MOST_CLAIMS, without repetitions, best first."""
    chosen: list[Candidate] = []
    said: set[str] = set()
    for i in order:
        words = found[i].words.lower()
        if scores[i] < scores[order[0]] - NEAR or len(chosen) == MOST_CLAIMS:
            break
        if words not in said:
            said.add(words)
            chosen.append(found[i])
    return chosen


def _stated(chosen: Sequence[Candidate], replacements: Sequence[Replacement]) -> dict[Claim, Stated]:
    """In place of a sentence that is out of date stands the statement that says so, unless that is out of date too."""
    claims: dict[Claim, Stated] = {}
    for candidate in chosen:
        replacement = outdating(candidate.quoted, candidate.headings, replacements)
        claim = _claim(candidate)
        for _ in range(len(replacements)):
            if replacement is None:
                break
            unit = replacement.unit
            claim = Claim(plain(unit.text), (span(replacement.hit, unit.start, unit.end),))
            later = outdating(unit.text, "", replacements)
            if later is None or later.unit == unit:
                break
            replacement = later
        if claim.text not in {known.text for known in claims}:
            claims[claim] = Stated(candidate, replacement)
    return claims


def _claim(c: Candidate) -> Claim:
    """Quotes of the sentence, and of the label or table header without which it would not be understood."""
    parts = [part for part in (c.label, c.header, c.unit) if part]
    text = _row_text(c.header.text, c.unit.text) if c.header else plain(c.unit.text)
    if c.label:
        text = f"{plain(c.label.text)}: {text}"
    return Claim(text, tuple(span(c.hit, part.start, part.end) for part in parts))


def _row_text(header: str, row: str) -> str:
    names, cells = _cells(header), _cells(row)
    pairs = [f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell]
    return "; ".join(pairs) or plain(row)


def _cells(row: str) -> list[str]:
    return [plain(cell) for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
