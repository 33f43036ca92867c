"""A small template language, so that prose stays prose and the truth knows which bytes state which fact.

((one wording || another))   one alternative is drawn
{slot}                       a value; an unknown name raises KeyError
[[key: a sentence]]          the sentence stays, its bytes are recorded under `key`
@if 0 2 ... @end             lines kept for these releases only (0 is the oldest)
@include name                the lines of content/shared/<name>.md (put in by `include`)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from simulator.draws import pick

ALTERNATIVES = re.compile(r"\(\((.+?)\)\)", re.DOTALL)
SLOT = re.compile(r"\{([a-z0-9_]+)\}")
FRONT_MATTER = re.compile(r"---\n.+?\n---\n", re.DOTALL)
OWN_LINE = re.compile(r"#|\||@|- |\d+\. ")
MARK = re.compile(r"\[\[([a-z0-9_]+):\s(.+?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class Span:
    """Bytes of a UTF-8 text: `text.encode()[start:end].decode() == quote`."""

    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class Written:
    text: str
    spans: Mapping[str, Span]


def content(*path: str) -> str:
    return files("simulator").joinpath("content", *path).read_text(encoding="utf-8")


def compose(template: str, *, rng: np.random.Generator, slots: Mapping[str, str], release: int = 0) -> Written:
    """Alternatives are drawn before releases are told apart: a manual keeps its wording from release to release."""
    return mark(fill(keep_release(choose(template, rng), release), slots))


def unwrap(template: str) -> str:
    """Markdown with one line a paragraph, so that no value is broken over two lines. Front matter stays as it is."""
    front = FRONT_MATTER.match(template)
    start = front.end() if front else 0
    lines: list[str] = []
    for line in template[start:].split("\n"):
        before = lines[-1] if lines else ""
        if line and before and not OWN_LINE.match(line) and not re.match(r"#|\||@", before):
            lines[-1] = f"{before} {line.strip()}"
        else:
            lines.append(line)
    return template[:start] + "\n".join(lines)


def include(template: str) -> str:
    lines = [
        content("shared", f"{line.split()[1]}.md").rstrip("\n") if line.startswith("@include ") else line
        for line in template.split("\n")
    ]
    return "\n".join(lines)


def choose(template: str, rng: np.random.Generator) -> str:
    return ALTERNATIVES.sub(lambda found: pick(rng, [option.strip() for option in found[1].split("||")]), template)


def keep_release(template: str, release: int) -> str:
    kept: list[str] = []
    keeping = True
    for line in template.split("\n"):
        if line.startswith("@if "):
            keeping = str(release) in line.split()[1:]
        elif line == "@end":
            keeping = True
        elif keeping:
            kept.append(line)
    return "\n".join(kept)


def fill(template: str, slots: Mapping[str, str]) -> str:
    return SLOT.sub(lambda found: slots[found[1]], template)


def mark(text: str) -> Written:
    """Raises ValueError where a key stands twice: the truth would not know which one it means."""
    out: list[str] = []
    spans: dict[str, Span] = {}
    position = size = 0
    for found in MARK.finditer(text):
        before, quote = text[position : found.start()], found[2]
        start = size + len(before.encode())
        if found[1] in spans:
            raise ValueError(f"'{found[1]}' is marked twice in one text")
        spans[found[1]] = Span(start, start + len(quote.encode()), quote)
        out += [before, quote]
        size, position = spans[found[1]].end, found.end()
    out.append(text[position:])
    return Written("".join(out), spans)
