"""HTML of the page. Text from documents, answers and errors comes in here, and leaves escaped.

It never goes through st.markdown: there an image link in a document would make the browser fetch it.
"""

import html
from typing import Any
from urllib.parse import urlsplit

from ui.passage import Passage
from ui.wire import Answer, Check, Conflict, DocumentSource, RowsCitation, SpanCitation

STATUS = {
    "answered": ("Answered", "open the receipts below each claim"),
    "abstained": ("No answer", "the evidence at hand does not carry one"),
    "degraded": ("Partly answered", "a part of the system or of the evidence was missing"),
}

# Streamlit dedents HTML and browsers normalise line ends; as references, these reach the screen as they are stored.
_EXACT = str.maketrans({"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def escape(text: object) -> str:
    return html.escape(str(text)).translate(_EXACT)


def answer_head(answer: Answer, verdict: str | None) -> str:
    """`verdict`, of a verification, takes the place of the general meaning of the status."""
    label, meaning = STATUS[answer["status"]]
    context = [f"{name.removesuffix('_id')} {value}" for name, value in answer["context"].items() if value]
    context += [f"as of {answer['as_of']}"] if answer["as_of"] else []
    return (
        f'<div class="row answer-head"><span class="status {answer["status"]}">{label}</span>'
        f'{"".join(_chip(text) for text in context)}<span class="muted">{escape(verdict or meaning)}</span></div>'
    )


def answer_foot(answer: Answer) -> str:
    times = dict(answer["timings_ms"])
    total = times.pop("total", None)
    stages = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in times.items())
    facts = [f"{total:.0f} ms ({stages})" if total is not None else f"ms: {stages}"]
    facts += [f"index {answer['index_version'][:12]}"] if answer["index_version"] else []
    facts += [f"answer {answer['answer_id'][:12]}"]
    return f'<div class="answer-foot">{_facts(facts)}</div>'


def prose(text: str) -> str:
    return f'<div class="answer">{escape(text)}</div>'


def claim(number: int, text: str) -> str:
    return f'<div class="claim"><span class="badge">{number}</span><span class="answer">{escape(text)}</span></div>'


def conflict(one: Conflict) -> str:
    """What holds, what held before, and the receipts of both."""
    since = f"{one['since']} ({one['since_date']})" if one["since_date"] else one["since"] or "an earlier release"
    receipts = "".join(
        _receipt(
            f'<span class="title">{escape(c["title"])}</span>{_chip(c["version"]) if c["version"] else ""}', backs, None
        )
        for backs, c in zip(one["backs"], one["citations"], strict=True)
    )
    return (
        f'<div class="conflict"><div class="row facts"><span>Changed since {escape(since)}</span></div>'
        f'<dl class="parameters"><dt>now</dt><dd>{escape(one["current"])}</dd>'
        f"<dt>before</dt><dd>{escape(one['previous'])}</dd></dl>{receipts}</div>"
    )


def span_line(citation: SpanCitation, check: Check | None) -> str:
    version = _chip(citation["version"]) if citation["version"] else ""
    place = f"bytes {citation['byte_start']:,}–{citation['byte_end']:,}"
    return _receipt(f'<span class="title">{escape(citation["title"])}</span>{version}', place, check)


def rows_line(citation: RowsCitation, check: Check | None) -> str:
    value = citation["value"]
    shown = f"{value:,}" if isinstance(value, int | float) else value
    files = len(citation["bronze"])
    detail = f"computed from rows of {files:,} bronze object{'s' * (files != 1)}"
    return _receipt(f'<span class="title">{escape(shown)}</span>', detail, check)


def passage(source: DocumentSource, citation: SpanCitation, found: Passage) -> str:
    title = escape(source["title"])
    url = source["url"]
    if url and urlsplit(url).scheme in ("http", "https"):
        title = f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{title}</a>'
    facts = [source["kind"].replace("_", " ")]
    facts += [source["product"]] if source["product"] else []
    facts += [f"version {source['version']}"] if source["version"] else []
    facts += [
        f"bytes {citation['byte_start']:,}–{citation['byte_end']:,}",
        f"sha256 {citation['object_sha256'][:12]}…",
    ]
    return (
        f'<div class="source"><div class="source-title">{title}</div>{_facts(facts)}'
        f'<div class="document">{_skipped(found.bytes_above, "above")}{escape(found.before)}'
        f"<mark>{escape(found.quote)}</mark>{escape(found.after)}{_skipped(found.bytes_below, 'below')}</div></div>"
    )


def parameters(params: dict[str, Any]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_plain(value))}</dd>" for name, value in params.items())
    return f'<dl class="parameters">{rows}</dl>'


def rows_facts(citation: RowsCitation) -> str:
    shown = ", ".join(sha256[:12] for sha256 in citation["bronze"][:3])
    more = f" and {len(citation['bronze']) - 3:,} more" if len(citation["bronze"]) > 3 else ""
    facts = [f"rows sha256 {citation['rows_sha256'][:12]}…", f"gold of {citation['snapshot']}"]
    return _facts([*facts, *([f"bronze {shown}{more}"] if shown else [])])


def problem(text: str) -> str:
    return f'<div class="problem" role="alert">{escape(text)}</div>'


def note(text: str) -> str:
    return f'<div class="note">{escape(text)}</div>'


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _chip(text: str) -> str:
    return f'<span class="chip">{escape(text)}</span>'


def _receipt(what: str, detail: str, check: Check | None) -> str:
    return f'<div class="row receipt">{what}<span class="muted">{escape(detail)}</span>{_mark_of(check)}</div>'


def _facts(facts: list[str]) -> str:
    return f'<div class="row facts">{"".join(f"<span>{escape(fact)}</span>" for fact in facts)}</div>'


def _mark_of(check: Check | None) -> str:
    if check is None:
        return ""
    return (
        '<span class="ok">✓ verified</span>' if check["ok"] else f'<span class="bad">✗ {escape(check["detail"])}</span>'
    )


def _skipped(count: int, where: str) -> str:
    return f'<span class="skipped">… {count:,} bytes {where}</span>' if count else ""
