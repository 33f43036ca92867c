"""Ask, read, open the receipts. Started by `iotops serve ui`, or by hand:

streamlit run ui/page.py -- --api http://127.0.0.1:8000
"""

import sys
from pathlib import Path

import streamlit as st

from ui import markup
from ui.client import Api, ApiProblem, Scope, api_url
from ui.evidence import show_receipts
from ui.segments import segments
from ui.wire import Answer, Verification

INTRODUCTION = (
    "Ask about a reading, a fault, a release or what was said about an incident. Every sentence of an answer "
    "opens the passage it rests on, every number the query and the readings behind it."
)


def main() -> None:
    st.set_page_config(page_title="IoT Ops Copilot", layout="wide", initial_sidebar_state="expanded")
    st.html(Path(__file__).with_name("style.css"))
    state = st.session_state
    state.setdefault("answer", None)
    state.setdefault("problem", None)
    state.setdefault("verification", None)
    state.setdefault("opened", set())
    api = Api(api_url(sys.argv[1:]))
    scope = _sidebar(api)
    question = _question()
    if question is not None:
        _ask(api, question, scope)
    if state.problem:
        st.html(markup.problem(state.problem))
    if state.answer:
        _show_answer(api)
    elif not state.problem:
        st.html(markup.note(INTRODUCTION))


def _sidebar(api: Api) -> Scope:
    with st.sidebar:
        st.subheader("IoT Ops Copilot")
        tenant_id = st.text_input("Tenant", "default", key="tenant_id").strip()
        st.caption("Optional: what the answer must hold for")
        scope = Scope(
            tenant_id=tenant_id or "default",
            device_id=st.text_input("Device", key="device_id", placeholder="any"),
            product=st.text_input("Product", key="product", placeholder="any"),
            version=st.text_input("Version", key="version", placeholder="current"),
            as_of=st.datetime_input("Known by (UTC)", None, key="as_of", help="Use only what was recorded by then."),
        )
        st.html(markup.note(f"API {api.url}"))
    return scope


def _question() -> str | None:
    """What was asked just now, or None."""
    with st.form("question-form", border=False, enter_to_submit=True):
        field, button = st.columns([6, 1], vertical_alignment="bottom")
        question = field.text_input("Question", key="question", max_chars=2000, placeholder="Ask about the fleet")
        asked = button.form_submit_button("Ask", type="primary", width="stretch")
    return question.strip() if asked and question.strip() else None


def _ask(api: Api, question: str, scope: Scope) -> None:
    state = st.session_state
    state.update(answer=None, problem=None, verification=None, opened=set())
    try:
        with st.spinner("Reading the evidence"):
            state.answer = api.ask(question, scope)
    except ApiProblem as problem:
        state.problem = str(problem)


def _show_answer(api: Api) -> None:
    state = st.session_state
    answer: Answer = state.answer
    verification: Verification | None = state.verification
    head, button = st.columns([6, 1], vertical_alignment="center")
    with head:
        st.html(markup.answer_head(answer, _verdict(verification)))
    if answer["claims"]:
        with button:
            st.button("Verify", key="verify", on_click=_verify, args=(api,), width="stretch")
    for segment in segments(answer):
        if segment.claim is None:
            st.html(markup.prose(segment.text))
        else:
            with st.container(key=f"claim-{segment.claim}"):
                st.html(markup.claim(segment.claim + 1, segment.text))
                show_receipts(api, answer, segment.claim, verification)
    for one in answer.get("conflicts", []):
        st.html(markup.conflict(one))
    st.html(markup.answer_foot(answer))


def _verify(api: Api) -> None:
    state = st.session_state
    state.problem = None
    try:
        state.verification = api.verify(state.answer)
    except ApiProblem as problem:
        state.problem = str(problem)


def _verdict(verification: Verification | None) -> str | None:
    if verification is None:
        return None
    failed, total = sum(not check["ok"] for check in verification["checks"]), len(verification["checks"])
    if failed:
        return f"{failed} of {total} citations no longer hold"
    return f"all {total} citations were read again where they are stored, and hold"


if __name__ == "__main__":
    main()
