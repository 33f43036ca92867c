"""The truth is held against the files, by means that did not make it."""

import html
import json
import re
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.truth.writer import build_questions
from simulator.world import build_world

FIELDS = ["id", "tenant_id", "kind", "question", "context", "expected", "evidence", "now", "as_of"]
EXPECTED = ["contains", "not_contains", "value", "tolerance", "unit", "abstain"]


def passages(questions) -> list[dict]:
    found = [item for question in questions for item in question["evidence"] if "file" in item]
    assert found
    return found


def aggregates(questions) -> list[tuple[dict, dict]]:
    found = [(q, item["aggregate"]) for q in questions for item in q["evidence"] if "aggregate" in item]
    assert found
    return found


def readable(path: Path) -> str:
    """The text of a file as a reader sees it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            rows = [row for name in archive.namelist() if "/" in name for row in json.loads(archive.read(name))]
        return "\n".join(html.unescape(row["text"]) for row in rows)
    if path.suffix == ".jsonl":
        return "\n".join(json.loads(line)["text"] for line in path.read_text("utf-8").splitlines())
    text = path.read_text("utf-8")
    return html.unescape(re.sub(r"<[^>]+>", "\n", text)) if path.suffix == ".html" else text


def test_each_kind_of_question_is_asked_of_each_tenant(simulated) -> None:
    counts = Counter((question["tenant_id"], question["kind"]) for question in simulated.questions)
    kinds = ("lookup", "troubleshoot", "telemetry", "three-source", "version-dependent", "unanswerable")
    assert set(counts) == {(tenant, kind) for tenant in ("acme", "globex") for kind in kinds}
    assert min(counts.values()) >= 4
    assert 60 <= len(simulated.questions) <= 85


def test_a_question_holds_the_agreed_fields(simulated) -> None:
    assert {tuple(question) for question in simulated.questions} == {tuple(FIELDS)}
    assert {tuple(question["expected"]) for question in simulated.questions} == {tuple(EXPECTED)}
    assert len({question["id"] for question in simulated.questions}) == len(simulated.questions)


def test_every_quote_equals_the_bytes_at_its_offsets(simulated) -> None:
    exact = [item for item in passages(simulated.questions) if item["byte_start"] is not None]
    assert {Path(item["file"]).suffix for item in exact} == {".md", ".txt"}
    for item in exact:
        data = (simulated.out / item["file"]).read_bytes()
        assert data[item["byte_start"] : item["byte_end"]].decode() == item["quote"]


def test_a_quote_without_offsets_stands_in_the_text_of_its_file(simulated) -> None:
    loose = [item for item in passages(simulated.questions) if item["byte_start"] is None]
    assert {Path(item["file"]).suffix for item in loose} == {".html", ".zip", ".jsonl"}
    for item in loose:
        assert item["quote"] in readable(simulated.out / item["file"])


def test_evidence_lies_in_the_files_of_the_tenant_or_of_the_public(simulated) -> None:
    for question in simulated.questions:
        owners = {item["file"].split("/")[0] for item in question["evidence"] if "file" in item}
        assert owners <= {question["tenant_id"], "public"}


def test_every_aggregate_is_what_the_rows_in_the_files_give(simulated) -> None:
    functions = set()
    for question, item in aggregates(simulated.questions):
        functions.add(item["function"])
        assert recomputed(simulated, question["tenant_id"], item) == (
            pytest.approx(item["value"], abs=1e-6),
            item["winner"],
        )
        if question["expected"]["value"] is not None:
            assert question["expected"]["value"] == item["value"]
        else:
            assert item["winner"] in question["expected"]["contains"]
    assert functions >= {"average", "maximum", "count", "device_of_maximum"}


def recomputed(simulated, tenant_id: str, item: dict) -> tuple[float, str | None]:
    start, end = (datetime.fromisoformat(item[name]) for name in ("from", "to"))
    if item["function"] == "count_events":
        found = [
            event
            for event in simulated.events
            if (event["tenant_id"], event["device_id"], event["event_type"])
            == (tenant_id, item["device_id"], item["metric"])
            and start <= event["ts"] < end
        ]
        return len(found), None
    rows = [
        r
        for r in simulated.readings
        if r.tenant_id == tenant_id
        and r.metric == item["metric"]
        and start <= r.ts < end
        and item["device_id"] in (None, r.device_id)
        and item["site"] in (None, r.site)
        and item["model"] in (None, r.model)
    ]
    assert rows
    values = [r.value for r in rows]
    if item["function"].startswith("device_of_"):
        extreme = max(values) if item["function"] == "device_of_maximum" else min(values)
        (winner,) = {r.device_id for r in rows if r.value == extreme}
        return extreme, winner
    if item["function"] == "last":
        return max(rows, key=lambda r: r.ts).value, None
    return {
        "average": sum(values) / len(values),
        "minimum": min(values),
        "maximum": max(values),
        "count": len(values),
    }[item["function"]], None


def test_what_an_answer_must_hold_stands_in_its_evidence_and_what_it_must_not_hold_does_not(simulated) -> None:
    for question in simulated.questions:
        quotes = " ".join(
            item.get("quote", "") or item.get("aggregate", {}).get("winner") or "" for item in question["evidence"]
        )
        for text in question["expected"]["contains"]:
            assert text in quotes or asks_who(simulated, question, text), question["question"]
        for text in question["expected"]["not_contains"]:
            assert text not in quotes
            assert not [one for one in question["expected"]["contains"] if text in one or one in text]


def asks_who(simulated, question, name: str) -> bool:
    """Who wrote a message stands beside it, not in it."""
    (item,) = question["evidence"]
    path = simulated.out / item["file"]
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return any(item["quote"] in row["text"] and name in row["author"] for row in rows)
    with zipfile.ZipFile(path) as archive:
        users = {user["id"]: user["real_name"] for user in json.loads(archive.read("users.json"))}
        rows = [row for part in archive.namelist() if "/" in part for row in json.loads(archive.read(part))]
    return any(item["quote"] in row["text"] and name in users[row["user"]] for row in rows)


def test_no_question_repeats_the_sentence_that_answers_it(simulated) -> None:
    for question in simulated.questions:
        asked = set(re.findall(r"\w+", question["question"].lower()))
        for item in question["evidence"]:
            told = set(re.findall(r"\w+", item.get("quote", "").lower()))
            assert len(asked & told) <= 0.8 * len(asked)
        for text in question["expected"]["contains"]:
            assert text.lower() not in question["question"].lower()


def test_one_question_about_two_devices_on_different_firmware_has_two_answers(simulated) -> None:
    twins: dict[str, list[dict]] = {}
    for question in simulated.of_kind("version-dependent"):
        if device := question["context"]["device_id"]:
            twins.setdefault(question["tenant_id"] + question["question"].replace(device, "…"), []).append(question)
    assert len(twins) >= 4
    for pair in twins.values():
        assert len({question["context"]["version"] for question in pair}) == 2
        assert len({tuple(question["expected"]["contains"]) for question in pair}) == 2


def test_a_version_dependent_question_knows_the_firmware_that_the_last_reading_tells(simulated) -> None:
    for question in simulated.of_kind("version-dependent"):
        if device := question["context"]["device_id"]:
            rows = [r for r in simulated.readings if (r.tenant_id, r.device_id) == (question["tenant_id"], device)]
            last = max(rows, key=lambda r: r.ts)
            assert (question["context"]["product"], question["context"]["version"]) == (last.model, last.firmware)


def test_a_three_source_question_has_evidence_from_telemetry_a_chat_and_a_document(simulated) -> None:
    for question in simulated.of_kind("three-source"):
        files = [item["file"].split("/")[1] for item in question["evidence"] if "file" in item]
        assert [item for item in question["evidence"] if "aggregate" in item]
        assert sorted(files) == ["chats", "documents"]
        assert question["expected"]["value"] is not None
        assert len(question["expected"]["contains"]) == 2


def test_only_unanswerable_questions_expect_abstention(simulated) -> None:
    for question in simulated.questions:
        assert question["expected"]["abstain"] == (question["kind"] == "unanswerable") == (question["evidence"] == [])


def test_topics_that_nobody_can_answer_are_absent_from_all_files(simulated) -> None:
    texts = [readable(path) for folder in ("documents", "chats") for path in simulated.out.glob(f"*/{folder}/**/*.*")]
    assert len(texts) > 30
    everything = "\n".join(texts).lower()
    for word in ("bacnet", "warranty", "price", "costs", "explosion", "sap", "modbus", "proxy", "bluetooth"):
        assert not re.search(rf"\b{word}\b", everything), word


def test_what_only_the_neighbour_knows_is_in_no_file_of_the_tenant(world, simulated) -> None:
    for tenant, other in (("acme", "globex"), ("globex", "acme")):
        own = [
            readable(path) for part in ("documents", "chats") for path in simulated.out.glob(f"{tenant}/{part}/**/*.*")
        ]
        own += [path.read_text("utf-8") for path in simulated.out.glob("public/documents/**/*.*")]
        text = "\n".join(own)
        assert not [
            one.cause_key
            for one in world.incidents
            if one.tenant_id == other and one.kind != "bad_firmware" and one.cause_key in text
        ]
        assert not [person.name for person in world.fleet.tenant(other).people.values() if person.name in text]
        foreign = {device.device_id for device in world.fleet.of(other)} - {d.device_id for d in world.fleet.of(tenant)}
        assert foreign
        assert not [device_id for device_id in foreign if device_id in text]


@pytest.mark.parametrize("seed", range(1, 9))
def test_any_seed_gives_a_usable_set(seed: int) -> None:
    end = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=seed)
    sizes = ((14, 24), (7, 24), (10, 31), (30, 60))
    days, devices = sizes[seed % len(sizes)]
    world = build_world(seed=seed, end=end, days=days, devices=devices, interval_minutes=120)
    questions = [question.to_json(name, end) for name, question in build_questions(world)]
    texts = {document.path: document.text.encode() for document in world.documents}
    assert 60 <= len(questions) <= 85
    assert len({(question["tenant_id"], question["question"]) for question in questions}) == len(questions)
    for item in passages(questions):
        if item["byte_start"] is not None:
            assert texts[item["file"]][item["byte_start"] : item["byte_end"]].decode() == item["quote"]
    for question in questions:
        for text in question["expected"]["not_contains"]:
            assert not [item for item in question["evidence"] if text in item.get("quote", "")]
