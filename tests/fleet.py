"""A simulated fleet, ingested, built and indexed: what tests of answers ask questions of."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from iotops.bootstrap import App
from lakehouse import database, tenants
from lakehouse.ingest import ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.warehouse import build_warehouse
from rag.answer import Answer, Question
from rag.evaluation import Case, read_cases
from rag.indexing import build_index
from rag.versions import promote
from simulator.simulation import simulate

END = datetime(2026, 11, 1, tzinfo=UTC)
INGESTED = datetime(2026, 11, 1, 6, tzinfo=UTC)
SEED = 31  # none that benchmarks/answer_weights.py was fitted on


@dataclass(frozen=True)
class Fleet:
    app: App
    inbox: Path
    cases: list[Case]

    def ask(self, text: str, tenant_id: str, as_of: datetime | None = None) -> Answer:
        return self.app.copilot.ask(Question(text, tenant_id, END, as_of))


def settle(app: App) -> Fleet:
    """Simulate, ingest, build, index and promote in the home of `app`."""
    home = app.settings.home
    simulated = simulate(app.settings.inbox, home / "truth", seed=SEED, end=END)
    ingest(app)
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=home / "dbt")
    built = build_index(app.database_url, app.embedder, home / "indexes", now=INGESTED)
    promote(app.database_url, built.version.index_version, now=INGESTED)
    return Fleet(app, app.settings.inbox, read_cases(simulated.truth))


def ingest(app: App) -> None:
    """Everything below the inbox, each folder for its tenant."""
    steps = {"documents": ingest_documents, "chats": ingest_chats, "telemetry": ingest_telemetry}
    for folder in sorted(app.settings.inbox.iterdir()):
        with database.transaction(app.database_url) as connection:
            tenants.create_tenant(connection, folder.name)
        for kind, step in steps.items():
            if (folder / kind).is_dir():
                step(app.bronze, folder.name, folder / kind, now=INGESTED)
