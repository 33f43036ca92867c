"""Retention as an installation has set it: what the command and the DAG both run."""

from datetime import datetime

from iotops.bootstrap import App
from lakehouse.retention import Policy, Retained, apply_retention


def retain(app: App, *, now: datetime) -> Retained:
    settings = app.settings
    return apply_retention(
        app.database_url,
        app.bronze,
        Policy(settings.hot_days, settings.warm_days),
        now=now,
        dbt_project=settings.dbt_project,
        work=settings.home / "dbt",
    )
