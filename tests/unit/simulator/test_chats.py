import json
import re
import zipfile
from datetime import UTC, datetime

import pytest


@pytest.fixture(scope="module")
def slack(simulated) -> dict:
    with zipfile.ZipFile(simulated.out / "acme" / "chats" / "slack-export.zip") as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


@pytest.fixture(scope="module")
def lines(simulated) -> list[dict]:
    text = (simulated.out / "globex" / "chats" / "chat.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def messages(slack: dict) -> list[dict]:
    return [message for name, rows in slack.items() if "/" in name for message in rows]


def test_the_slack_export_names_its_channels_and_files_each_message_under_its_day(slack: dict) -> None:
    names = {channel["name"] for channel in slack["channels.json"]}
    days = [name for name in slack if "/" in name]
    assert {name.split("/")[0] for name in days} == names
    for name in days:
        day = name.split("/")[1].removesuffix(".json")
        assert {f"{datetime.fromtimestamp(float(row['ts']), UTC):%Y-%m-%d}" for row in slack[name]} == {day}


def test_a_message_time_is_unique_within_its_channel(slack: dict) -> None:
    for channel in {name.split("/")[0] for name in slack if "/" in name}:
        times = [row["ts"] for name, rows in slack.items() if name.startswith(f"{channel}/") for row in rows]
        assert len(times) == len(set(times))


def test_the_first_message_of_a_thread_counts_its_replies_and_each_reply_points_back(slack: dict) -> None:
    rows = messages(slack)
    parents = [row for row in rows if "reply_count" in row]
    assert len(parents) >= 6
    for parent in parents:
        replies = [row for row in rows if row.get("thread_ts") == parent["ts"] and row is not parent]
        assert parent["thread_ts"] == parent["ts"]
        assert parent["reply_count"] == len(replies) == len(parent["replies"])
        assert {row["parent_user_id"] for row in replies} == {parent["user"]}
        assert parent["latest_reply"] == max(replies, key=lambda row: float(row["ts"]))["ts"]
        assert set(parent["reply_users"]) == {row["user"] for row in replies}
    assert {row["thread_ts"] for row in rows if "thread_ts" in row} == {row["ts"] for row in parents}


def test_people_are_mentioned_by_an_id_that_the_export_resolves(slack: dict) -> None:
    users = {user["id"] for user in slack["users.json"]}
    mentioned = {user for row in messages(slack) for user in re.findall(r"<@(\w+)>", row["text"])}
    assert mentioned
    assert mentioned | {row["user"] for row in messages(slack)} <= users
    assert not [row for row in messages(slack) if re.search(r"@[a-z]+\.[a-z]+", row["text"])]


def test_json_lines_have_the_agreed_fields_and_unique_ids(lines: list[dict]) -> None:
    assert {tuple(row) for row in lines} == {("channel", "message_id", "thread_id", "author", "ts", "text")}
    assert len({row["message_id"] for row in lines}) == len(lines) > 50
    assert {row["thread_id"] is None for row in lines} == {True, False}


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_each_incident_is_discussed_by_name_with_its_cause_after_it_showed(world, tenant: str) -> None:
    for incident in (one for one in world.incidents if one.tenant_id == tenant):
        talk = world.talk(incident)
        text = " ".join(message.text for message in talk.messages)
        assert incident.device.device_id in text
        assert incident.cause_key in talk.quote("cause")
        assert incident.fix_key in (talk.quote("fixed_by") if incident.kind == "bad_firmware" else talk.quote("fix"))
        assert incident.start < talk.messages[0].ts
        times = [message.ts for message in talk.messages]
        assert times == sorted(times)
        assert times[-1] < world.fleet.end


def test_a_repair_is_told_about_when_the_telemetry_shows_it(world) -> None:
    for incident in world.incidents:
        if incident.kind != "bad_firmware":
            said = next(message.ts for message in world.talk(incident).messages if "fix" in message.marks)
            assert 0 <= (said - incident.end).total_seconds() < 600


def test_most_talk_is_about_nothing_that_anyone_will_ask(world) -> None:
    small = [one for one in world.conversations if one.incident is None]
    keys = [key for incident in world.incidents for key in (incident.cause_key, incident.fix_key)]
    assert len(small) > len(world.incidents)
    assert not [one for one in small for message in one.messages for key in keys if key and key in message.text]


def test_nobody_speaks_in_the_chat_of_the_other_tenant(world, lines: list[dict], slack: dict) -> None:
    acme, globex = ({person.name for person in tenant.people.values()} for tenant in world.fleet.tenants)
    assert {row["author"] for row in lines} <= globex
    assert {user["real_name"] for user in slack["users.json"]} == acme
