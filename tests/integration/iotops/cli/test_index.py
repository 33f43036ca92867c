"""`iotops index …` as a person runs it, on a warehouse of one manual."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime

import pytest
from typer.testing import CliRunner

from iotops.bootstrap import App
from iotops.cli.main import app as command
from lakehouse import database
from rag.history import Run as Evaluated
from rag.history import save

Run = Callable[..., str]

GOLD = """
create table gold.documents as
select
    'default' as tenant_id, md5('p-200') as document_id, 'manual' as kind, 'P-200' as title,
    'The relief valve opens at 8 bar.' as text, repeat('a', 64) as object_sha256, 0::bigint as byte_start,
    32::bigint as byte_end, 'P-200' as product, '2.1' as version_from, null::text as version_to,
    %(now)s::timestamptz as valid_from, null::timestamptz as valid_to, %(now)s::timestamptz as recorded_at,
    null::text as superseded_by, 'internal' as classification, null::text as url,
    'p-200.md' as path, null::jsonb as included_in
"""


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(command, ["index", *arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


@pytest.fixture
def warehouse(app: App, now: datetime) -> App:
    with database.transaction(app.database_url) as connection:
        connection.execute("create schema gold")
        connection.execute(GOLD, {"now": now})
    return app


def test_an_index_is_built_promoted_found_again_rebuilt_and_listed(warehouse: App, run: Run) -> None:
    assert run("list").startswith("no index yet")
    first = json.loads(run("build", "--no-promote", "--json"))
    assert (first["created"], first["active"], first["documents"], first["embedded"]) == (True, False, 1, 1)
    assert run("promote", first["index_version"][:8]) == f"index {first['index_version']}: active\n"
    assert run("build", "--tenant", "default").strip() == (
        f"index {first['index_version']}: 1 documents, 1 chunks, unchanged; active"
    )
    assert "1 documents, 1 chunks, 0 embedded (1 reused) in " in run("rebuild")
    assert run("check") == f"index {first['index_version']}: 1 chunks are as they were built\n"
    assert run("collect") == "0 index versions, 1 chunks and 0 folders went\n"  # the rows before the rebuild
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["index_version"], listed["status"], listed["active"]) == (first["index_version"], "ready", True)


def test_a_version_that_is_worse_than_the_active_one_is_promoted_only_where_that_is_said(
    warehouse: App, run: Run, environment: dict[str, str], now: datetime
) -> None:
    active = json.loads(run("build", "--json"))["index_version"]
    with database.transaction(warehouse.database_url) as connection:
        connection.execute("update gold.documents set title = 'P-200 pump'")
    worse = json.loads(run("build", "--no-promote", "--json"))["index_version"]
    with database.transaction(warehouse.database_url) as connection:
        for version, right in ((active, True), (worse, False)):
            record = {"outcomes": {str(number): right for number in range(6)}}
            save(connection, Evaluated(version, "simulator", now, 6, 6 * right, 0, record))
    for arguments in (["promote", worse], ["build"]):
        refused = CliRunner().invoke(command, ["index", *arguments], env=environment)
        assert refused.exit_code == 1
        assert "6 questions lost and 0 won of 6" in str(refused.exception)
    assert json.loads(run("list", "--json"))[1]["active"]
    assert run("promote", worse, "--anyway") == f"index {worse}: active\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "iotops warehouse build"),
        (["rollback"], "iotops index build"),
        (["promote", "abc"], "iotops index list"),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(
    arguments: list[str], message: str, environment: dict[str, str], app: App
) -> None:
    assert app.database_url
    done = subprocess.run(
        [sys.executable, "-m", "iotops.cli.main", "index", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("iotops: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
