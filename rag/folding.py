"""Passages that say the same, told once: pages that were copied, and releases whose page did not change.

Only what differs in nothing that an answer hangs on is folded: one tenant, one product, equal numbers, codes, options.
A page that was changed in a value stays beside the other, so that the difference can be seen.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

# Share of three-word shingles that two texts have in common. docs/adr/0010-quality.md has the figures.
SAME: Final = 0.8
SHINGLE: Final = 3
FEWEST: Final = 12  # shingles; a shorter text takes its meaning from title and headings, which must then be the same

_WORD = re.compile(r"\w+")
_LITERAL = re.compile(r"(?<!\w)--?[A-Za-z][\w-]*|\b\w*\d[\w.]*\b|\b\w+_\w+\b|\b[A-Z]{2,}\b")


class Foldable(Protocol):
    @property
    def tenant_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def product(self) -> str | None: ...
    @property
    def version_key(self) -> tuple[int, ...]: ...
    @property
    def heading_path(self) -> tuple[str, ...]: ...
    @property
    def lead(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def document_id(self) -> str: ...


H = TypeVar("H", bound=Foldable)


def fold(hits: Sequence[H]) -> list[tuple[H, tuple[str, ...]]]:
    """Best first → the same with copies left out, each with the documents where it also stands.

    A group keeps the place of its best; what is shown of it is the newest release, else the best.
    """
    groups: list[list[H]] = []
    prints = [_Print(hit) for hit in hits]
    firsts: list[_Print] = []
    for hit, own in zip(hits, prints, strict=True):
        same = next((n for n, first in enumerate(firsts) if own.same_as(first)), None)
        if same is None:
            groups.append([hit])
            firsts.append(own)
        else:
            groups[same].append(hit)
    return [_told_once(group) for group in groups]


def _told_once(group: list[H]) -> tuple[H, tuple[str, ...]]:
    shown = max(group, key=lambda hit: hit.version_key)  # of equal ones the first, which is the best
    others = dict.fromkeys(hit.document_id for hit in group if hit.document_id != shown.document_id)
    return shown, tuple(others)


class _Print:
    """What of a passage is compared."""

    def __init__(self, hit: Foldable) -> None:
        words = _WORD.findall(hit.text.lower())
        self.shingles = {tuple(words[i : i + SHINGLE]) for i in range(max(len(words) - SHINGLE + 1, 1))}
        self.literals = frozenset(_LITERAL.findall(hit.text))
        self.kind = (hit.tenant_id, hit.kind, hit.product, hit.lead)
        self.heading = (hit.title, hit.heading_path)

    def same_as(self, other: "_Print") -> bool:
        if self.kind != other.kind or self.literals != other.literals:
            return False
        if min(len(self.shingles), len(other.shingles)) < FEWEST:
            return self.shingles == other.shingles and self.heading == other.heading
        return len(self.shingles & other.shingles) >= SAME * len(self.shingles | other.shingles)
