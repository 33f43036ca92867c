"""What was refused is tried again, after its reader was improved or with what was not said of it the first time.

What lands is remembered in the same commit under the refusal's id; only then is the refusal marked as resolved. Cut off
between the two, the next redrive finds it landed and makes up the mark.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot, equals
from lakehouse.chats import land_conversations
from lakehouse.errors import BadRecord
from lakehouse.manifest import Flags
from lakehouse.quarantine import Row, fold, list_refused, refusal_id, resolution_name, transaction
from lakehouse.redriving.attempt import Attempt, Outcome, unchanged
from lakehouse.redriving.chats import try_messages
from lakehouse.redriving.documents import try_document
from lakehouse.redriving.telemetry import try_telemetry
from lakehouse.sources.extractor import Extractor

# Refusals are marked in portions, so that one cut off has most of its marks.
PORTION: Final = 1_000


@dataclass(frozen=True)
class Redriven:
    """superseded: the same path, or message, has landed since in another version, so the old bytes did not."""

    redriven: int = 0
    still_refused: int = 0
    superseded: int = 0

    def describe(self) -> str:
        return f"quarantine: {self.redriven} redriven, {self.still_refused} still refused, {self.superseded} superseded"

    def to_json(self) -> dict[str, int]:
        return asdict(self)


def redrive(
    bronze: Bronze,
    tenant_id: str,
    ids: Collection[str],
    *,
    now: datetime,
    said: Mapping[str, str] | None = None,
) -> Redriven:
    """Try the open refusals of these ids again. said: product, version, kind, classification, device, metric; each wins
    over what was said when it was refused."""
    said = said or {}
    Flags(kind=said.get("kind"))  # raises Misused
    history = list_refused(bronze, tenant_id, resolved=True)
    chosen = [row for row in history if row["id"] in ids and row["resolution"] is None]
    counts: Counter[str] = Counter()
    with Extractor() as extractor:
        attempt = Attempt(bronze, tenant_id, now, said, history, extractor)
        for portion in _portions(chosen):
            outcomes = _try(attempt, portion)
            _mark(bronze, tenant_id, [(row, outcomes[row["id"]]) for row in portion], now)
            counts.update("still_refused" if isinstance(one, BadRecord) else one for one in outcomes.values())
    return Redriven(**counts)


def _portions(refused: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Oldest first. The rows of one file stay together, as each look into it reads all of it."""
    portion: list[Row] = []
    for _, together in groupby(refused, _file):
        portion += together
        if len(portion) >= PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _file(row: Row) -> tuple[Any, ...]:
    return row["stage"], row["source"], row["path"], row["raw_sha256"], row["raw_holds"], repr(row["flags"])


def _try(attempt: Attempt, portion: Sequence[Row]) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    touched: dict[str, str] = {}
    for _, together in groupby(portion, _file):
        rows = list(together)
        if rows[0]["raw_sha256"] is None and rows[0]["stage"] != "documents":
            outcomes |= {row["id"]: unchanged(row) for row in rows}
            continue
        if rows[0]["stage"] == "telemetry":
            outcomes |= try_telemetry(attempt, rows)
            continue
        for row in rows:
            if row["stage"] == "documents":
                outcomes[row["id"]] = try_document(attempt, row)
            else:
                outcomes[row["id"]], source = try_messages(attempt, row)
                touched[source] = attempt.flags(row).get("classification", "internal")
    for source, classification in touched.items():
        land_conversations(attempt.bronze, attempt.tenant_id, source, classification, attempt.now)
    return outcomes


def _mark(bronze: Bronze, tenant_id: str, outcomes: Sequence[tuple[Row, Outcome]], now: datetime) -> None:
    """Says what became of each refusal, unless the table says it already."""
    marks = {row["id"]: _said(row, outcome, now) for row, outcome in outcomes}
    openings = sorted({row["bronze_version"] for row, _ in outcomes})

    def decide(snapshot: Snapshot) -> Commit | None:
        about = pc.field("refusal").isin(list(marks)) | pc.field("bronze_version").isin(openings)
        state = fold(snapshot.read(equals("tenant_id", tenant_id) & about).to_pylist())
        news = {name: mark for name, mark in marks.items() if _is_news(mark, state[name])}
        if not news:
            return None
        names = [position for name, mark in news.items() for position in _positions(name, mark)]
        rows = pa.Table.from_pylist(list(news.values()), schema=TABLES["quarantine"])
        return Commit(rows, dict.fromkeys(names, snapshot.version + 1))

    bronze.commit("quarantine", decide)


def _said(row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """A row about the refusal, as its table has them."""
    told = {name: row[name] for name in TABLES["quarantine"].names if name in row}
    told |= {"flags": None, "refusal": row["id"], "recorded_at": now}
    if isinstance(outcome, BadRecord):
        return told | {"code": outcome.code, "reason": outcome.reason, "resolution": None}
    return told | {"resolution": outcome}


def _is_news(mark: Row, known: Row) -> bool:
    """Of a refusal that was resolved meanwhile nothing is news."""
    return known["resolution"] is None and any(mark[name] != known[name] for name in ("code", "reason", "resolution"))


def _positions(refusal: str, mark: Row) -> list[str]:
    """Under another code the same bytes count as recorded as well: else the next ingest would refuse them once more."""
    if mark["resolution"] is None:
        return [transaction(mark)]
    ids = {refusal, refusal_id(mark)}
    return [resolution_name(mark["tenant_id"], mark["resolution"], one) for one in sorted(ids)]
