"""Source → bronze: what the ingest DAGs and `iotops ingest` call. Running any of these twice changes nothing."""

from lakehouse.chats import ingest_chats
from lakehouse.documents import ingest_documents
from lakehouse.summary import IngestSummary
from lakehouse.telemetry import ingest_telemetry

__all__ = ["IngestSummary", "ingest_chats", "ingest_documents", "ingest_telemetry"]
