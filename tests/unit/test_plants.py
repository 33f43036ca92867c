"""The planted bugs can be planted, and the document says what they are."""

import shlex
from pathlib import Path

import pytest

from tests.planted import PLANTS, Plant
from tests.plants import REPOSITORY, table


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.bug)
def test_a_plant_finds_the_place_that_it_spoils(one: Plant) -> None:
    assert (REPOSITORY / one.file).read_text().count(one.old) == 1
    assert one.old != one.new
    tests = [word for word in shlex.split(one.tests) if word.startswith("tests/")]
    assert tests
    assert all((REPOSITORY / test).exists() for test in tests)


def test_the_document_lists_every_plant() -> None:
    assert table() in Path(REPOSITORY, "docs/reliability.md").read_text()
