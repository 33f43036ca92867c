import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.payloads import cut_records, sort_payloads
from lakehouse.sources.readings import Origin

ORIGIN = Origin("acme", "http", "0" * 64, datetime(2026, 11, 1, 12, tzinfo=UTC))


def reading(**others: Any) -> bytes:
    row = {"device_id": "pump-07", "metric": "pressure_bar", "ts": "2026-11-01T00:00:00Z", "value": 1.5}
    return json.dumps(row | others).encode()


def codes(*payloads: bytes) -> dict[int, str]:
    return {row["record"]: row["code"] for row in sort_payloads(payloads, ORIGIN).refused.to_pylist()}


class TestCuttingABody:
    def test_elements_of_an_array_stay_as_they_were_sent(self) -> None:
        assert cut_records(' [ {"a": "é"} ,\n3, [1] ] '.encode()) == ['{"a": "é"}'.encode(), b"3", b"[1]"]

    def test_lines_are_records_and_blank_ones_are_none(self) -> None:
        assert cut_records(b'\xef\xbb\xbf{"a": 1}\n\n{"b": 2}\r\n') == [b'{"a": 1}', b'{"b": 2}\r']

    def test_one_object_may_be_written_over_several_lines(self) -> None:
        assert cut_records(b'{\n "a": 1\n}\n') == [b'{\n "a": 1\n}']

    def test_an_empty_array_is_a_list_of_nothing(self) -> None:
        assert cut_records(b"[]") == []

    @pytest.mark.parametrize("body", [b"[1", b"[", b"[1,]", b"[1] x", b"[,1]", b"[" * 100_000])
    def test_what_is_no_array_is_refused_whole(self, body: bytes) -> None:
        with pytest.raises(BadRecord, match="none of it was taken"):
            cut_records(body)

    @pytest.mark.parametrize(("body", "code"), [(b"", "empty"), (b" \n", "empty"), (b"\xff", "not_utf8")])
    def test_a_body_without_text_is_refused(self, body: bytes, code: str) -> None:
        with pytest.raises(BadRecord) as refused:
            cut_records(body)
        assert refused.value.code == code


class TestSortingPayloads:
    def test_each_payload_becomes_a_reading_an_event_or_a_refusal(self) -> None:
        found = sort_payloads([reading(), reading(event_type="restarted"), b"nothing"], ORIGIN)
        assert found.readings["row_number"].to_pylist() == [1]
        assert found.events["row_number"].to_pylist() == [2]
        assert found.refused["record"].to_pylist() == [3]

    def test_a_payload_may_hold_line_breaks(self) -> None:
        found = sort_payloads([json.dumps(json.loads(reading()), indent=1).encode(), reading()], ORIGIN)
        assert found.readings["row_number"].to_pylist() == [1, 2]

    @pytest.mark.parametrize(
        "poison",
        [
            b"",
            b" ",
            b"\xff\xfe",
            b'"\xc3\x28"',
            b"null",
            b"3",
            b"[[[",
            b"[" * 200_000,
            b'{"a":' * 200_000,
            b'{"value": ' + b"9" * 400 + b"}",
            b"x" * ((1 << 20) + 1),
            b'{"device_id": "\\ud800", "metric": 3}',
            b'{"device_id": {"a": 1}, "metric": "m", "ts": "2026-11-01", "value": 1}',
        ],
        ids=lambda poison: repr(poison[:12]),
    )
    def test_a_bad_payload_is_refused_alone(self, poison: bytes) -> None:
        found = sort_payloads([reading(), poison, reading(value=2)], ORIGIN)
        assert found.readings["row_number"].to_pylist() == [1, 3]
        assert found.refused["record"].to_pylist() == [2]

    def test_a_payload_of_another_tenant_is_refused(self) -> None:
        assert codes(reading(tenant_id="acme"), reading(tenant_id="globex"), reading()) == {2: "other_tenant"}

    def test_events_of_another_tenant_are_refused_as_well(self) -> None:
        found = sort_payloads([reading(tenant_id="globex", event_type="restarted")], ORIGIN)
        assert found.events.num_rows == 0
        assert found.refused["code"].to_pylist() == ["other_tenant"]

    def test_a_schema_that_is_not_known_is_refused(self) -> None:
        assert codes(reading(schema=1), reading(schema=2), reading(schema="1")) == {2: "unknown_schema"}

    def test_every_payload_is_accounted_for_once(self) -> None:
        payloads = [reading(tenant_id="globex", schema=2), reading(tenant_id="globex", ts="never"), reading()]
        found = sort_payloads(payloads, ORIGIN)
        assert found.rows == len(payloads)
        assert sorted(found.refused["record"].to_pylist()) == [1, 2]
