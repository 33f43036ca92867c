"""Gold to a new index version, whenever gold has changed.

The version is built beside the one that questions are answered from, and nothing is promoted here: rag_eval_pipeline
decides that. Only documents that changed are split and embedded, and gold that did not change finds the version that is
there. Versions that nobody will go back to are taken away afterwards.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.chain import GOLD, SEARCH_INDEX, SHARED
from dags.deadlines import done_within

log = logging.getLogger(__name__)


@dag(schedule=[GOLD], deadline=done_within(timedelta(hours=1)), doc_md=__doc__, **SHARED)
def build_search_index() -> None:
    @task(outlets=[SEARCH_INDEX])
    def build() -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from rag import indexing
        from rag.collecting import collect

        app = bootstrap()
        indexes = app.settings.home / "indexes"
        built = indexing.build_index(app.database_url, app.embedder, indexes, now=datetime.now(UTC))
        log.info(built.describe())
        log.info(collect(app.database_url, indexes).describe())
        return {"index_version": built.version.index_version, "created": built.created, "embedded": built.embedded}

    build()


build_search_index()
