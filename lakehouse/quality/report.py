"""The results as pages: an index and one page a run, which load nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from lakehouse.database import connect
from lakehouse.quality.incidents import Incident, list_incidents
from lakehouse.quality.results import Result, Run, find_run, list_runs, results_of

INDEX: Final = "index.html"
PAGES: Final = 100
CLOSED: Final = 20

STYLE: Final = """
:root { color-scheme: light dark; --line: #d5dae1; --soft: #f4f6f8; --text: #1c2430; --quiet: #5b6675; --page: #ffffff;
  --failed: #b3261e; --warning: #8a5a00; --passed: #1d6b3a; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --line: #39424e; --soft: #1d232b; --text: #e4e8ee; --quiet: #9aa6b5;
  --page: #13181e; --failed: #ff8a80; --warning: #f0b95a; --passed: #7ed09b; --link: #8abdf5; } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; } p { margin: .25rem 0; } a { color: var(--link); }
.quiet { color: var(--quiet); } .failed { color: var(--failed); } .warning { color: var(--warning); }
.passed { color: var(--passed); } .verdict { font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } th.number { text-align: right; }
article { border: 1px solid var(--line); border-left: 4px solid currentColor; border-radius: 4px; padding: .8rem 1rem;
  margin: .8rem 0; background: var(--soft); } article > * { color: var(--text); }
article .quiet { color: var(--quiet); }
article p { margin: .5rem 0; } time { white-space: nowrap; }
article h3 .verdict { float: right; } article.failed h3 .verdict { color: var(--failed); }
article.warning h3 .verdict { color: var(--warning); }
code { font: .86em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
"""


def write_report(database_url: str, reports: Path, run_id: int | None = None) -> None:
    """The index, and the page of the run where one is named."""
    reports.mkdir(parents=True, exist_ok=True)
    with connect(database_url) as connection:
        runs, incidents = list_runs(connection, limit=PAGES), list_incidents(connection)
        if run_id is not None:
            run = find_run(connection, run_id)
            _write(reports / _name(run_id), run_page(run, results_of(connection, run_id)))
    _write(reports / INDEX, index_page(runs, incidents))
    known = {_name(run.run_id) for run in runs}
    for page in reports.glob("run-*.html"):
        if page.name not in known:
            page.unlink(missing_ok=True)


def write_all(database_url: str, reports: Path) -> None:
    """Every page anew: after an erasure, none may say what the results no longer do."""
    with connect(database_url) as connection:
        runs = list_runs(connection, limit=PAGES)
    for run in runs:
        write_report(database_url, reports, run.run_id)
    write_report(database_url, reports)


def index_page(runs: Sequence[Run], incidents: Sequence[Incident]) -> str:
    opened = [one for one in incidents if one.is_open]
    closed = [one for one in incidents if not one.is_open][:CLOSED]
    last = {run.gate: run for run in reversed(runs)}
    gates = ", ".join(f"{_verdict(run.verdict)} at {escape(gate)}" for gate, run in sorted(last.items()))
    parts = [
        "<h1>Quality gates</h1>",
        f"<p>{'Last: ' + gates if gates else 'No gate has run yet.'}</p>",
        "<h2>Open incidents</h2>",
        *([_incident(one) for one in opened] or ["<p class=quiet>None.</p>"]),
        "<h2>Runs</h2>",
        _table(
            ["Run", "Gate", "When", "Verdict", "#Passed", "#Failed", "#Warnings", "#Seconds"],
            [_run_row(run) for run in runs],
        ),
    ]
    if closed:
        rows = [[escape(one.incident_id), _time(one.opened_at), _time(one.resolved_at), _names(one)] for one in closed]
        parts += ["<h2>Resolved incidents</h2>", _table(["Incident", "Opened", "Resolved", "What did not hold"], rows)]
    return _page("Quality gates", parts)


def run_page(run: Run, results: Sequence[Result]) -> str:
    broken = [result for result in results if not result.success]
    passed = [result for result in results if result.success]
    parts = [
        f'<p><a href="{INDEX}">All runs</a></p>',
        f"<h1>Run {run.run_id} of the {escape(run.gate)} gate</h1>",
        f"<p>{_verdict(run.verdict)}: {run.passed} expectations hold, {run.errors} failed, {run.warnings} warn "
        f"<span class=quiet>({_time(run.checked_at)}, {run.seconds:.1f} s)</span></p>",
        *(["<h2>What does not hold</h2>"] if broken else []),
        *(_broken(result) for result in broken),
        "<h2>What holds</h2>",
        _table(
            ["Suite", "Table", "Expectation"],
            [[escape(one.suite), f"<code>{escape(one.table)}</code>", escape(one.expectation)] for one in passed],
        ),
    ]
    return _page(f"Run {run.run_id}, {run.gate} gate", parts)


def _broken(result: Result) -> str:
    rows = [
        [
            escape(", ".join(str(value) for value in finding["keys"].values())),
            f"{finding['rows']:,}",
            escape(finding["seen"]),
            escape(finding["expected"]),
            "<br>".join(f"<code>{escape(row)}</code>" for row in finding["examples"]),
        ]
        for finding in result.examples
    ]
    return (
        f"<article class={result.verdict}><h3>{escape(result.expectation)} {_verdict(result.verdict)}</h3>"
        f"<p class=quiet><code>{escape(result.table)}</code>, tenant {escape(result.tenant_id or '')}: "
        f"does not hold in {_rows(result.unexpected_count)}</p>"
        f"{_table(['Where', '#Rows', 'Seen', 'Expected', 'Such as'], rows)}</article>"
    )


def _incident(incident: Incident) -> str:
    items = [
        f"<p>{escape(failure['expectation'])} <span class=quiet>does not hold in {_rows(failure['rows'])} of "
        f"<code>{escape(failure['schema'])}.{escape(failure['table'])}</code></span><br>"
        f"<code>{'<br>'.join(map(escape, failure['examples']))}</code>"
        f"<br><span class=quiet>To do: {escape(failure['remedy'])}</span></p>"
        for failure in incident.failures
    ]
    build = f", build {incident.build_id}" if incident.build_id else ""
    return (
        f"<article class=failed><h3>{escape(incident.incident_id)} <span class=verdict>open</span></h3>"
        f"<p class=quiet>since {_time(incident.opened_at)}, last seen {_time(incident.last_seen_at)}{build}</p>"
        f"{''.join(items)}</article>"
    )


def _run_row(run: Run) -> list[str]:
    link = f'<a href="{_name(run.run_id)}">{run.run_id}</a>'
    counts = [str(run.passed), str(run.errors), str(run.warnings), f"{run.seconds:.1f}"]
    return [link, escape(run.gate), _time(run.checked_at), _verdict(run.verdict), *counts]


def _names(incident: Incident) -> str:
    return "<br>".join(escape(name) for name in dict.fromkeys(f["expectation"] for f in incident.failures))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A column whose head begins with `#` holds numbers."""
    classes = [" class=number" if head.startswith("#") else "" for head in heads]
    head = "".join(f"<th{kind}>{name.removeprefix('#')}</th>" for name, kind in zip(heads, classes, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for cell, kind in zip(row, classes, strict=True))}</tr>" for row in rows
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{verdict}</span>'


def _time(moment: Any) -> str:
    return f"<time>{moment:%Y-%m-%d %H:%M} UTC</time>" if moment else ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _name(run_id: int) -> str:
    return f"run-{run_id}.html"


def _page(title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _write(path: Path, text: str) -> None:
    """A reader sees the page before or the page after."""
    waiting = path.with_suffix(".tmp")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)
