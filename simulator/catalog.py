"""The devices that can be bought: what each release of their firmware does, drawn by seed from content/<kind>.toml."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.draws import pick, sample, stream
from simulator.writing import content

KINDS = ("cold", "pump", "gateway")


@dataclass(frozen=True)
class Fact:
    """What the documents say about one thing; `values` has one entry a release, oldest first.

    asks: ways to ask for it, with {it} for the product or a device.  announce: how release notes tell a change.
    """

    name: str
    values: tuple[str, ...]
    asks: tuple[str, ...]
    announce: str | None

    def changed_in(self, release: int) -> bool:
        return release > 0 and self.values[release] != self.values[release - 1]


@dataclass(frozen=True)
class Product:
    """versions: oldest first.  manuals: how many of them, from the oldest, came with a manual."""

    kind: str
    name: str
    noun: str
    prefix: str
    versions: tuple[str, ...]
    manuals: int
    update_condition: str
    facts: Mapping[str, Fact]
    notes: tuple[tuple[str, ...], ...]

    def release(self, version: str) -> int:
        return self.versions.index(version)

    def value(self, fact: str, release: int) -> str:
        return self.facts[fact].values[release]

    def number(self, fact: str, release: int) -> float:
        found = re.search(r"-?\d+(\.\d+)?", self.value(fact, release))
        if found is None:
            raise ValueError(f"'{fact}' of {self.name} states no number")
        return float(found[0])

    def slots(self, release: int) -> dict[str, str]:
        return {name: fact.values[release] for name, fact in self.facts.items()}


def read_table(name: str) -> dict[str, Any]:
    return tomllib.loads(content(name))


def build_product(kind: str, seed: int) -> Product:
    table = read_table(f"{kind}.toml")
    rng = stream(seed, "product", kind)
    name, versions = pick(rng, table["names"]), tuple(pick(rng, table["versions"]))
    facts = {name: _fact(name, row, kind, seed) for name, row in table["facts"].items()}
    return Product(
        kind=kind,
        name=name,
        noun=table["noun"],
        prefix=table["prefix"],
        versions=versions,
        manuals=table["manuals"],
        update_condition=table["update_condition"],
        facts=facts,
        notes=tuple(tuple(table["notes"][str(release)]) for release in range(len(versions))),
    )


def _fact(name: str, row: dict[str, Any], kind: str, seed: int) -> Fact:
    drawn = sample(stream(seed, "fact", kind, name), row["pool"], max(row["plan"]) + 1)
    return Fact(
        name=name,
        values=tuple(drawn[index] for index in row["plan"]),
        asks=tuple(row.get("ask", ())),
        announce=row.get("announce"),
    )
