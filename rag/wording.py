"""A measured row as a sentence."""

from typing import Any

from rag.measure import Measure


def sentence(asked: Measure, row: dict[str, Any]) -> str:
    """Of the one row that the statement of `asked` returned."""
    if asked.function == "firmware":
        device = asked.devices[0] if len(asked.devices) == 1 else row["device_id"]
        return f"{device} runs firmware {row['value']}, first seen at {row['ts']:%Y-%m-%d %H:%M} UTC."
    unit = row.get("unit") if asked.function != "count" else None
    number = _number(row["value"]) + (f" {unit}" if unit else "")
    if asked.subject == "devices":
        return f"{number} devices{_scope(asked)}."
    if asked.function == "latest":
        return _latest(asked, row, number)
    basis = f" ({row['rows']} readings)" if asked.function != "count" else ""
    if asked.by_device:
        return f"{row['device_id']} had the {_extreme(asked)}{_scope(asked)}: {number}{basis}."
    if asked.function == "count":
        return f"{number} {what(asked)} were recorded for {of_what(asked)}."
    return f"The {asked.function} {_metric(asked)} of {of_what(asked)} was {number}{basis}."


def _latest(asked: Measure, row: dict[str, Any], number: str) -> str:
    which = f", the {'lowest' if asked.least else 'highest'} of all devices{_scope(asked)}" if asked.by_device else ""
    at = f"{row['ts']:%Y-%m-%d %H:%M} UTC"
    return f"The latest {_metric(asked)} of {row['device_id']} was {number} at {at}{which}."


def _extreme(asked: Measure) -> str:
    if asked.function == "count":
        return f"{'fewest' if asked.least else 'most'} {what(asked)}"
    average = "average " if asked.function == "average" else ""
    return f"{'lowest' if asked.least else 'highest'} {average}{_metric(asked)}"


def what(asked: Measure) -> str:
    """The rows that are counted or combined."""
    if asked.subject == "events":
        return f"{asked.event_type} events" if asked.event_type else "events"
    if asked.subject == "devices":
        return "firmware records" if asked.function == "firmware" else "devices"
    return f"{_metric(asked)} readings" if asked.metric else "readings"


def of_what(asked: Measure) -> str:
    """Devices, site, model, window."""
    return (", ".join(asked.devices) or "all devices") + _scope(asked)


def _scope(asked: Measure) -> str:
    parts = [
        f"of model {asked.model}" if asked.model else "",
        f"on firmware {asked.firmware}" if asked.firmware else "",
        f"at site {asked.site}" if asked.site else "",
        asked.window.describe() if asked.window and asked.subject != "devices" else "",
    ]
    return "".join(f" {part}" for part in parts if part)


def _metric(asked: Measure) -> str:
    return (asked.metric or "").replace("_", " ")


def _number(value: object) -> str:
    """Up to three decimals, without trailing zeros; the citation holds the full value."""
    text = f"{float(str(value)):.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
