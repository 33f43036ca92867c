from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import BadRecord
from lakehouse.sources.text import check_text_file, decode


def judge_bytes(data: bytes) -> str | None:
    try:
        decode(data)
    except BadRecord as refused:
        return f"{refused.code}: {refused.reason}"
    return None


def judge_file(data: bytes, path: Path, block_size: int = 8) -> str | None:
    path.write_bytes(data)
    try:
        check_text_file(path, block_size)
    except BadRecord as refused:
        return f"{refused.code}: {refused.reason}"
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"")) | st.text(max_size=20).map(str.encode))
def test_a_file_is_judged_as_its_bytes_are_whatever_the_block_size(data: bytes, tmp_path: Path) -> None:
    assert judge_file(data, tmp_path / "file") == judge_bytes(data)


def test_a_character_may_span_two_blocks(tmp_path: Path) -> None:
    assert judge_file("aa€bb€".encode(), tmp_path / "file", block_size=3) is None


def test_a_character_cut_off_at_the_end_is_found(tmp_path: Path) -> None:
    reason = "byte 2 (0xe2) is not UTF-8 text: save the file as UTF-8"
    assert judge_file("aa€".encode()[:-1], tmp_path / "file") == f"not_utf8: {reason}"


def test_a_zero_byte_is_found_where_it_stands(tmp_path: Path) -> None:
    reason = "its name promises text, but it holds binary data (a zero byte at byte 20)"
    assert judge_file(b"x" * 20 + b"\0", tmp_path / "file") == judge_bytes(b"x" * 20 + b"\0") == f"binary: {reason}"
