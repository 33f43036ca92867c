"""What must hold of new rows and of the candidate, beside dbt's tests, before gold is promoted."""

from collections.abc import Callable
from datetime import datetime

from iotops.bootstrap import App
from lakehouse.errors import Refused


def gates(app: App, *, now: datetime) -> Callable[[str], None]:
    """Raises Refused, after an incident was opened, where a gate does not hold. Imports Great Expectations (5 s)."""

    def pass_gates(database_url: str) -> None:
        from lakehouse.quality.gates import stop_at_bronze, stop_at_gold
        from lakehouse.warehouse import withdraw

        reports = app.settings.home / "quality"
        try:
            stop_at_bronze(database_url, now=now, reports=reports)
            stop_at_gold(database_url, now=now, reports=reports)
        except Refused:
            withdraw(database_url)
            raise

    return pass_gates
