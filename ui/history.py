"""Kept evaluations as a line over time and as a table."""

from collections.abc import Sequence

import altair as alt
import pandas

from ui.wire import Evaluation

SHARE = "share right"
HEIGHT = 320


def measures(runs: Sequence[Evaluation]) -> list[str]:
    """What can be drawn: the share that is right, which every run has, then the measures of the suites."""
    return [SHARE, *sorted({name for run in runs for name in run["metrics"]})]


def value_of(run: Evaluation, measure: str) -> float | None:
    if measure == SHARE:
        return run["correct"] / run["questions"] if run["questions"] else None
    return run["metrics"].get(measure)


def draw(runs: Sequence[Evaluation], measure: str) -> alt.Chart:
    """A point a run, a line a suite; its tooltip says which index version it was, and whether it is the active one."""
    rows = [
        {
            "evaluated": run["evaluated_at"],
            "suite": run["suite"],
            "value": value,
            "index": run["index_version"],
            "state": "active" if run["active"] else "other",
            "stale": run["stale"],
        }
        for run in runs
        if (value := value_of(run, measure)) is not None
    ]
    points = pandas.DataFrame(rows, columns=["evaluated", "suite", "value", "index", "state", "stale"])
    points["evaluated"] = pandas.to_datetime(points["evaluated"], format="ISO8601", utc=True)
    chart: alt.Chart = (
        alt.Chart(points, height=HEIGHT)
        .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=60))
        .encode(
            x=alt.X("evaluated:T", title="evaluated at (UTC)", scale=alt.Scale(type="utc")),
            y=alt.Y("value:Q", title=measure, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("suite:N", title="suite"),
            tooltip=["suite:N", "index:N", "state:N", "value:Q", "stale:Q"],
        )
    )
    return chart


def table(runs: Sequence[Evaluation]) -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "evaluated at": [run["evaluated_at"][:16].replace("T", " ") for run in runs],
            "suite": [run["suite"] for run in runs],
            "index version": [run["index_version"] + (" (active)" if run["active"] else "") for run in runs],
            "right": [f"{run['correct']} of {run['questions']}" for run in runs],
            "stale citations": [run["stale"] for run in runs],
            "measures": ["  ".join(f"{name} {value:.3f}" for name, value in run["metrics"].items()) for run in runs],
        }
    )
