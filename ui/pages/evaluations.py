"""How the index versions did: a line a suite over time, and the runs as a table. Listed beside ui/page.py."""

import sys
from pathlib import Path

import streamlit as st

from ui import history, markup
from ui.client import Api, ApiProblem, api_url


def main() -> None:
    st.set_page_config(page_title="IoT Ops Copilot – evaluations", layout="wide")
    st.html(Path(__file__).parents[1] / "style.css")
    st.subheader("Evaluations")
    try:
        runs = Api(api_url(sys.argv[1:])).evaluations()
    except ApiProblem as problem:
        st.html(markup.problem(str(problem)))
        return
    if not runs:
        st.html(markup.note("Nothing was evaluated yet: run 'iotops eval run'."))
        return
    metric = st.selectbox("Measure", history.measures(runs), key="measure")
    st.altair_chart(history.draw(runs, metric), key="history")
    st.dataframe(history.table(runs), key="runs", hide_index=True)


if __name__ == "__main__":
    main()
