"""The dbt build as an Airflow task: Cosmos starts dbt once for all models, for each start takes 3 s."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from cosmos.config import ProfileConfig
from cosmos.constants import InvocationMode
from cosmos.operators.local import DbtBuildLocalOperator

from iotops.settings import REPOSITORY

if TYPE_CHECKING:
    from airflow.sdk import Context

PROJECT = REPOSITORY / "dbt"


class BuildGold(DbtBuildLocalOperator):  # type: ignore[misc]  # Cosmos ships no type information
    """What `iotops warehouse build` does before it promotes, with Cosmos in the place where that starts dbt.

    days: made anew although nothing of them is new; comma-separated, so that it can be a template.
    promotes: pass the gates and promote as well, in the same step, so that no other build comes between.
    meanwhile: called in a thread while dbt, a process of its own, works; a process that runs every DAG uses the time.
    """

    meanwhile: ClassVar[Callable[[], object]] = staticmethod(lambda: None)

    template_fields: ClassVar[tuple[str, ...]] = ("days",)

    def __init__(self, task_id: str, *, days: str = "", promotes: bool = False, **arguments: Any) -> None:
        self.days = days
        self.promotes = promotes
        super().__init__(
            task_id=task_id,
            project_dir=str(PROJECT),
            profile_config=ProfileConfig("iotops", "warehouse", profiles_yml_filepath=PROJECT / "profiles.yml"),
            invocation_mode=InvocationMode.SUBPROCESS,
            dbt_executable_path=str(Path(sys.executable).with_name("dbt")),
            install_deps=False,
            append_env=False,
            emit_datasets=False,
            should_store_compiled_sql=False,
            **arguments,
        )

    def execute(self, context: "Context", **_: Any) -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from iotops.gates import gates
        from lakehouse.dbt_process import build_arguments, dbt_environment, read_results
        from lakehouse.warehouse import build_candidate, build_warehouse

        def with_cosmos(
            database_url: str, dbt_project: Path, work: Path, *, full_refresh: bool = False
        ) -> list[dict[str, Any]]:
            self.project_dir = str(dbt_project)
            self.env = dbt_environment(database_url, work)
            self.dbt_cmd_flags = build_arguments(full_refresh=full_refresh)[1:]
            Thread(target=type(self).meanwhile, daemon=True).start()
            super(BuildGold, self).execute(context)
            return read_results(work)

        app = bootstrap()
        work = app.settings.home / "dbt"
        days = [date.fromisoformat(day) for day in self.days.split(",") if day]
        build = partial(build_warehouse, gate=gates(app, now=datetime.now(UTC))) if self.promotes else build_candidate
        built = build(app.database_url, app.bronze, dbt_project=PROJECT, work=work, days=days, dbt=with_cosmos)
        self.log.info(built.describe())
        return built.to_json()

    def calculate_openlineage_events_completes(self, *_: Any) -> bool:
        """No lineage is emitted; preparing it copies dbt's environment, with the password, into this process."""
        return False
