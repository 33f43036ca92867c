"""Policies are tests: what the layout, the environment and the documents promise."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
PYTHON = [name for name in TRACKED if name.endswith(".py") and not name.startswith("tests/")]
MARKDOWN = [name for name in TRACKED if name.endswith(".md") and not name.startswith(("simulator/", "tests/"))]
COMMANDS = re.compile(r"^\s*(?:\$ )?((?:\.venv/bin/)?iotops|make) ([a-z][^\n]*)", re.M)


def test_every_top_level_package_is_named_in_the_import_contract() -> None:
    packages = {name.split("/")[0] for name in PYTHON if name.endswith("__init__.py")} - {"tests"}
    config = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert packages == set(config["tool"]["importlinter"]["root_packages"])


def test_only_the_settings_read_the_environment() -> None:
    readers = [name for name in PYTHON if re.search(r"os\.environ|getenv\(", (REPOSITORY / name).read_text())]
    assert readers == ["iotops/settings.py"]


def test_the_dbt_folder_holds_no_python() -> None:
    assert [name for name in TRACKED if name.startswith("dbt/") and name.endswith(".py")] == []


def test_the_locks_name_no_host() -> None:
    for lock in ("setup.txt", "runtime.txt", "dev.txt"):
        assert "://" not in (REPOSITORY / "requirements" / lock).read_text()


def test_no_file_is_over_a_megabyte() -> None:
    assert [name for name in TRACKED if (REPOSITORY / name).stat().st_size > 1_000_000] == []


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_path_that_a_document_names_exists(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    linked = [target.split("#")[0] for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)]
    quoted = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|sql|yml|toml|txt|sh)|[a-z_]+/(?:[\w-]+/)*)`", text)
    here = (REPOSITORY / name).parent
    missing = [path for path in linked if path and not (here / path).exists()]
    missing += [path for path in quoted if not (REPOSITORY / path).exists() and not (here / path).exists()]
    assert missing == []


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_command_that_a_document_gives_exists(name: str) -> None:
    from typer.main import get_command

    from iotops.cli.main import app

    makefile = (REPOSITORY / "Makefile").read_text()
    for program, rest in COMMANDS.findall((REPOSITORY / name).read_text()):
        words = rest.split()
        if program == "make":
            assert re.search(rf"^{re.escape(words[0])}:", makefile, re.M), f"make {words[0]}"
            continue
        command = get_command(app)
        for word in words:
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, f"iotops {rest}"
            command = command.commands[word]
