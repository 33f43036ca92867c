"""dbt as one process, never imported: what it is told, and what it reports."""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, cast

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from lakehouse.errors import StepFailed
from lakehouse.promotion import CANDIDATE

# jit: compiling the plans of a small build takes longer than running them. work_mem: the sort of a day of 330,000
# readings takes 90 MB. backend_flush_after: the disk writes while the next day is computed, 25 s in place of 29 s for
# ten million readings.
SERVER_OPTIONS: Final = "-c jit=off -c work_mem=128MB -c maintenance_work_mem=256MB -c backend_flush_after=2MB"
# What its own script does; run as a module it would warn that it was imported before.
DBT: Final = (sys.executable, "-c", "from dbt.cli.main import cli; cli()")
# Where the project cannot be read, the build says so once more. An empty line, or none: the caller needs no build.
# What dbt makes lives as long as it does: to look for garbage, and to take everything down at the end, took 1.2 s of an
# increment's 8.6 s.
WAITING: Final = """
import gc, json, os, sys
gc.disable()
from dbt.cli.main import dbtRunner
manifest = dbtRunner().invoke(["parse", "--quiet", "--no-write-json"]).result
succeeded = True
if line := sys.stdin.readline().strip():
    succeeded = dbtRunner(manifest=manifest).invoke(json.loads(line)).success
sys.stdout.flush()
os._exit(0 if succeeded else 1)
"""
NAMED_FAILURES: Final = 5
NAMED_BY_PROFILE: Final = {"host", "port", "user", "password", "dbname"}
Result = dict[str, Any]


class RunDbt(Protocol):
    def __call__(
        self, database_url: str, dbt_project: Path, work: Path, /, *, full_refresh: bool = False
    ) -> list[Result]: ...


def dbt_environment(database_url: str, work: Path, *, gold_schema: str = CANDIDATE) -> dict[str, str]:
    """All that dbt is told: the connection, where the models of gold go, its folders under `work`, no usage statistics.

    It is the whole environment of the process, so nothing of this one's (keys, a shell's own DBT_*) leaks into it.
    """
    given = _connection_parameters(database_url)
    libpq = {  # what the profile has no name for, libpq reads by itself
        option.envvar.decode(): given[option.keyword.decode()]
        for option in Conninfo.get_defaults()
        if option.envvar and option.keyword.decode() in given.keys() - NAMED_BY_PROFILE
    }
    return {
        **libpq,
        "PGOPTIONS": f"{SERVER_OPTIONS} {given.get('options', '')}".strip(),
        "HOME": str(Path.home()),
        "PYTHONUTF8": "1",
        "DBT_HOST": given.get("host", "localhost"),
        "DBT_PORT": given["port"],
        "DBT_USER": given["user"],
        "DBT_ENV_SECRET_PASSWORD": given.get("password", ""),
        "DBT_DATABASE": given.get("dbname", given["user"]),
        "DBT_GOLD_SCHEMA": gold_schema,
        "DBT_TARGET_PATH": str(work / "target"),
        "DBT_LOG_PATH": str(work / "logs"),
        "DBT_LOG_LEVEL_FILE": "info",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
    }


def _connection_parameters(database_url: str) -> dict[str, str]:
    """As libpq understands the URL: what it leaves out comes from PG* or is libpq's default."""
    options = Conninfo.get_defaults()
    outside = {
        option.keyword.decode(): option.val.decode()
        for option in options
        if option.val and (option.val != option.compiled or option.keyword in (b"port", b"user"))
    }
    return outside | {name: str(value) for name, value in conninfo_to_dict(database_url).items() if value}


def run_dbt(database_url: str, dbt_project: Path, work: Path, *, full_refresh: bool = False) -> list[Result]:
    """One build, as a process of its own; returns the results of its nodes. Raises StepFailed naming what failed."""
    with dbt_at_hand(database_url, dbt_project, work) as run:
        return run(database_url, dbt_project, work, full_refresh=full_refresh)


@contextmanager
def dbt_at_hand(database_url: str, dbt_project: Path, work: Path) -> Iterator[RunDbt]:
    """A process that imports dbt and reads the project (2.5 s) while the caller does something else, and builds when it
    is asked to. It takes its arguments then: whom it was started for, it is for."""
    work.mkdir(parents=True, exist_ok=True)
    _results_file(work).unlink(missing_ok=True)
    output = work / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            (sys.executable, "-c", WAITING),
            env=dbt_environment(database_url, work)
            | {"DBT_PROJECT_DIR": str(dbt_project), "DBT_PROFILES_DIR": str(dbt_project)},
            cwd=work,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(_url: str, _project: Path, _work: Path, *, full_refresh: bool = False) -> list[Result]:
        process.communicate(json.dumps(build_arguments(full_refresh=full_refresh)) + "\n")
        return _results(process.returncode, work, output.read_text())

    try:
        yield run
    finally:
        process.kill()
        process.communicate()


def build_arguments(*, full_refresh: bool) -> list[str]:
    """Of `dbt build`.

    dbt's unit tests give made-up rows to the models, so their result does not depend on the data: the test-suite runs
    them, a build does not. An increment leaves the views of silver as they are and does not count keys: each gold
    table has a unique index on its key, which would not have been made.
    """
    command = ["build", "--quiet", "--exclude-resource-type", "unit_test"]
    if full_refresh:
        return [*command, "--full-refresh"]
    return [*command, "--exclude", "config.materialized:view", "test_name:unique_key"]


def _results(returncode: int, work: Path, output: str) -> list[Result]:
    nodes = read_results(work)
    if returncode < 0:
        raise StepFailed(f"dbt was ended by {signal.Signals(-returncode).name}: run it again, with more memory free")
    if returncode != 0 or not nodes:
        raise StepFailed(f"{_why_failed(nodes, output)}; the log is {work / 'logs' / 'dbt.log'}")
    return nodes


def read_results(work: Path) -> list[Result]:
    """What the last dbt process under `work` reported of each node; nothing where it did not come so far."""
    file = _results_file(work)
    return cast(list[Result], json.loads(file.read_text())["results"]) if file.exists() else []


def _results_file(work: Path) -> Path:
    return work / "target" / "run_results.json"


def _why_failed(nodes: list[Result], output: str) -> str:
    """One line: the nodes that failed and why, or what dbt said where it did not come so far."""
    failed = [node for node in nodes if node["status"] in ("error", "fail", "runtime error")]
    if not failed:
        lines = [line.split("  ", 1)[-1].strip() for line in output.splitlines() if line.strip()]
        return f"dbt could not build the warehouse: {' '.join(lines[-8:]) or 'it ended without a word'}"
    named = [f"{_node_name(node['unique_id'])} ({_one_line(node['message'])})" for node in failed[:NAMED_FAILURES]]
    more = f" and {len(failed) - len(named)} more" if len(failed) > len(named) else ""
    return f"dbt build failed at {', '.join(named)}{more}"


def _node_name(unique_id: str) -> str:
    """`model.iotops.documents` is model documents; a generic test carries a hash behind its name."""
    kind, _, name = unique_id.split(".")[:3]
    return f"{kind} {name}"


def _one_line(message: str | None) -> str:
    return " ".join((message or "no message").split())[:300]


def hash_project(dbt_project: Path) -> str:
    """SHA-256 over the names and contents of the project's SQL and YAML."""
    digest = hashlib.sha256()
    for path in sorted(path for path in dbt_project.rglob("*") if path.suffix in (".sql", ".yml")):
        digest.update(path.relative_to(dbt_project).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
