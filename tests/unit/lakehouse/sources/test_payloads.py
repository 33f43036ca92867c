import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.payload_parsing import parse_payloads
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


class TestPayloadsBesideOthers:
    """Read again after a crash, a payload has other neighbours, and must go where it went."""

    def test_each_sender_may_spell_the_fields_as_it_likes(self) -> None:
        other = (
            b'{"Time": "2026-11-01T00:00:00Z", "sensor_id": "d9", "Measurement": "m", "reading": 4, "location": "x"}'
        )
        found = sort_payloads([reading(), other, reading(), other], ORIGIN)
        assert found.refused.num_rows == 0
        assert sorted(found.readings["row_number"].to_pylist()) == [1, 2, 3, 4]
        spelt = {row["row_number"]: row for row in found.readings.to_pylist()}
        assert (spelt[4]["device_id"], spelt[4]["value"], spelt[4]["site"]) == ("d9", 4.0, "x")

    def test_objects_without_any_known_field_are_refused_and_not_forgotten(self) -> None:
        assert codes(b"{}", b'{"a": 1}', reading(), b'{"event_type": "x", "b": 2}') == {
            1: "missing_device",
            2: "missing_device",
            4: "bad_timestamp",
        }

    def test_events_between_readings_keep_the_attributes_of_their_own(self) -> None:
        events = [reading(event_type="alarm", **{f"k{n}": n}) for n in range(3)]
        found = sort_payloads([event for event in events for event in (reading(), event)], ORIGIN)
        assert found.events["row_number"].to_pylist() == [2, 4, 6]
        assert [set(json.loads(text)) - {"value", "metric"} for text in found.events["attributes"].to_pylist()] == [
            {"k0"},
            {"k1"},
            {"k2"},
        ]

    def test_one_poison_among_many_costs_no_other(self) -> None:
        payloads = [reading(value=n) for n in range(3000)]
        payloads[1234] = b'{"device_id": '
        found = sort_payloads(payloads, ORIGIN)
        assert found.refused["record"].to_pylist() == [1235]
        assert sorted(found.readings["value"].to_pylist()) == [float(n) for n in range(3000) if n != 1234]

    def test_names_that_are_made_up_for_each_message_do_not_become_columns(self) -> None:
        payloads = [reading(**{f"x{n}_{m}": m for m in range(20)}) for n in range(2000)]
        wide = reading(**{f"y{n}": n for n in range(50_000)})
        before = pa.total_allocated_bytes()
        found = sort_payloads([*payloads, wide], ORIGIN)
        assert found.readings.num_rows == 2001
        assert pa.total_allocated_bytes() - before < 20_000_000
        assert len(parse_payloads([*payloads, wide])[0].columns.column_names) < 20
