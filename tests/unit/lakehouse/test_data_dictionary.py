"""The data dictionary: complete, the same as the committed file, and in words."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from iotops.cli.main import app
from iotops.settings import REPOSITORY
from lakehouse.data_dictionary import read_project, undescribed, write_dictionary
from lakehouse.errors import Refused

COMMITTED = REPOSITORY / "docs" / "data-dictionary.md"

MODEL = """
models:
  - name: fct_x
    description: >
      One row an x,
      (tenant_id, x).
    constraints: [{type: check, name: short, expression: length(x) < 9}]
    columns:
      - {name: tenant_id, data_type: text, description: Whose., constraints: [{type: not_null}]}
      - name: x
        data_type: text
        description: Either a | or b.
        data_tests:
          - accepted_values: {arguments: {values: [a, b]}}
          - not_null
          - relationships: {to: ref('dim_z'), field: x}
    data_tests:
      - unique_key: {arguments: {columns: [tenant_id, x]}}
      - holds: {name: named, arguments: {condition: "x <> ''"}}
      - refers_to: {arguments: {to: ref('dim_y'), columns: [tenant_id]}}
      - stays_within: {arguments: {column: x, most: 5}}

unit_tests:
  - {name: an_x_is_an_x, model: fct_x}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("models/gold", "models/silver", "tests"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/gold/fct_x.yml").write_text(MODEL)
    (tmp_path / "models/gold/fct_x.sql").write_text("select 1")
    (tmp_path / "tests/all_x_are_counted.sql").write_text("select * from {{ ref('fct_x') }}")
    (tmp_path / "tests/others.sql").write_text("select * from {{ ref('fct_xx') }}")
    return tmp_path


def test_every_gold_model_and_each_of_its_columns_is_described() -> None:
    assert undescribed(read_project(REPOSITORY / "dbt")) == []


def test_the_committed_dictionary_is_what_the_project_says_now() -> None:
    written = write_dictionary(read_project(REPOSITORY / "dbt"))
    assert written == COMMITTED.read_text(), (
        f"run: iotops warehouse dictionary --output {COMMITTED.relative_to(REPOSITORY)}"
    )
    tables = {line.removeprefix("## gold.") for line in written.splitlines() if line.startswith("## gold.")}
    assert tables == {path.stem for path in (REPOSITORY / "dbt" / "models" / "gold").rglob("*.sql")}


def test_tests_and_types_are_told_in_words(project: Path) -> None:
    lines = write_dictionary(read_project(project)).splitlines()
    start = lines.index("## gold.fct_x")
    assert lines[start : lines.index("## Schema `silver`")] == [
        "## gold.fct_x",
        "",
        "One row an x, (tenant_id, x).",
        "",
        "| column | type | what it is |",
        "|---|---|---|",
        "| tenant_id | text, never null | Whose. |",
        "| x | text | Either a \\| or b. |",
        "",
        "Checked:",
        "",
        "- No two rows have the same tenant_id, x.",
        "- In every row: `x <> ''`.",
        "- Each tenant_id is one of gold.dim_y.",
        "- stays within (column x, most 5).",
        "- In every row: `length(x) < 9`.",
        "- x is one of a, b.",
        "- x is never null.",
        "- Each x is one of gold.dim_z.",
        "- All x are counted.",
        "- By example: an x is an x.",
        "",
    ]


@pytest.mark.parametrize(
    ("taken", "missing"),
    [
        ("description: Whose., ", "fct_x.tenant_id"),
        ("    description: >\n      One row an x,\n      (tenant_id, x).\n", "fct_x"),
    ],
)
def test_what_has_no_description_is_named_and_nothing_is_written(project: Path, taken: str, missing: str) -> None:
    assert MODEL.count(taken) == 1
    (project / "models/gold/fct_x.yml").write_text(MODEL.replace(taken, ""))
    with pytest.raises(Refused, match=f"nothing describes {missing}:"):
        write_dictionary(read_project(project))


def test_a_model_without_properties_is_named(project: Path) -> None:
    (project / "models/gold/fct_bare.sql").write_text("select 1")
    assert undescribed(read_project(project)) == ["fct_bare"]


def test_the_command_writes_the_file_that_it_is_given(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["warehouse", "dictionary", "--output", str(tmp_path / "out.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.md").read_text() == write_dictionary(read_project(REPOSITORY / "dbt"))
