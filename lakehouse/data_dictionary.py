"""The tables of the warehouse as a document, from what the dbt project says of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lakehouse.errors import Refused

HEAD: Final = """\
# Data dictionary

The tables that answer questions (schema `gold`), what they are made from, and what is checked of them before they are
served. Written by `iotops warehouse dictionary --output docs/data-dictionary.md` from the descriptions in
`dbt/models/`.
"""
REFERENCE: Final = re.compile(r"ref\(\s*['\"](\w+)['\"]\s*\)")
Stated = Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """What a dbt project states. models: by folder. examples: of each model, the names of its unit tests.

    tests: the names of the tests of the whole, and which models each reads.
    """

    models: Mapping[str, Sequence[Stated]]
    sources: Sequence[Stated]
    examples: Mapping[str, Sequence[str]]
    tests: Mapping[str, Sequence[str]]
    files: Sequence[str]


def read_project(folder: Path) -> Project:
    paths = sorted((folder / "models").rglob("*.yml"))
    stated = [(path, yaml.safe_load(path.read_text()) or {}) for path in paths]
    models: dict[str, list[Stated]] = {"gold": [], "silver": []}
    examples: dict[str, list[str]] = {}
    for path, properties in stated:
        layer = path.relative_to(folder / "models").parts[0]
        models.setdefault(layer, []).extend(properties.get("models") or ())
        for unit in properties.get("unit_tests") or ():
            examples.setdefault(unit["model"], []).append(unit["name"])
    return Project(
        models={layer: sorted(found, key=_name) for layer, found in models.items()},
        sources=sorted((one for _, properties in stated for one in properties.get("sources") or ()), key=_name),
        examples=examples,
        tests={path.stem: REFERENCE.findall(path.read_text()) for path in sorted((folder / "tests").glob("*.sql"))},
        files=sorted(path.stem for path in (folder / "models" / "gold").rglob("*.sql")),
    )


def write_dictionary(project: Project) -> str:
    """As Markdown; of one state of the project always the same. Raises Refused naming what has no description."""
    if missing := undescribed(project):
        raise Refused(
            f"nothing describes {', '.join(missing)}: say it in the model's file of properties, dbt/models/gold"
        )
    parts = [HEAD, *(_table(model, project) for model in project.models["gold"])]
    parts.append(_list("Schema `silver`", "Steps between what was landed and gold.", project.models["silver"]))
    parts += [
        _list(f"Schema `{source['name']}`", _one_line(source.get("description")), source["tables"])
        for source in project.sources
    ]
    return "\n".join(parts)


def undescribed(project: Project) -> list[str]:
    """Models of gold, and columns of them like `fct_readings.value`, of which nothing is said."""
    models = {_name(model): model for model in project.models["gold"]}
    missing = []
    for name in sorted({*project.files, *models}):
        model = models.get(name, {})
        said = [(name, model), *((f"{name}.{_name(one)}", one) for one in model.get("columns") or ())]
        missing += [what for what, one in said if not _one_line(one.get("description"))]
    return missing


def _name(stated: Stated) -> str:
    return str(stated["name"])


def _table(model: Stated, project: Project) -> str:
    return "\n".join(
        [
            f"## gold.{_name(model)}",
            "",
            _one_line(model["description"]),
            "",
            "| column | type | what it is |",
            "|---|---|---|",
            *map(_row, model["columns"]),
            "",
            "Checked:",
            "",
            *(f"- {check}" for check in _checks(model, project)),
            "",
        ]
    )


def _row(column: Stated) -> str:
    constraints = {constraint["type"] for constraint in column.get("constraints", ())}
    kind = f"{column['data_type']}{', never null' if 'not_null' in constraints else ''}"
    return f"| {column['name']} | {kind} | {_cell(column['description'])} |"


def _checks(model: Stated, project: Project) -> Iterator[str]:
    for test in model.get("data_tests", ()):
        yield _in_words(test, None)
    for rule in model.get("constraints", ()):
        if rule["type"] == "check":
            yield f"In every row: `{_one_line(rule['expression'])}`."
    for column in model["columns"]:
        for test in column.get("data_tests", ()):
            yield _in_words(test, _name(column))
    for name, read in project.tests.items():
        if _name(model) in read:
            yield f"{_words(name).capitalize()}."
    for name in project.examples.get(_name(model), ()):
        yield f"By example: {_words(name)}."


def _in_words(test: Any, column: str | None) -> str:
    """A test of ours or of dbt's in words, another one by its name and arguments."""
    name, said = (test, {}) if isinstance(test, str) else next(iter(test.items()))
    given = {**said.get("arguments", {}), **{key: value for key, value in said.items() if key in ("to", "field")}}
    columns = ", ".join(given.get("columns", [column] if column else []))
    target = (REFERENCE.findall(str(given.get("to", ""))) or [""])[0]
    match name:
        case "unique_key" | "unique":
            return f"No two rows have the same {columns}."
        case "not_null":
            return f"{columns} is never null."
        case "holds":
            return f"In every row: `{_one_line(given['condition'])}`."
        case "refers_to" | "relationships":
            return f"Each {columns} is one of gold.{target}."
        case "accepted_values":
            return f"{columns} is one of {', '.join(map(str, given['values']))}."
    arguments = ", ".join(f"{key} {_one_line(str(value))}" for key, value in given.items())
    about = f"{column}: " if column else ""
    return f"{about}{_words(name)}{f' ({arguments})' if arguments else ''}."


def _list(title: str, about: str, named: Sequence[Stated]) -> str:
    rows = [f"| {one['name']} | {_cell(one.get('description'))} |" for one in sorted(named, key=_name)]
    return "\n".join([f"## {title}", "", about, "", "| name | what it is |", "|---|---|", *rows, ""])


def _cell(text: str | None) -> str:
    return _one_line(text).replace("|", "\\|")


def _words(name: str) -> str:
    return name.replace("_", " ").strip()


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
