"""Gold to a new index version, whenever gold has changed.

The version is built beside the one that questions are answered from, and nothing is promoted here: rag_eval_pipeline
decides that. A text that was embedded for any earlier version is not embedded again, and gold that did not change finds
the version that is there.
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

        app = bootstrap()
        built = indexing.build_index(
            app.database_url, app.embedder, app.settings.home / "indexes", now=datetime.now(UTC)
        )
        log.info(built.describe())
        return {"index_version": built.version.index_version, "created": built.created, "embedded": built.embedded}

    build()


build_search_index()
