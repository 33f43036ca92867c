"""Passages → candidates: every unit that could be quoted as an answer, with what gives it its meaning."""

import re
from dataclasses import dataclass

from rag.retriever import Hit
from rag.sentences import Unit, plain, units


@dataclass(frozen=True)
class Candidate:
    """One unit of one passage. label: the name it explains; header: of its table; section: the heading above it."""

    hit: Hit
    rank: int
    unit: Unit
    label: Unit | None
    header: Unit | None
    section: str

    @property
    def words(self) -> str:
        return " ".join(plain(part.text) for part in (self.label, self.header, self.unit) if part)

    @property
    def quoted(self) -> str:
        """As written, markup and all."""
        return " ".join(part.text for part in (self.label, self.unit) if part)

    @property
    def headings(self) -> str:
        return " ".join([*self.hit.heading_path, self.section])

    @property
    def meaning(self) -> str:
        """What is embedded."""
        return " › ".join(part for part in (self.hit.title, self.section, self.words) if part)


def candidates(hit: Hit, rank: int) -> list[Candidate]:
    """Headings and rules answer nothing; a name that stands alone labels what follows it in its section."""
    found: list[Candidate] = []
    label: Unit | None = None
    header: Unit | None = None
    section = hit.heading_path[-1] if hit.heading_path else ""
    for unit in units(hit.text):
        if unit.kind == "heading":
            if unit.text.lstrip().startswith("#"):
                section, label = plain(unit.text), unit if is_literal(plain(unit.text)) else None
            continue
        if unit.kind == "key":
            label = unit
            continue
        if unit.kind != "row":
            header = None
        elif header is None:
            header = unit
            continue
        found.append(Candidate(hit, rank, unit, label, header, section))
    return found


def is_literal(text: str) -> bool:
    """A name as machines read it (`--config`, EDGEX_CONF_DIR, core.yaml), not words."""
    return " " not in text and bool(re.search(r"[_./\-\d]|[a-z][A-Z]", text))
