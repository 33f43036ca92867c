"""Which field a column holds, by its name."""

from collections.abc import Mapping, Sequence
from typing import Final

from lakehouse.errors import BadRecord

ALIASES: Final = {
    "ts": ("ts", "timestamp", "time", "datetime"),
    "device_id": ("device_id", "device", "deviceid", "sensor_id"),
    "metric": ("metric", "measurement", "sensor", "name"),
    "value": ("value", "reading"),
    "unit": ("unit", "units"),
    "site": ("site", "location"),
    "model": ("model", "device_model", "product"),
    "firmware": ("firmware", "firmware_version"),
    "event_type": ("event_type",),
    "event_id": ("event_id",),
    "severity": ("severity", "level"),
    "message": ("message",),
    "attributes": ("attributes",),
}
KNOWN: Final = frozenset(alias for aliases in ALIASES.values() for alias in aliases)
FLAGS: Final = {"device_id": "--device ID", "metric": "--metric NAME"}
SHOWN_NAMES: Final = 50


def find_columns(names: Sequence[str]) -> dict[str, str]:
    """Which column holds which field, by its first alias that is there."""
    known = {_simple(name): name for name in reversed(names)}
    found = {field: [known[alias] for alias in aliases if alias in known] for field, aliases in ALIASES.items()}
    return {field: columns[0] for field, columns in found.items() if columns}


def spellings(names: Sequence[str]) -> list[list[str]]:
    """Of each field, all columns that could hold it."""
    return [[name for name in names if _simple(name) in aliases] for aliases in ALIASES.values()]


def is_known(name: str) -> bool:
    return _simple(name) in KNOWN


def require_columns(names: Sequence[str], columns: Mapping[str, str], device: str | None, metric: str | None) -> None:
    """Raises BadRecord naming what is missing, what is there, and the flag that could supply it."""
    needed = ["ts"] if "event_type" in columns else ["ts", "device_id", "metric", "value"]
    supplied = {"device_id": device, "metric": metric}
    missing = [field for field in needed if field not in columns and not supplied.get(field)]
    if not missing:
        return
    wanted = ", ".join(f"{field} (or {', '.join(ALIASES[field][1:])})" for field in missing)
    flags = " and ".join(FLAGS[field] for field in missing if field in FLAGS)
    supply = f"; {flags} can say it for the whole file" if flags else ""
    there = ", ".join(name[:100] for name in names[:SHOWN_NAMES]) + (" …" if len(names) > SHOWN_NAMES else "")
    raise BadRecord("missing_column", f"it has no column {wanted}, only {there or 'none'}{supply}")


def _simple(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
