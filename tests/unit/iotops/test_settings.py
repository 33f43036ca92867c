import re
from pathlib import Path

import pytest

from iotops.settings import REPOSITORY, child_environment, read_settings
from lakehouse.errors import Misused


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    listed = set(re.findall(r"^(IOTOPS_\w+)=", (REPOSITORY / ".env.example").read_text(), re.M))
    read = set(re.findall(r"\bIOTOPS_\w+", (REPOSITORY / "iotops" / "settings.py").read_text()))
    assert listed == read != set()


def test_the_defaults_in_the_example_are_the_defaults() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line.startswith("IOTOPS_"))
    assert read_settings(example) == read_settings({})


def test_everything_lies_under_the_home_unless_named(tmp_path: Path) -> None:
    settings = read_settings({"IOTOPS_HOME": str(tmp_path)})
    assert settings.database_url is None
    assert settings.bronze_url == f"file://{tmp_path}/bronze"
    assert settings.inbox == tmp_path / "inbox"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IOTOPS_BRONZE_URL", "ftp://x"),
        ("IOTOPS_DATABASE_URL", "mysql://x"),
        ("IOTOPS_API_PORT", "http"),
        ("IOTOPS_UI_PORT", "70000"),
        ("IOTOPS_HOT_DAYS", "a week"),
        ("IOTOPS_HOT_DAYS", "0"),
        ("IOTOPS_WARM_DAYS", "30"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(Misused, match=name):
        read_settings({name: value})


def test_a_child_process_reads_the_same_settings(tmp_path: Path) -> None:
    told = {"IOTOPS_API_PORT": "9001", "IOTOPS_HOT_DAYS": "30", "IOTOPS_WARM_DAYS": "60"}
    settings = read_settings({"IOTOPS_HOME": str(tmp_path), **told})
    assert read_settings(child_environment(settings, environ={"PATH": "/bin"})) == settings


def test_delta_keeps_no_fewer_days_than_postgres() -> None:
    days = {"IOTOPS_HOT_DAYS": "30", "IOTOPS_WARM_DAYS": "30"}
    assert (read_settings(days).hot_days, read_settings(days).warm_days) == (30, 30)
    with pytest.raises(Misused, match="IOTOPS_WARM_DAYS is 29 and IOTOPS_HOT_DAYS 30"):
        read_settings({**days, "IOTOPS_WARM_DAYS": "29"})
