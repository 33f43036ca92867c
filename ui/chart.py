"""The readings behind a number, as a line over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import altair as alt
import pandas

from ui.wire import RowsCitation, Series

HEIGHT = 250
MOST_DOTS = 60  # beyond these a line is clearer without a dot for each reading


def draw(series: Series, citation: RowsCitation) -> alt.LayerChart:
    """The time axis spans the window of the question, so that a gap in the readings is seen as one."""
    readings = pandas.DataFrame(series["points"])
    readings["ts"] = pandas.to_datetime(readings["ts"], format="ISO8601", utc=True)
    line = alt.Chart(readings).mark_line(strokeWidth=1.5, point=len(readings) < MOST_DOTS)
    several = readings["device_id"].nunique() > 1
    layers = [
        line.encode(
            x=_time_axis(readings, citation["params"]),
            y=alt.Y("value:Q", title=_title(series), scale=alt.Scale(zero=False)),
            color=alt.Color("device_id:N", title="device") if several else alt.Undefined,
            tooltip=["device_id:N", alt.Tooltip("utcyearmonthdatehoursminutes(ts):T", title="time (UTC)"), "value:Q"],
        )
    ]
    value = citation["value"]
    if isinstance(value, int | float) and _on_axis(value, citation["sql"], readings):
        rule = alt.Chart(pandas.DataFrame({"value": [value]})).mark_rule(strokeDash=[5, 4], color="#c4682b")
        layers.append(rule.encode(y="value:Q", tooltip="value:Q"))
    return alt.LayerChart(layer=layers, height=HEIGHT)


def _title(series: Series) -> str:
    unit = f" ({series['unit']})" if series["unit"] else ""
    return f"{series['metric']}{unit}{', average by hour' if series['hourly'] else ''}"


def _time_axis(readings: pandas.DataFrame, params: dict[str, Any]) -> alt.X:
    start, end = readings["ts"].min(), readings["ts"].max()
    start = datetime.fromisoformat(params["start"]) if params.get("start") else start
    end = datetime.fromisoformat(params["end"]) if params.get("end") else end
    if start == end:
        start, end = start - timedelta(minutes=30), end + timedelta(minutes=30)
    form = "%d %b %H:%M" if end - start <= timedelta(days=3) else "%d %b %Y"
    return alt.X(
        "ts:T",
        title="time (UTC)",
        scale=alt.Scale(type="utc", domain=[_vega_time(start), _vega_time(end)]),
        axis=alt.Axis(format=form, labelSeparation=16),
    )


def _vega_time(moment: datetime) -> alt.DateTime:
    """Part by part: Streamlit passes integers as large as a timestamp to Vega in a form that it cannot use."""
    t = moment.astimezone(UTC)
    return alt.DateTime(
        year=t.year, month=t.month, date=t.day, hours=t.hour, minutes=t.minute, seconds=t.second, utc=True
    )


def _on_axis(value: float, sql: str, readings: pandas.DataFrame) -> bool:
    """A count may happen to lie among the readings, but is no reading."""
    return "count(*) as value" not in sql and bool(readings["value"].min() <= value <= readings["value"].max())
