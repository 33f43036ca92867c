"""Run every DAG of the chain once, each after the DAGs whose assets it waits for, in one process, without a scheduler.

`python -m dags.in_order` is what the demo starts. Airflow's imports cost ~10 s a process and `dag.test()` ~50 ms a
task, hence one process. It talks on standard output, one JSON object a line: `{"ready": true}` once the metadata
database is there; then it waits for a line on standard input; then one object a DAG. All that Airflow prints goes to
standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # to import Airflow prints, which is too early before standard output is kept for reports
    from airflow.sdk import DAG


def in_order(dags: "Iterable[DAG]") -> "list[DAG]":
    """Upstream first. Where the assets leave a choice, by name, so that two runs are alike.

    A DAG that no asset ties to another has no place in the order, and is left out.
    """
    tied = [dag for dag in dags if _written(dag) or _read(dag)]
    by_id = {dag.dag_id: dag for dag in sorted(tied, key=lambda dag: str(dag.dag_id))}
    writers: dict[str, set[str]] = {}
    for dag_id, dag in by_id.items():
        for asset in _written(dag):
            writers.setdefault(asset, set()).add(dag_id)
    graph = {dag_id: {w for asset in _read(dag) for w in writers.get(asset, ())} for dag_id, dag in by_id.items()}
    return [by_id[dag_id] for dag_id in TopologicalSorter(graph).static_order()]


def _written(dag: "DAG") -> set[str]:
    return {outlet.name for task in dag.tasks for outlet in task.outlets}


def _read(dag: "DAG") -> set[str]:
    return _named(getattr(dag.timetable, "asset_condition", None))


def _named(condition: Any) -> set[str]:
    """The assets of a schedule: nothing, one asset, or conditions of conditions."""
    from airflow.sdk import Asset

    if isinstance(condition, Asset):
        return {condition.name}
    return {name for part in getattr(condition, "objects", ()) for name in _named(part)}


def run(dag: "DAG") -> dict[str, Any]:
    """One run of one DAG: its state, its seconds, and why which of its tasks failed."""
    causes: dict[str, str] = {}
    for task in dag.tasks:
        _tell_failures(task, lambda context: causes.update({context["ti"].task_id: _one_line(context["exception"])}))
    # No scheduler watches over this run; and `dag.test()` of 3.3.2 takes the alerts themselves for their ids.
    dag.deadline = None
    started = time.perf_counter()
    outcome = dag.test()
    return {
        "dag": dag.dag_id,
        "writes": sorted(_written(dag)),
        "state": str(outcome.state),
        "seconds": round(time.perf_counter() - started, 1),
        "causes": causes,
    }


def _tell_failures(task: Any, callback: Callable[[Any], None]) -> None:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    arguments = task.partial_kwargs if isinstance(task, MappedOperator) else vars(task)
    arguments["on_failure_callback"] = [callback]


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def main() -> int:
    with _reporting() as report:
        from airflow.dag_processing.dagbag import DagBag
        from airflow.utils.db import initdb

        from dags.gold import BuildGold

        initdb()
        bag = DagBag()
        if bag.import_errors:
            report({"import_errors": bag.import_errors})
            return 1
        BuildGold.meanwhile = staticmethod(_import_what_comes_later)
        report({"ready": True})
        sys.stdin.readline()
        for dag in in_order(bag.dags.values()):
            result = run(dag)
            report(result)
            if result["state"] != "success":
                return 1
    return 0


def _import_what_comes_later() -> None:
    """5 s and 2 s of imports, of the gate and of the index."""
    import_module("great_expectations")
    import_module("rag.copilot")


@contextmanager
def _reporting() -> Iterator[Any]:
    """Keep standard output for reports: what tasks and the processes they start print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        yield lambda report: _line(output, report)


def _line(output: IO[str], report: dict[str, Any]) -> None:
    output.write(json.dumps(report) + "\n")
    output.flush()


if __name__ == "__main__":
    sys.exit(main())
