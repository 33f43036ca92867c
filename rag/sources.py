"""What stands behind a citation: the document around a quote, the series behind a number."""

from dataclasses import dataclass
from datetime import datetime

from lakehouse.database import Connection
from lakehouse.errors import Misused, UnknownAnswer, UnknownDocument
from lakehouse.tenants import readable
from rag.answer import Answer, RowsCitation
from rag.measuring import run, source_of, where

MOST_POINTS = 2000  # a chart of 1,000 pixels shows no more; longer series are drawn by the hour

DOCUMENT = """
select document_id, title, kind, url, product, version_from as version, object_sha256, byte_start, byte_end, text
from gold.documents
where document_id = %(document_id)s and tenant_id = any(%(tenants)s)
"""

READINGS = f"""
select device_id, ts, value, unit
from {{source}}
where {{where}}
order by ts desc
limit {MOST_POINTS + 1}
"""

HOURS = f"""
select device_id, date_trunc('hour', ts, 'UTC') as ts, avg(value) as value, min(unit) as unit
from {{source}}
where {{where}}
group by device_id, date_trunc('hour', ts, 'UTC')
order by 2 desc
limit {MOST_POINTS}
"""


@dataclass(frozen=True)
class DocumentSource:
    """`text` is `object[byte_start:byte_end]`: an offset of a citation minus `byte_start` is its place in the text."""

    document_id: str
    title: str
    kind: str
    url: str | None
    product: str | None
    version: str | None
    object_sha256: str
    byte_start: int
    byte_end: int
    text: str


@dataclass(frozen=True)
class Point:
    device_id: str
    ts: datetime
    value: float


@dataclass(frozen=True)
class Series:
    """The readings behind a number, at most MOST_POINTS; `hourly` says that they are averages of an hour."""

    metric: str | None
    unit: str | None
    hourly: bool
    points: tuple[Point, ...]


def read_document(connection: Connection, document_id: str, tenant_id: str) -> DocumentSource:
    """Raises UnknownDocument, also where it is another tenant's."""
    rows = run(connection, DOCUMENT, {"document_id": document_id, "tenants": readable(tenant_id)})
    if not rows:
        raise UnknownDocument(document_id)
    return DocumentSource(**rows[0])


def read_series(connection: Connection, answer: Answer, claim: int, citation: int) -> Series:
    """Of the rows citation at those positions. Empty where the number counts events or devices."""
    try:
        cited = answer.claims[claim].citations[citation]
    except IndexError as error:
        raise UnknownAnswer(f"{answer.answer_id} claim {claim} citation {citation}") from error
    if not isinstance(cited, RowsCitation):
        raise Misused(f"citation {citation} of claim {claim} quotes a document: only a number has a series")
    metric = cited.params.get("metric")
    if not metric or "gold.fct_readings" not in cited.sql:
        return Series(metric, None, False, ())
    source = source_of("gold.fct_readings", is_by_name="dim_device_names" in cited.sql, params=cited.params)
    said = {"source": source, "where": where(cited.params)}
    rows = run(connection, READINGS.format(**said), cited.params)
    hourly = len(rows) > MOST_POINTS
    if hourly:
        rows = run(connection, HOURS.format(**said), cited.params)
    points = tuple(Point(str(r["device_id"]), r["ts"], float(r["value"])) for r in reversed(rows))
    return Series(metric, rows[0]["unit"] if rows else None, hourly, points)
