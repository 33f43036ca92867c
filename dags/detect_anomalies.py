"""Gold to anomalies, whenever gold has changed.

A device whose readings are those of the last run is not read again. What is found replaces what was found before on the
same device; the newest reading of a tenant stands for "now", so that a run says the same whenever it is made.
"""

import logging

from airflow.sdk import dag, task

from dags.chain import ANOMALIES, GOLD, SHARED

log = logging.getLogger(__name__)


@dag(schedule=[GOLD], doc_md=__doc__, **SHARED)
def detect_anomalies() -> None:
    @task(outlets=[ANOMALIES])
    def detect() -> dict[str, int]:
        from iotops.bootstrap import bootstrap
        from lakehouse.anomalies import detection

        found = detection.detect(bootstrap().database_url)
        log.info(found.describe())
        return found.to_json()

    detect()


detect_anomalies()
