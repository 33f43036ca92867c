"""How a person would put it: phrasings from content/questions.toml, drawn by seed."""

from datetime import datetime
from typing import Any

import numpy as np

from simulator.catalog import Fact, Product, read_table
from simulator.draws import pick


def phrases() -> dict[str, Any]:
    return read_table("questions.toml")


def day_words(rng: np.random.Generator, day: datetime) -> str:
    """ISO most of the time, as on dashboards; sometimes spelt out."""
    return pick(
        rng, [f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"]
    )


def metric_words(rng: np.random.Generator, table: dict[str, Any], metric: str) -> str:
    return str(pick(rng, table["forms"]["metrics"][metric]))


def ask(rng: np.random.Generator, product: Product, fact: Fact, *, device_id: str | None = None) -> str:
    """About the product in general, or about one device of it."""
    it = device_id or f"the {product.name}"
    text = pick(rng, fact.asks).format(it=it, **product.slots(0))
    return text[0].upper() + text[1:] if text.startswith("the ") else text


def ask_of_version(rng: np.random.Generator, table: dict[str, Any], product: Product, fact: Fact, version: str) -> str:
    text = ask(rng, product, fact)
    form = str(pick(rng, table["forms"]["version"]))
    return form.format(version=version, ask=text[0].lower() + text[1:])
