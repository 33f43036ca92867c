from pathlib import Path

import pytest

from lakehouse.dbt_process import dbt_environment, hash_project


def test_dbt_is_told_of_a_socket_as_of_a_host(tmp_path: Path) -> None:
    environment = dbt_environment("postgresql://postgres:@/postgres?host=/run/db", tmp_path)

    assert environment["DBT_HOST"] == "/run/db"
    assert (environment["DBT_USER"], environment["DBT_DATABASE"]) == ("postgres", "postgres")
    assert (environment["DBT_PORT"], environment["DBT_ENV_SECRET_PASSWORD"]) == ("5432", "")


def test_what_is_encoded_in_the_url_arrives_decoded(tmp_path: Path) -> None:
    environment = dbt_environment("postgresql://me%40corp:p%2Fss%20word@db:6543/ware%20house", tmp_path)

    assert environment["DBT_USER"] == "me@corp"
    assert environment["DBT_ENV_SECRET_PASSWORD"] == "p/ss word"
    assert (environment["DBT_HOST"], environment["DBT_PORT"], environment["DBT_DATABASE"]) == (
        "db",
        "6543",
        "ware house",
    )


def test_connection_options_without_a_place_in_the_profile_go_by_the_environment(tmp_path: Path) -> None:
    url = "postgresql://me@db/x?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20statement_timeout%3D9"
    environment = dbt_environment(url, tmp_path)

    assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-full", "/ca.pem")
    assert environment["PGOPTIONS"].endswith("-c statement_timeout=9")
    assert "PGPASSWORD" not in environment


def test_usage_statistics_are_off_and_every_artefact_is_under_the_work_folder(tmp_path: Path) -> None:
    environment = dbt_environment("postgresql://me@db/x", tmp_path)

    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert environment["DBT_TARGET_PATH"] == str(tmp_path / "target")
    assert environment["DBT_LOG_PATH"] == str(tmp_path / "logs")


def test_nothing_of_the_shell_leaks_into_dbt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("DBT_TARGET_PATH", "/elsewhere")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")

    environment = dbt_environment("postgresql://me@db/x", tmp_path)

    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment["DBT_TARGET_PATH"] == str(tmp_path / "target")
    assert environment["PGCONNECT_TIMEOUT"] == "7"  # libpq's own variables hold for dbt as they do for every command


def test_a_project_has_another_hash_when_sql_or_yaml_changes_and_only_then(tmp_path: Path) -> None:
    model = tmp_path / "models" / "a.sql"
    model.parent.mkdir()
    model.write_text("select 1")
    first = hash_project(tmp_path)
    (tmp_path / "notes.txt").write_text("no part of it")
    assert hash_project(tmp_path) == first

    model.write_text("select 2")
    changed = hash_project(tmp_path)
    model.rename(tmp_path / "models" / "b.sql")

    assert len({first, changed, hash_project(tmp_path)}) == 3
