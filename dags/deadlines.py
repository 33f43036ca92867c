"""What is to be done by when. Airflow's deadline alerts took the place of SLAs.

A run that is not done in time goes on; the alert says so in the log of its callback, and the page of the run shows it.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

log = logging.getLogger(__name__)


def done_within(length: timedelta) -> DeadlineAlert:
    """Counted from when the run was queued: one that waits for an asset has no logical date."""
    callback = SyncCallback(report_late, kwargs={"minutes": length.total_seconds() / 60})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, length, callback, name=f"done within {length}")


def report_late(context: Mapping[str, Any], minutes: float) -> None:
    """Runs as the executor's own task, not in that of the run which is late."""
    run = context["dag_run"]
    log.error("%s (run %s) is not done %g minutes after it was queued", run["dag_id"], run["dag_run_id"], minutes)
