"""The receipts of a claim: a line for each citation, and what opens below it."""

import streamlit as st

from ui import chart, markup
from ui.client import Api, ApiProblem
from ui.passage import Misplaced, locate
from ui.wire import Answer, Check, RowsCitation, SpanCitation, Verification

Place = tuple[int, int]  # number of the claim, number of its citation, both from 0


def show_receipts(api: Api, answer: Answer, number: int, verification: Verification | None) -> None:
    """Of the claim `number`."""
    checks = {(check["claim"], check["citation"]): check for check in verification["checks"]} if verification else {}
    for index, citation in enumerate(answer["claims"][number]["citations"]):
        place = (number, index)
        _show_citation(api, answer, citation, place, checks.get(place))


def _show_citation(
    api: Api, answer: Answer, citation: SpanCitation | RowsCitation, place: Place, check: Check | None
) -> None:
    opened = place in st.session_state.opened
    what = "source" if citation["kind"] == "span" else "readings"
    line, button = st.columns([5, 1], vertical_alignment="center")
    with line:
        st.html(markup.span_line(citation, check) if citation["kind"] == "span" else markup.rows_line(citation, check))
    with button:
        label = f"{'Close' if opened else 'Open'} {what}"
        key = f"open-{place[0]}-{place[1]}"
        st.button(label, key=key, on_click=_toggle, args=(place,), width="stretch")
    if opened:
        with st.container(border=True, key=f"panel-{place[0]}-{place[1]}"):
            try:
                _show_panel(api, answer, citation, place)
            except (ApiProblem, Misplaced) as problem:
                st.html(markup.problem(str(problem)))


def _toggle(place: Place) -> None:
    st.session_state.opened ^= {place}


def _show_panel(api: Api, answer: Answer, citation: SpanCitation | RowsCitation, place: Place) -> None:
    if citation["kind"] == "span":
        source = api.document(citation["document_id"], answer["tenant_id"])
        st.html(markup.passage(source, citation, locate(source, citation)))
    else:
        _show_rows(api, answer, citation, place)


def _show_rows(api: Api, answer: Answer, citation: RowsCitation, place: Place) -> None:
    series = api.series(answer, *place)
    if series["points"]:
        st.altair_chart(chart.draw(series, citation), key=f"chart-{place[0]}-{place[1]}")
    else:
        st.html(markup.note("There are no readings to draw behind this value."))
    sql, params = st.columns([3, 2])
    with sql:
        st.caption("Query")
        st.code(citation["sql"], language="sql", wrap_lines=True)
    with params:
        st.caption("Parameters")
        st.html(markup.parameters(citation["params"]))
    st.html(markup.rows_facts(citation))
