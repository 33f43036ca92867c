"""A snippet that a page includes, from a hidden folder to an answer that quotes the snippet's own bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotops.bootstrap import App
from iotops.erasing import erase
from lakehouse import database
from lakehouse.erasure import Target
from lakehouse.ingest import ingest_documents
from lakehouse.tenants import create_tenant
from lakehouse.warehouse import build_warehouse
from rag.answer import Answer, Question, SpanCitation
from rag.indexing import Built, build_index, promote

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ASKED = "What is the highest inlet pressure of the Zephyr compressor?"
PAGE = """---
title: Zephyr compressor
product: zephyr
version: "2.1"
---
# Zephyr compressor

The Zephyr compressor is mounted on a level floor, away from dust.

## Operation

Start the compressor with the outlet open.

### Limits

--8<-- ".snippets/limits.md"

## Care

Change the oil every 500 hours.
"""
SNIPPET = "The highest inlet pressure is 7.3 bar. Above it the valve at the inlet closes.\n"
OTHER = "# Boreas fan\n\nThe Boreas fan turns at 1,400 rpm.\n\n{% include warranty.md %}\n"
CODE = "# Motor stalls\n\nSwitch it off and let it cool for an hour.\n"


@dataclass
class Plant:
    """Documents of one tenant, ingested, built and indexed as often as is asked for."""

    app: App
    folder: Path
    now: datetime = NOW

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def settle(self) -> Built:
        self.now += timedelta(hours=1)
        home = self.app.settings.home
        ingest_documents(self.app.bronze, "acme", self.folder, source="manuals", now=self.now)
        build_warehouse(
            self.app.database_url, self.app.bronze, dbt_project=self.app.settings.dbt_project, work=home / "dbt"
        )
        built = build_index(self.app.database_url, self.app.embedder, home / "indexes", now=self.now)
        promote(self.app.database_url, built.version.index_version, now=self.now)
        return built

    def ask(self, text: str, version: str | None = None) -> Answer:
        return self.app.copilot.ask(Question(text if version is None else f"{text} In {version}", "acme", self.now))

    def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        with database.transaction(self.app.database_url) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def plant(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> Plant:
    folder = tmp_path_factory.mktemp("plant")
    plant = Plant(new_app(folder / "home"), folder / "manuals")
    with database.transaction(plant.app.database_url) as connection:
        create_tenant(connection, "acme")
    plant.write("docs/zephyr.md", PAGE)
    plant.write(".snippets/limits.md", SNIPPET)
    plant.write("docs/boreas.md", OTHER)
    plant.write("docs/_includes/warranty.md", "The warranty ends after 30 months.\n")
    plant.write("docs/faults/QX_7781.md", CODE)
    plant.write(".snippets/nobody.md", "Nobody includes what stands here.\n")
    plant.settle()
    return plant


def cited(answer: Answer) -> list[SpanCitation]:
    return [one for claim in answer.claims for one in claim.citations if isinstance(one, SpanCitation)]


def test_what_stands_only_in_a_snippet_is_answered_with_the_bytes_of_its_file(plant: Plant) -> None:
    answer = plant.ask(ASKED)
    assert "7.3 bar" in answer.text
    citation = next(one for one in cited(answer) if "7.3 bar" in one.quote)
    stored = plant.app.objects.get("acme", citation.object_sha256)
    assert stored == SNIPPET.encode()
    assert stored[citation.byte_start : citation.byte_end].decode() == citation.quote
    assert plant.app.copilot.verify(answer.answer_id, tenant_id="acme").ok
    assert citation.title == "Zephyr compressor"


def test_it_stands_under_the_headings_of_the_page(plant: Plant) -> None:
    (row,) = plant.rows("select title, heading_path, version_from from search.chunks where text like '%7.3 bar%'")
    assert row == ("Zephyr compressor", ["Zephyr compressor", "Operation", "Limits"], "2.1")


def test_gold_says_which_file_it_is_who_includes_it_and_of_which_release(plant: Plant) -> None:
    said = plant.rows("select path, kind, product, version_from, included_in from gold.documents order by path")
    places = {path: (product, version, included) for path, _, product, version, included in said if path}
    assert ".snippets/nobody.md" not in places
    assert places["docs/zephyr.md"] == ("zephyr", "2.1", None)
    heading_path = ["Zephyr compressor", "Operation", "Limits"]
    one = {"page": "docs/zephyr.md", "title": "Zephyr compressor", "heading_path": heading_path}
    assert places[".snippets/limits.md"] == ("zephyr", "2.1", [one])
    assert places["docs/_includes/warranty.md"][2][0]["title"] == "Boreas fan"


def test_a_document_is_found_by_what_its_file_is_called(plant: Plant) -> None:
    first, *_ = plant.app.copilot.search("QX_7781", tenant_id="acme", now=plant.now)
    assert first.title == "Motor stalls"


def test_a_question_that_names_the_file_is_answered_from_it(plant: Plant) -> None:
    answer = plant.app.copilot.ask(Question("What do I do when the motor stalls with QX_7781?", "acme", plant.now))
    assert "let it cool for an hour" in answer.text


@pytest.mark.long
def test_a_changed_snippet_is_embedded_again_and_nothing_else(plant: Plant) -> None:
    plant.write(".snippets/limits.md", SNIPPET.replace("7.3", "6.9"))
    built = plant.settle()
    assert built.embedded == 1
    answer = plant.ask(ASKED)
    assert "6.9 bar" in answer.text
    assert "7.3" not in answer.text
    # What was said before stands where it stood.
    titles = plant.rows(
        "select distinct title from search.chunks where removed is null and text like '%inlet pressure%'"
    )
    assert titles == [("Zephyr compressor",)]


@pytest.mark.long
def test_a_snippet_that_no_page_includes_any_more_is_gone(plant: Plant) -> None:
    plant.write("docs/zephyr.md", PAGE.replace('--8<-- ".snippets/limits.md"', "None."))
    plant.settle()
    (row,) = plant.rows("select count(*) from gold.documents where path = '.snippets/limits.md' and valid_to is null")
    assert row == (0,)
    assert "bar" not in plant.ask(ASKED).text
    plant.write("docs/zephyr.md", PAGE)
    plant.settle()
    assert "6.9 bar" in plant.ask(ASKED).text


@pytest.mark.long
def test_of_an_erased_page_nothing_is_left_beside_its_snippets(plant: Plant) -> None:
    erase(plant.app, Target("acme", "manuals", "docs/zephyr.md"), now=plant.now)
    left = plant.rows("select title from search.chunks where concat(title, heading_path) like '%Zephyr%'")
    assert left == []
    said = plant.rows("select distinct included_in, product from gold.documents where path = '.snippets/limits.md'")
    assert said == [(None, None)]
    assert plant.rows("select includes from landing.documents where path = 'docs/zephyr.md'") == []
    erase(plant.app, Target("acme"), now=plant.now)
    assert plant.rows("select count(*) from search.chunks") == [(0,)]
    assert plant.rows("select count(*) from landing.documents") == [(0,)]
