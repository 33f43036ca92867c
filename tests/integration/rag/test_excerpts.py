from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rag.embedder import Embedder
from rag.excerpts import cut, excerpts, grow
from rag.lexical import Entry, Lexical, build


@dataclass(frozen=True)
class Found:
    text: str
    byte_start: int
    score: float
    cosine: float


PUMP = (
    "The pump stands in hall 4 – beside the boiler. It was painted last year. "
    "Set the flow limit of the pump to 12 litres a minute. The paint is blue. Visitors like the hall."
)
CAFETERIA = "The cafeteria opens at noon. Soup is served on Mondays. Bring a tray."


@pytest.fixture
def lexical(tmp_path: Path, now) -> Lexical:  # type: ignore[no-untyped-def]
    entries = (Entry("t", str(n), "", text, None, None, now, None) for n, text in enumerate((PUMP, CAFETERIA)))
    build(tmp_path / "lexical", entries)
    return Lexical(tmp_path / "lexical", "v")


def test_an_excerpt_is_the_sentence_that_answers_as_bytes_of_its_object(lexical: Lexical, embedder: Embedder) -> None:
    passages = [Found(PUMP, 1000, 1.0, 0.6), Found(CAFETERIA, 0, 0.1, 0.0)]
    best, *others = excerpts("What is the flow limit of the pump?", passages, embedder, lexical)
    assert "12 litres a minute" in best.text
    assert "Visitors" not in best.text
    object_ = b"x" * 1000 + PUMP.encode()
    assert object_[best.byte_start : best.byte_end].decode() == best.text
    assert all(other.likelihood < best.likelihood / 10 for other in others)


def test_no_passages_give_no_excerpts(lexical: Lexical, embedder: Embedder) -> None:
    assert excerpts("What is the flow limit?", [], embedder, lexical) == []
    assert excerpts("What is the flow limit?", [Found(" \n", 0, 1.0, 1.0)], embedder, lexical) == []


@pytest.mark.parametrize(
    ("likelihoods", "expected"),
    [
        ([0.1, 0.9, 0.1], (1, 1)),
        ([0.6, 0.9, 0.1], (0, 1)),
        ([0.9, 0.1, 0.6, 0.1], (0, 2)),  # over one unlikely sentence
        ([0.9, 0.1, 0.1, 0.6], (0, 0)),  # not over two
        ([0.6, 0.1, 0.1, 0.9, 0.1, 0.6], (3, 5)),
    ],
)
def test_an_excerpt_grows_over_what_is_likely(likelihoods: list[float], expected: tuple[int, int]) -> None:
    assert grow(np.array(likelihoods), 0.5) == expected


def test_text_is_cut_at_sentences_and_lines_also_without_capitals() -> None:
    text = "  net sales rose. they fell, e.g. in may.\n- a list item\n\nlast line "
    assert [text[s:e] for s, e in cut(text)] == [
        "net sales rose.",
        "they fell, e.g. in may.",
        "- a list item",
        "last line",
    ]
