"""`iotops ingest slack` as a process, against a workspace on this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.slack_api import TOKEN, Workspace, slack_api


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with slack_api() as running:
        running.add_channel("C1", "ops")
        running.add_user("U1", "Ana")
        yield running


def iotops(environment: dict[str, str], workspace: Workspace, *arguments: str, token: str = TOKEN) -> tuple[int, str]:
    """Exit code, and what was printed."""
    command = [sys.executable, "-m", "iotops.cli.main", "ingest", "slack", *arguments]
    settings = {"IOTOPS_SLACK_TOKEN": token, "IOTOPS_SLACK_URL": workspace.url}
    done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_channels_are_read_from_where_the_last_run_left_them(environment: dict[str, str], workspace: Workspace) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    ts = workspace.say("C1", "hello", yesterday)
    code, printed = iotops(environment, workspace, "--json")
    said = json.loads(printed)
    assert (code, said["read"], said["landed"], said["rows"]) == (0, 1, 1, 1)
    workspace.delete("C1", ts)
    assert iotops(environment, workspace, "--channel", "ops", "--lookback", "3") == (
        0,
        "chats: 1 read, 1 landed (1 rows), 0 unchanged, 1 deleted, 0 quarantined\n",
    )


def test_a_refusal_is_one_line_that_does_not_show_the_token(environment: dict[str, str], workspace: Workspace) -> None:
    code, printed = iotops(environment, workspace, token="xoxb-wrong-secret")
    assert code == 1
    assert printed.startswith("iotops: Slack refuses to be read (invalid_auth): set IOTOPS_SLACK_TOKEN")
    assert printed.count("\n") == 1
    assert "secret" not in printed


def test_misuse_is_told_apart(environment: dict[str, str], workspace: Workspace) -> None:
    assert iotops(environment, workspace, token="")[0] == 2
    assert iotops(environment, workspace, "--lookback", "-1")[0] == 2
