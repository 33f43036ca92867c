"""Folders, S3 prefixes, git repositories, sites and chats of `connectors.yaml` into bronze, once an hour.

Each connector is a task of its own, so that one origin that does not answer stops no other. What was read stays; the
next run goes on from there.
"""

import logging
from typing import Any

from airflow.sdk import dag, task

from dags.chain import BRONZE_CHATS, BRONZE_DOCUMENTS, SHARED

log = logging.getLogger(__name__)


@dag(schedule="@hourly", doc_md=__doc__, **SHARED)
def ingest_connectors() -> None:
    @task
    def configured() -> list[str]:
        from iotops.bootstrap import bootstrap
        from iotops.connectors import configured_connectors

        return [one.name for one in configured_connectors(bootstrap())]

    @task(outlets=[BRONZE_DOCUMENTS, BRONZE_CHATS])
    def ingest(name: str) -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from iotops.connectors import configured_connectors, site_of
        from lakehouse.connectors.configured import run_configured

        app = bootstrap()
        (one,) = [one for one in configured_connectors(app) if one.name == name]
        summary = run_configured(site_of(app), one)
        log.info("%s: %s", name, summary.describe())
        return {key: count for key, count in summary.to_json().items() if key != "refused"}  # those are in quarantine

    ingest.expand(name=configured())


ingest_connectors()
