import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.connectors import slack as slack_module
from lakehouse.connectors.channels import Destination, sync_channels
from lakehouse.connectors.cursors import read_cursor
from lakehouse.connectors.retrying import Patience
from lakehouse.connectors.slack import Slack
from lakehouse.connectors.slack_api import SlackApi
from lakehouse.errors import IotopsError, Misused, NotFound, ObjectStoreUnavailable, OriginRefused, OriginUnavailable
from lakehouse.ingest import ingest_chats
from lakehouse.objects import ObjectStore
from lakehouse.quarantine import list_refused
from lakehouse.summary import IngestSummary
from lakehouse.warehouse import build_warehouse
from tests.fakes.slack_api import TOKEN, Failure, Workspace, error, rate_limited, slack_api

Sync = Callable[..., IngestSummary]
SOURCE = "slack:T9"
MORNING = datetime(2026, 10, 30, 8, tzinfo=UTC)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with slack_api() as running:
        running.add_channel("C1", "ops")
        running.add_user("U1", "Ana")
        running.add_user("U2", "", "Bo Li")
        yield running


@pytest.fixture
def sync(workspace: Workspace, bronze: Bronze, database_url: str, now: datetime, waits: list[float]) -> Sync:
    def run(minutes: int = 0, *, token: str | None = TOKEN, channels: tuple[str, ...] = (), days: int = 7) -> Any:
        when = now + timedelta(minutes=minutes)
        patience = Patience(attempts=3, answer_seconds=1.0, wait=waits.append, jitter=lambda: 1.0)
        api = SlackApi(token, now=when, url=workspace.url, patience=patience)
        connector = Slack(api, now=when, lookback=timedelta(days=days), channels=channels)
        return sync_channels(Destination(database_url, bronze, "default", "internal", when), connector)

    return run


def live(bronze: Bronze) -> dict[tuple[str, str], dict[str, Any]]:
    latest = {(row["channel"], row["message_id"]): row for row in bronze.changes("messages")[0].to_pylist()}
    return {key: row for key, row in latest.items() if not row["deleted"]}


def texts(bronze: Bronze) -> list[str]:
    return [row["text"] for row in sorted(live(bronze).values(), key=lambda row: row["ts"])]


def conversations(bronze: Bronze) -> dict[str, str]:
    latest = {row["path"]: row for row in bronze.changes("documents")[0].to_pylist()}
    return {
        path: bronze.objects.get("default", row["object_sha256"]).decode()
        for path, row in latest.items()
        if not row["deleted"]
    }


def stored_cursor(database_url: str) -> dict[str, Any]:
    with database.transaction(database_url) as connection:
        cursor = read_cursor(connection, "default", SOURCE)
    said: dict[str, Any] = json.loads(cursor or "{}")
    return said


def test_channels_threads_and_names_land_and_a_second_run_adds_nothing(
    workspace: Workspace, bronze: Bronze, sync: Sync
) -> None:
    workspace.say("C1", "Pump 7 is <@U2>'s", MORNING)
    root = workspace.say("C1", "anyone?", MORNING + timedelta(minutes=1))
    workspace.say("C1", "me", MORNING + timedelta(minutes=2), user="U2", thread=root)
    assert sync() == IngestSummary("chats", read=1, landed=1, rows=3)
    assert conversations(bronze) == {
        "ops/2026-10-30": "[2026-10-30 08:00] Ana: Pump 7 is @Bo Li's\n",
        f"ops/{root}": "[2026-10-30 08:01] Ana: anyone?\n[2026-10-30 08:02] Bo Li: me\n",
    }
    versions = [bronze.version(table) for table in ("messages", "documents")]
    assert sync(10) == IngestSummary("chats", read=1, unchanged=1)
    assert [bronze.version(table) for table in ("messages", "documents")] == versions


def test_each_message_names_the_page_that_it_was_read_from(workspace: Workspace, bronze: Bronze, sync: Sync) -> None:
    root = workspace.say("C1", "first", MORNING)
    workspace.say("C1", "answer", MORNING + timedelta(minutes=1), thread=root)
    sync()
    for row in live(bronze).values():
        page = json.loads(bronze.objects.get("default", row["object_sha256"]))
        assert row["text"] in [item["text"] for item in page["messages"]]


def test_a_long_history_lands_in_portions_page_by_page(
    workspace: Workspace, bronze: Bronze, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_module, "PAGES_AT_ONCE", 2)
    workspace.most = 3
    for number in range(20):
        workspace.say("C1", f"text {number}", MORNING - timedelta(days=20 - number))
    assert sync().rows == 20
    assert texts(bronze) == [f"text {number}" for number in range(20)]
    assert bronze.version("messages") == 4  # commits of 6, 6, 6 and the rest, over the empty table


def test_a_run_cut_off_on_the_way_goes_on_where_it_was(
    workspace: Workspace, bronze: Bronze, sync: Sync, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_module, "PAGES_AT_ONCE", 1)
    workspace.most = 5
    for number in range(12):
        workspace.say("C1", f"text {number}", MORNING - timedelta(days=30 - number))
    workspace.fail("users.list", *[Failure(500)] * 3)
    with pytest.raises(OriginUnavailable):
        sync()
    workspace.fail("conversations.history", Failure(500), Failure(500))  # of which patience outlasts two
    sync(5)
    assert texts(bronze) == [f"text {number}" for number in range(12)]
    assert stored_cursor(database_url)["channels"]["C1"]["gaps"] == []


def test_what_was_not_read_yet_when_a_run_stopped_is_read_later(
    workspace: Workspace, bronze: Bronze, sync: Sync, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_module, "PAGES_AT_ONCE", 1)
    workspace.most = 5
    for number in range(12):
        workspace.say("C1", f"text {number}", MORNING - timedelta(days=30 - number))
    fetched = []
    fetch = Slack.fetch

    def fetch_once(self: Slack, change: Any) -> Any:
        if fetched:
            raise OriginUnavailable("Slack", "the network went down")
        fetched.append(change)
        return fetch(self, change)

    with monkeypatch.context() as during:
        during.setattr(Slack, "fetch", fetch_once)
        with pytest.raises(OriginUnavailable):
            sync()
    assert texts(bronze) == [f"text {number}" for number in range(7, 12)]
    assert len(stored_cursor(database_url)["channels"]["C1"]["gaps"]) == 1
    sync(5)
    assert texts(bronze) == [f"text {number}" for number in range(12)]


class TestEditsAndDeletions:
    def test_an_edit_within_the_window_is_a_new_version(self, workspace: Workspace, bronze: Bronze, sync: Sync) -> None:
        ts = workspace.say("C1", "pump 7", MORNING)
        sync()
        workspace.edit("C1", ts, "pump 9", MORNING + timedelta(hours=1))
        assert sync(10).rows == 1
        assert conversations(bronze)["ops/2026-10-30"] == "[2026-10-30 08:00] Ana: pump 9\n"

    def test_a_message_that_slack_lists_no_more_is_deleted(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        ts = workspace.say("C1", "the password is 1234", MORNING)
        workspace.say("C1", "hello", MORNING + timedelta(minutes=1))
        sync()
        workspace.delete("C1", ts)
        summary = sync(10)
        assert (summary.rows, summary.deleted) == (1, 1)
        assert conversations(bronze) == {"ops/2026-10-30": "[2026-10-30 08:01] Ana: hello\n"}
        assert sync(20).rows == 0

    def test_the_last_message_of_a_day_takes_the_conversation_with_it(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        ts = workspace.say("C1", "oops", MORNING)
        sync()
        workspace.delete("C1", ts)
        sync(10)
        assert conversations(bronze) == {}

    def test_a_tombstone_is_a_deletion_and_the_answers_stay(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        root = workspace.say("C1", "wrong channel, sorry", MORNING)
        workspace.say("C1", "no harm", MORNING + timedelta(minutes=1), thread=root)
        sync()
        workspace.delete("C1", root)
        assert sync(10).deleted == 1
        assert conversations(bronze) == {f"ops/{root}": "[2026-10-30 08:01] Ana: no harm\n"}

    def test_answers_are_edited_and_deleted_as_well(self, workspace: Workspace, bronze: Bronze, sync: Sync) -> None:
        root = workspace.say("C1", "root", MORNING)
        first = workspace.say("C1", "first", MORNING + timedelta(minutes=1), thread=root)
        second = workspace.say("C1", "second", MORNING + timedelta(minutes=2), thread=root)
        sync()
        workspace.edit("C1", first, "first!", MORNING + timedelta(minutes=3))
        workspace.delete("C1", second)
        sync(10)
        assert texts(bronze) == ["root", "first!"]
        workspace.delete("C1", first)  # the thread is none any more, and its root a message of the day
        sync(20)
        assert conversations(bronze) == {"ops/2026-10-30": "[2026-10-30 08:00] Ana: root\n"}

    def test_a_thread_that_is_gone_whole_takes_its_answers_with_it(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        root = workspace.say("C1", "root", MORNING)
        workspace.say("C1", "answer", MORNING + timedelta(minutes=1), thread=root)
        sync()
        workspace.channels["C1"].messages.clear()
        assert sync(10).deleted == 2
        assert conversations(bronze) == {}

    def test_an_old_thread_that_is_still_answered_is_followed(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        root = workspace.say("C1", "long story", MORNING - timedelta(days=40))
        workspace.say("C1", "chapter 1", MORNING, thread=root)
        sync()
        workspace.say("C1", "chapter 2", MORNING + timedelta(days=2, hours=3), thread=root)
        sync(60)
        assert texts(bronze) == ["long story", "chapter 1", "chapter 2"]

    def test_what_is_older_than_the_window_is_let_be(self, workspace: Workspace, bronze: Bronze, sync: Sync) -> None:
        """A workspace without a plan hides what is older than 90 days; that deletes nothing."""
        old = workspace.say("C1", "long ago", MORNING - timedelta(days=30))
        workspace.say("C1", "now", MORNING)
        sync()
        workspace.delete("C1", old)
        assert sync(10).rows == 0
        assert sync(20, days=60).deleted == 1
        assert texts(bronze) == ["now"]

    def test_what_was_deleted_while_nothing_ran_is_seen(self, workspace: Workspace, sync: Sync) -> None:
        ts = workspace.say("C1", "gone by then", MORNING)
        sync()
        workspace.delete("C1", ts)
        assert sync(60 * 24 * 30).deleted == 1

    @pytest.mark.long  # test_to_gold.py goes the same way with pages
    def test_an_edit_and_a_deletion_reach_gold(
        self, app: App, workspace: Workspace, bronze: Bronze, sync: Sync, now: datetime, tmp_path: Path
    ) -> None:
        edited = workspace.say("C1", "pump 7 is hot", MORNING)
        deleted = workspace.say("C1", "the code is 1234", MORNING + timedelta(minutes=1), user="U2")
        sync()
        assert gold(app, bronze, tmp_path) == ([(2, 2)], [("pump 7 is hot|the code is 1234", None)])
        workspace.edit("C1", edited, "pump 9 is hot", MORNING + timedelta(hours=1))
        workspace.delete("C1", deleted)
        sync(10)
        later = now + timedelta(minutes=10)
        threads, documents = gold(app, bronze, tmp_path)
        assert threads == [(1, 1)]
        assert documents == [("pump 7 is hot|the code is 1234", later), ("pump 9 is hot", None)]


def gold(app: App, bronze: Bronze, folder: Path) -> tuple[list[Any], list[Any]]:
    build_warehouse(app.database_url, bronze, dbt_project=app.settings.dbt_project, work=folder / "dbt")
    with database.transaction(app.database_url) as connection:
        threads = connection.execute("select message_count, participant_count from gold.fct_message_threads").fetchall()
        documents = connection.execute("select text, valid_to from gold.documents order by recorded_at").fetchall()
    said = [
        ("|".join(line.partition(": ")[2] for line in str(text).splitlines()), valid_to) for text, valid_to in documents
    ]
    return threads, said


class TestRenamedChannels:
    def test_messages_move_to_the_new_name_and_none_is_doubled(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        workspace.say("C1", "before", MORNING)
        sync()
        workspace.channels["C1"].name = "operations"
        workspace.say("C1", "after", MORNING + timedelta(minutes=1))
        sync(10)
        assert {channel for channel, _ in live(bronze)} == {"operations"}
        assert texts(bronze) == ["before", "after"]
        assert list(conversations(bronze)) == ["operations/2026-10-30"]
        assert sync(20).rows == 0

    def test_two_channels_may_change_names_with_each_other_also_when_it_is_cut_off(
        self, workspace: Workspace, bronze: Bronze, sync: Sync, tmp_path: Path
    ) -> None:
        workspace.add_channel("C2", "dev")
        workspace.say("C1", "of C1", MORNING)
        workspace.say("C2", "of C2", MORNING)
        sync()
        workspace.channels["C1"].name, workspace.channels["C2"].name = "dev", "ops"
        documents = tmp_path / "bronze" / "documents"
        documents.rename(tmp_path / "aside")
        documents.write_bytes(b"in the way")  # the conversations cannot land, after the messages moved
        with pytest.raises(ObjectStoreUnavailable):
            sync(10)
        documents.unlink()
        (tmp_path / "aside").rename(documents)
        sync(20)
        assert {channel: row["text"] for (channel, _), row in live(bronze).items()} == {"dev": "of C1", "ops": "of C2"}
        assert conversations(bronze)["dev/2026-10-30"] == "[2026-10-30 08:00] Ana: of C1\n"

    def test_an_export_from_before_brings_nothing_back(
        self, workspace: Workspace, bronze: Bronze, sync: Sync, tmp_path: Path, now: datetime
    ) -> None:
        ts = workspace.say("C1", "before", MORNING)
        sync()
        workspace.channels["C1"].name = "operations"
        sync(10)
        line = {"channel": "ops", "message_id": ts, "ts": ts, "text": "before", "author": "Ana"}
        (tmp_path / "old.jsonl").write_text(json.dumps(line))
        assert ingest_chats(bronze, "default", tmp_path / "old.jsonl", now=now, source=SOURCE).rows == 0


class TestWhatFails:
    # The SDK leaves the reply open that it could not read to its end.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize(
        ("failure", "waited"),
        [
            (rate_limited(7), 7),
            (error("ratelimited"), 0.5),
            (Failure(503, "<html>busy</html>", {"Content-Type": "text/html"}), 0.5),
            (Failure(200, "<html>a proxy's page</html>", {"Content-Type": "text/html"}), 0.5),
            (Failure(behaviour="reset"), 0.5),
            (Failure(body={"ok": True, "messages": []}, behaviour="cut"), 0.5),
            (Failure(behaviour="silent", seconds=3), 0.5),
        ],
        ids=["429", "ratelimited", "503", "html", "reset", "cut", "silent"],
    )
    def test_what_passes_is_waited_for(
        self, failure: Failure, waited: float, workspace: Workspace, bronze: Bronze, sync: Sync, waits: list[float]
    ) -> None:
        workspace.say("C1", "hello", MORNING)
        workspace.fail("conversations.history", failure)
        sync()
        assert waits == [waited]
        assert texts(bronze) == ["hello"]

    def test_what_goes_on_too_long_ends_in_one_line_and_nothing_is_lost(
        self, workspace: Workspace, bronze: Bronze, sync: Sync, waits: list[float]
    ) -> None:
        workspace.say("C1", "hello", MORNING)
        workspace.fail("conversations.history", *[Failure(502)] * 3)
        with pytest.raises(OriginUnavailable, match=r"Slack does not answer .*502"):
            sync()
        assert len(waits) == 2
        sync(5)
        assert texts(bronze) == ["hello"]

    @pytest.mark.parametrize(
        ("code", "more", "sort", "text"),
        [
            ("invalid_auth", {}, OriginRefused, "set IOTOPS_SLACK_TOKEN"),
            ("token_revoked", {}, OriginRefused, "set IOTOPS_SLACK_TOKEN"),
            ("missing_scope", {"needed": "channels:history"}, OriginRefused, "the scope channels:history"),
            ("invalid_ts_oldest", {}, OriginUnavailable, "invalid_ts_oldest"),
        ],
    )
    def test_what_a_person_must_mend_is_said_in_one_line(
        self, code: str, more: dict[str, str], sort: type[IotopsError], text: str, workspace: Workspace, sync: Sync
    ) -> None:
        workspace.fail("conversations.history", error(code, **more))
        with pytest.raises(sort, match=text) as failed:
            sync()
        assert "\n" not in str(failed.value)
        assert TOKEN not in str(failed.value)

    def test_a_wrong_token_is_not_tried_again(self, workspace: Workspace, sync: Sync, waits: list[float]) -> None:
        with pytest.raises(OriginRefused):
            sync(token="xoxb-wrong")
        assert (workspace.methods(), waits) == (["auth.test"], [])

    def test_no_token_is_misuse(self, sync: Sync) -> None:
        with pytest.raises(Misused, match="IOTOPS_SLACK_TOKEN is not set"):
            sync(token=None)

    @pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found"])
    def test_one_channel_that_cannot_be_read_stops_no_other(
        self, code: str, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        workspace.add_channel("C2", "dev")
        workspace.say("C2", "hello", MORNING)
        workspace.fail("conversations.history", error(code))
        summary = sync()
        assert summary.reasons == {code: 1}
        assert texts(bronze) == ["hello"]
        workspace.say("C1", "later", MORNING)
        sync(10)
        assert sorted(texts(bronze)) == ["hello", "later"]

    def test_a_thread_that_vanishes_between_two_calls_is_no_failure(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        root = workspace.say("C1", "root", MORNING)
        workspace.say("C1", "answer", MORNING + timedelta(minutes=1), thread=root)
        workspace.fail("conversations.replies", error("thread_not_found"))
        sync()
        assert texts(bronze) == ["root"]
        sync(10)
        assert texts(bronze) == ["root", "answer"]

    def test_a_message_that_is_none_goes_to_quarantine_with_its_bytes(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        workspace.say("C1", "hello", MORNING)
        workspace.say("C1", "broken", MORNING, edited={"user": "U1", "ts": "soon"})
        assert sync().reasons == {"bad_timestamp": 1}
        (row,) = list_refused(bronze, "default")
        assert json.loads(bronze.objects.get("default", row["raw_sha256"]))["text"] == "broken"
        assert texts(bronze) == ["hello"]


class TestWhichChannels:
    def test_those_that_the_app_is_no_member_of_are_left_alone(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        workspace.add_channel("C2", "private-talk", is_member=False)
        workspace.say("C2", "secret", MORNING)
        workspace.say("C1", "hello", MORNING)
        sync()
        assert texts(bronze) == ["hello"]

    def test_only_those_that_were_named(self, workspace: Workspace, bronze: Bronze, sync: Sync) -> None:
        workspace.add_channel("C2", "dev")
        workspace.say("C1", "hello", MORNING)
        workspace.say("C2", "bye", MORNING)
        sync(channels=("#dev",))
        assert texts(bronze) == ["bye"]
        with pytest.raises(NotFound, match="no member of a public channel 'x', only of dev, ops"):
            sync(channels=("x",))

    def test_an_app_in_no_channel_is_told_so(self, workspace: Workspace, sync: Sync) -> None:
        workspace.channels["C1"].is_member = False
        with pytest.raises(NotFound, match="/invite"):
            sync()

    def test_bots_and_files_say_something_and_joins_do_not(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        workspace.say("C1", "<@U1> has joined the channel", MORNING, subtype="channel_join")
        attached = [{"fallback": "f", "title": "Alert", "text": "pump 7 hot"}]
        workspace.say("C1", "", MORNING, user=None, bot_id="B7", username="grafana", attachments=attached)
        workspace.say("C1", "see", MORNING, files=[{"id": "F1", "name": "plan.pdf", "title": "The plan"}])
        sync()
        assert {row["author"]: row["text"] for row in live(bronze).values()} == {
            "grafana": "Alert\npump 7 hot",
            "Ana": "see\n[file: The plan]",
        }

    def test_an_answer_that_went_to_the_channel_as_well_is_one_message(
        self, workspace: Workspace, bronze: Bronze, sync: Sync
    ) -> None:
        root = workspace.say("C1", "root", MORNING)
        workspace.say("C1", "to all", MORNING + timedelta(minutes=1), thread=root, subtype="thread_broadcast")
        sync()
        assert texts(bronze) == ["root", "to all"]
        assert list(conversations(bronze)) == [f"ops/{root}"]


def test_the_pages_are_kept_before_their_messages_are_known(
    workspace: Workspace, bronze: Bronze, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails on the page leaves no message behind that names it."""
    workspace.say("C1", "hello", MORNING)

    def fail(_self: ObjectStore, _tenant_id: str, _data: bytes) -> str:
        raise ObjectStoreUnavailable("here", "full")

    with monkeypatch.context() as during:
        during.setattr(type(bronze.objects), "put", fail)
        with pytest.raises(ObjectStoreUnavailable):
            sync()
    assert live(bronze) == {}
    sync(10)
    assert texts(bronze) == ["hello"]
