"""The page of evaluations, and what it draws."""

import pytest
from fastapi import Request
from streamlit.testing.v1 import AppTest

from iotops.settings import REPOSITORY
from ui.history import SHARE, draw, measures, table, value_of
from ui.wire import Evaluation

RUN: Evaluation = {
    "index_version": "f" * 16,
    "suite": "scifact",
    "evaluated_at": "2026-10-20T08:00:00Z",
    "questions": 300,
    "correct": 270,
    "stale": 0,
    "metrics": {"ndcg@10": 0.74},
    "active": True,
}


def test_each_measure_of_any_run_can_be_drawn_and_runs_without_it_are_left_out() -> None:
    other: Evaluation = {**RUN, "suite": "simulator", "metrics": {}}
    assert measures([RUN, other]) == [SHARE, "ndcg@10"]
    assert (value_of(RUN, SHARE), value_of(RUN, "ndcg@10"), value_of(other, "ndcg@10")) == (0.9, 0.74, None)
    assert len(draw([RUN, other], "ndcg@10").data) == 1
    assert len(draw([RUN, other], SHARE).data) == 2


def test_the_table_marks_the_active_version() -> None:
    shown = table([RUN])
    assert shown["index version"][0].endswith("(active)")
    assert (shown["right"][0], shown["measures"][0]) == ("270 of 300", "ndcg@10 0.740")


def test_the_page_draws_what_the_api_kept(fake_api: tuple[str, list[Request]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["page.py", "--api", fake_api[0]])
    page = AppTest.from_file(str(REPOSITORY / "ui" / "pages" / "evaluations.py"), default_timeout=20).run()

    assert not page.exception
    assert list(page.selectbox(key="measure").options) == [SHARE, "ndcg@10", "recall@5 of acme"]
    assert len(page.dataframe[0].value) == 3
    assert page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")


def test_an_api_that_is_down_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["page.py", "--api", "http://127.0.0.1:9"])
    page = AppTest.from_file(str(REPOSITORY / "ui" / "pages" / "evaluations.py"), default_timeout=20).run()

    assert not page.exception
    assert "does not answer" in "".join(str(element.value) for element in page.get("html"))  # type: ignore[union-attr]
