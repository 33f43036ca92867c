from lakehouse.quarantine import Refusal
from lakehouse.summary import IngestSummary

REFUSAL = Refusal("folder:/x", "a.md", "empty", "the file is empty", "0" * 64, 0)


def test_one_line_says_what_happened() -> None:
    summary = IngestSummary("documents", read=259, landed=257, reasons={"empty": 1, "not_utf8": 1})
    assert summary.describe() == "documents: 259 read, 257 landed, 0 unchanged, 2 quarantined (empty 1, not_utf8 1)"


def test_what_did_not_happen_is_not_mentioned() -> None:
    assert IngestSummary("chats").describe() == "chats: 0 read, 0 landed, 0 unchanged, 0 quarantined"
    full = IngestSummary("telemetry", read=3, landed=1, deleted=4, ignored=5, rows=600)
    assert full.describe() == "telemetry: 3 read, 1 landed (600 rows), 0 unchanged, 4 deleted, 5 ignored, 0 quarantined"


def test_summaries_add_up() -> None:
    first = IngestSummary("documents", read=2, landed=1, unchanged=0, reasons={"empty": 1}, refused=(REFUSAL,))
    second = IngestSummary("documents", read=3, landed=1, unchanged=1, deleted=1, reasons={"binary": 1, "empty": 1})
    total = first + second
    assert (total.read, total.landed, total.unchanged, total.deleted, total.quarantined) == (5, 2, 1, 1, 3)
    assert total.reasons == {"binary": 1, "empty": 2}
    assert total.refused == (REFUSAL,)


def test_json_holds_the_counts_and_the_first_refusals() -> None:
    body = IngestSummary("documents", read=1, reasons={"empty": 1}, refused=(REFUSAL,)).to_json()
    assert body["quarantined"] == 1
    assert body["reasons"] == {"empty": 1}
    assert body["refused"][0]["reason"] == "the file is empty"
