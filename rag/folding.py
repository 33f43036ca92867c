"""Passages that say the same, told once: pages that were copied, and releases whose page did not change.

Only what differs in nothing that an answer hangs on is folded: one tenant, one product, equal numbers, codes, options.
A page that was changed in a value stays beside the other, so that the difference can be seen.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final, Generic, Protocol, TypeVar

# Share of three-word shingles that two texts have in common. docs/adr/0010-quality.md has the figures.
SAME: Final = 0.8
SHINGLE: Final = 3
FEWEST: Final = 12  # shingles; a shorter text takes its meaning from title and headings, which must then be the same

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
    folding: Folding[H] = Folding()
    folding.add(hits)
    return folding.told()


class Folding(Generic[H]):
    """Takes hits in portions, the best first."""

    def __init__(self) -> None:
        self._groups: list[list[H]] = []
        self._sizes: list[int] = []  # of the first of each group, in shingles
        self._holding: dict[tuple[str, ...], list[int]] = {}  # shingle → groups whose first has it

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, hits: Sequence[H]) -> None:
        for hit in hits:
            shingles = _shingles(hit.text)
            if same := self._same(hit, shingles):
                same.append(hit)
                continue
            for shingle in shingles:
                self._holding.setdefault(shingle, []).append(len(self._groups))
            self._groups.append([hit])
            self._sizes.append(len(shingles))

    def told(self) -> list[tuple[H, tuple[str, ...]]]:
        return [_told_once(group) for group in self._groups]

    def _same(self, hit: H, shingles: set[tuple[str, ...]]) -> list[H] | None:
        common = Counter(chain.from_iterable(map(self._holding.get, shingles, repeat(()))))
        for number in sorted(common):
            size, group = self._sizes[number], self._groups[number]
            if _is_most(common[number], len(shingles), size) and _is_same(hit, group[0], min(len(shingles), size)):
                return group
        return None


def _told_once(group: list[H]) -> tuple[H, tuple[str, ...]]:
    shown = max(group, key=lambda hit: hit.version_key)  # of equal ones the first, which is the best
    others = dict.fromkeys(hit.document_id for hit in group if hit.document_id != shown.document_id)
    return shown, tuple(others)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return set(zip(*(words[at:] for at in range(SHINGLE)), strict=False)) or {tuple(words)}


def _is_most(shared: int, one: int, other: int) -> bool:
    if min(one, other) < FEWEST:
        return shared == one == other
    return shared >= SAME * (one + other - shared)


def _is_same(hit: Foldable, other: Foldable, shingles: int) -> bool:
    if (hit.tenant_id, hit.kind, hit.product, hit.lead) != (other.tenant_id, other.kind, other.product, other.lead):
        return False
    if shingles < FEWEST and (hit.title, hit.heading_path) != (other.title, other.heading_path):
        return False
    return hit.text == other.text or set(_LITERAL.findall(hit.text)) == set(_LITERAL.findall(other.text))
