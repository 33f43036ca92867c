"""The DAG files as Airflow reads them, in processes of their own: Airflow is configured by the environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = {
    "apply_retention",
    "detect_anomalies",
    "ingest_chats",
    "ingest_connectors",
    "ingest_documents",
    "ingest_telemetry",
    "maintain_bronze",
    "rebuild_day",
    "transform_warehouse",
    "build_search_index",
    "rag_eval_pipeline",
}

READ_ALL = """
import json, sys, time
started = time.process_time()
import airflow.sdk, airflow.settings, airflow.providers.standard.operators.python
from airflow.dag_processing.dagbag import DagBag
before, imported = set(sys.modules), time.process_time()
bag = DagBag(sys.argv[1])
seconds = time.process_time() - imported
loaded = sorted({name.split(".")[0] for name in set(sys.modules) - before})
from dags.in_order import in_order
json.dump({
    "errors": bag.import_errors,
    "seconds": seconds,
    "importing": imported - started,
    "files": {stat.file: stat.duration.total_seconds() for stat in bag.dagbag_stats},
    "loaded": loaded,
    "order": [dag.dag_id for dag in in_order(bag.dags.values())],
    "dags": {name: {
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "retries": sorted({task.retries for task in dag.tasks}),
        "backoff": sorted({task.retry_exponential_backoff for task in dag.tasks}),
        "timeouts": sorted({task.execution_timeout.total_seconds() for task in dag.tasks}),
        "deadlines": [(one.interval.total_seconds(), one.callback.path) for one in dag.deadline or ()],
        "file": dag.fileloc,
    } for name, dag in bag.dags.items()},
}, open(sys.argv[2], "w"))
"""

ORDERED = """
import sys
from airflow.sdk import DAG, Asset, task
from dags.in_order import in_order

a, b, c = Asset("a"), Asset("b"), Asset("c")

def make(name, reads, writes):
    with DAG(name, schedule=reads) as dag:
        task(lambda: None, outlets=writes, task_id="only")()
    return dag

dags = [
    make("1_last", (a & b) | c, []),
    make("2_middle", [a], [b]),
    make("3_first", None, [a]),
    make("4_untied", None, []),
]
print(*(dag.dag_id for dag in in_order(dags)), file=open(sys.argv[1], "w"))
"""


def run(script: str, *arguments: str, home: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    run(READ_ALL, str(REPOSITORY / "dags"), str(home / "bag.json"), home=home)
    read: dict[str, Any] = json.loads((home / "bag.json").read_text())
    return read


def test_every_dag_can_be_imported(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}
    assert set(bag["dags"]) == NAMES


def test_the_assets_put_the_dags_in_the_order_of_the_data(bag: dict[str, Any]) -> None:
    assert bag["order"] == [
        "ingest_chats",
        "ingest_connectors",
        "ingest_documents",
        "ingest_telemetry",
        "transform_warehouse",
        "build_search_index",
        "detect_anomalies",
        "rag_eval_pipeline",
    ]


def test_reading_the_dag_files_is_quick_and_loads_nothing_heavy(bag: dict[str, Any]) -> None:
    heavy = {
        "boto3",
        "dbt",
        "deltalake",
        "great_expectations",
        "onnxruntime",
        "pandas",
        "psycopg",
        "pyarrow",
    }
    assert heavy & set(bag["loaded"]) == set()
    assert bag["seconds"] < 1.0
    # Most of it is Cosmos. On a slow machine Airflow's own import, without which nothing is read, is slow as well.
    assert bag["seconds"] < bag["importing"] / 4
    assert len(bag["files"]) == len(bag["dags"]), "what holds no DAG is named in dags/.airflowignore"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_dag_says_why_it_is_there_and_is_safe_to_repeat(bag: dict[str, Any], name: str) -> None:
    dag = bag["dags"][name]
    assert dag["doc"] in Path(dag["file"]).read_text()
    assert len(dag["doc"].splitlines()) >= 3
    assert (dag["catchup"], dag["max_active_runs"], dag["retries"]) == (False, 1, [2])
    assert dag["backoff"][0] > 1, "each try waits longer than the one before"
    assert 0 < dag["timeouts"][0] <= dag["timeouts"][-1] <= 6 * 3600


def test_what_questions_wait_for_has_a_deadline(bag: dict[str, Any]) -> None:
    deadlines = {name: dag["deadlines"] for name, dag in bag["dags"].items() if dag["deadlines"]}
    assert deadlines == {
        "transform_warehouse": [[1800.0, "dags.deadlines.report_late"]],
        "build_search_index": [[3600.0, "dags.deadlines.report_late"]],
    }


def test_a_dag_comes_after_every_writer_of_what_it_waits_for(tmp_path: Path) -> None:
    run(ORDERED, str(tmp_path / "order"), home=tmp_path)
    assert (tmp_path / "order").read_text().split() == ["3_first", "2_middle", "1_last"]
