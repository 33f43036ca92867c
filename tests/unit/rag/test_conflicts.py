from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rag.candidates import Candidate, candidates
from rag.conflicts import Stated, contradicting, find_conflict, in_force, in_order
from rag.replacements import find_replacements
from rag.retriever import Hit
from rag.version_order import version_key

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def hit(text: str, version: str, kind: str = "manual", heading: str = "Alarms") -> Hit:
    published = datetime(2025, int(version[0]), 1, tzinfo=UTC)
    return Hit(
        tenant_id="public", chunk_id=f"{kind} {version} {text}", document_id=f"{kind} {version}", ordinal=0, kind=kind,
        title=f"P-200 {kind}", heading_path=(heading,), lead="", text=text, object_sha256="0" * 64, byte_start=0,
        byte_end=len(text.encode()), product="P-200", version_from=version, version_to=None,
        version_key=version_key(version), valid_from=published, valid_to=None, recorded_at=WHEN,
        classification="internal", url=None, cosine=0.0, lexical=0.0, score=1.0,
    )  # fmt: skip


def first(of: Hit) -> Candidate:
    return candidates(of, 0)[0]


def nothing(query: str, of: Hit) -> Sequence[Hit]:
    return []


def test_a_value_that_changed_is_told_with_what_it_was_and_since_when() -> None:
    said = {version: f"The pump stops at {limit} °C." for version, limit in (("1.0", 75), ("2.0", 80), ("3.0", 80))}
    note = hit("The pump now stops at 80 °C.", "2.0", "release_note")
    conflict = find_conflict(
        Stated(first(hit(said["3.0"], "3.0")), None),
        [],
        lambda _query, _of: [hit(said["1.0"], "1.0"), hit(said["2.0"], "2.0")],
        lambda _query, of: [note] if of.version == "2.0" else [],
        nothing,
    )
    assert conflict is not None
    assert (conflict.current, conflict.previous) == (said["3.0"], said["1.0"])
    assert (conflict.since, conflict.since_date) == ("2.0", "2025-02-01")
    receipts = [(backs, c.version, c.quote) for backs, c in zip(conflict.backs, conflict.citations, strict=True)]
    assert receipts == [
        ("current", "3.0", said["3.0"]),
        ("previous", "1.0", said["1.0"]),
        ("since", "2.0", "The pump now stops at 80 °C."),
    ]


def test_a_code_that_stands_for_something_else_by_now_is_compared_with_itself() -> None:
    now = "The unit reports P-126 if the magnetic mount has come loose."
    before = (
        "The unit reports P-127 if the magnetic mount has come loose. The unit reports P-126 if the head is silent."
    )
    conflict = find_conflict(
        Stated(first(hit(now, "2.0")), None), [], lambda _query, _of: [hit(before, "1.0")], nothing, nothing
    )
    assert conflict is not None
    assert (conflict.current, conflict.previous) == (now, "The unit reports P-126 if the head is silent.")


def test_a_command_whose_parts_are_words_of_the_former_one_is_another_command() -> None:
    said = "{} prints all settings with their present values."
    now, before = said.format("show-config"), said.format("config list")
    conflict = find_conflict(
        Stated(first(hit(now, "2.0")), None), [], lambda _query, _of: [hit(before, "1.0")], nothing, nothing
    )
    assert conflict is not None
    assert (conflict.current, conflict.previous) == (now, before)


def test_a_statement_that_stayed_or_was_only_reworded_is_no_conflict() -> None:
    now = Stated(first(hit("The pump stops at 80 °C when it is too hot.", "3.0")), None)
    for before in ("The pump stops at 80 °C when it is too hot.", "The pump stops at 80 °C if it is too hot."):
        hits = [hit(before, "2.0")]
        assert find_conflict(now, [], lambda _query, _of, hits=hits: hits, nothing, nothing) is None  # type: ignore[misc]


def test_statements_under_another_heading_are_not_compared() -> None:
    now = Stated(first(hit("It waits 30 seconds.", "3.0")), None)
    other = hit("It waits 90 seconds.", "2.0", heading="Pairing")
    assert find_conflict(now, [], lambda _query, _of: [other], nothing, nothing) is None


def test_a_release_note_is_compared_through_the_manual_of_its_release() -> None:
    note = hit("The pairing window stays open for 130 seconds.", "3.0", "release_note", "Changed")
    manual = {v: f"Press the key twice; it can be found for {s} seconds." for v, s in (("2.0", 200), ("3.0", 130))}
    conflict = find_conflict(
        Stated(first(note), None),
        [],
        lambda _query, _of: [hit(manual["2.0"], "2.0")],
        nothing,
        lambda _query, _of: [hit(manual["3.0"], "3.0")],
    )
    assert conflict is not None
    assert (conflict.current, conflict.previous, conflict.since) == (note.text, manual["2.0"], "3.0")


def test_a_page_that_its_own_changelog_contradicts_gives_way_to_the_changelog() -> None:
    statement = hit("`--confdir` is replaced by `--configDir` in 3.0.", "3.1")
    page = first(hit("Set `--confdir` to the folder.", "3.1"))
    (replacement,) = find_replacements([statement])
    old = hit("`--confdir` names the folder.", "2.3")
    conflict = find_conflict(Stated(page, replacement), [replacement], lambda _query, _of: [old], nothing, nothing)
    assert conflict is not None
    assert (conflict.previous, conflict.since) == ("--confdir names the folder.", "3.0")
    assert "replaced by" in conflict.current


def test_of_two_passages_in_force_that_contradict_the_newer_release_is_current() -> None:
    manual = first(hit("A keep-alive message is sent every 55 seconds.", "3.0"))
    note = first(hit("The keep-alive message is sent every 35 seconds by default.", "4.0", "release_note"))
    other = first(hit("The display goes off after 35 seconds.", "4.0", "release_note"))
    assert contradicting([note, other], manual) == [note]
    assert in_order(manual, note) == in_order(note, manual)
    assert in_order(manual, note).current == note.unit.text


def test_what_speaks_of_other_releases_is_not_in_force() -> None:
    before = first(hit("Before 3.0, the default was 7.", "3.1"))
    assert not in_force(before, None)
    assert in_force(before, "2.3")
    assert in_force(replace(before, unit=replace(before.unit, text="The default is 7.")), "3.1")
