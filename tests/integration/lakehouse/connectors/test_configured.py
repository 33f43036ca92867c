from pathlib import Path

import pytest

from lakehouse.connectors.configured import KINDS, read_connectors, run_configured
from lakehouse.connectors.origins import Site
from lakehouse.errors import Misused
from tests.website import Website

TENANTS = ["default", "public"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "connectors.yaml"


def test_without_a_file_there_are_none(file: Path) -> None:
    assert read_connectors(file, TENANTS) == []
    file.write_text("# nothing yet\n")
    assert read_connectors(file, TENANTS) == []


def test_each_entry_is_run_as_it_says(file: Path, here: Site, site: Website, tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n")
    url = site.put("/p", "<h1>Page</h1>")
    file.write_text(
        f"- {{tenant: default, kind: folder, name: manuals, path: manuals, product: P, version: '1.10'}}\n"
        f"- {{tenant: public, kind: web, urls: ['{url}'], follow: 3, document_kind: runbook}}\n"
    )
    found = read_connectors(file, TENANTS)
    assert [(one.name, one.tenant_id) for one in found] == [("manuals", "default"), ("web-2", "public")]
    assert [run_configured(here, one).landed for one in found] == [1, 1]
    rows = here.bronze.changes("documents")[0].sort_by("bronze_version").to_pylist()
    assert [(row["tenant_id"], row["product"], row["version_from"], row["kind"]) for row in rows] == [
        ("default", "P", "1.10", "manual"),
        ("public", None, None, "runbook"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not YAML"),
        ("a: b", "must be a list"),
        ("- a", "connector 1: it must have keys"),
        ("- {tenant: default}", "kind 'None' is none: use one of "),
        ("- {tenant: default, kind: ftp}", "kind 'ftp' is none: use one of "),
        ("- {tenant: default, kind: [s3]}", "is none: use one of "),
        ("- {tenant: default, kind: folder}", "it has no path"),
        ("- {kind: folder, path: x}", "it has no tenant"),
        ("- {tenant: default, kind: folder, path: x, bucket: y}", "unknown key 'bucket': use classification, "),
        ("- {tenant: acme, kind: folder, path: x}", "tenant 'acme' does not exist: use one of default, public"),
        ("- {tenant: default, kind: folder, path: x, version: 1.10}", "version must be text, and is 1.1"),
        ("- {tenant: default, kind: web, urls: https://h/}", "urls must be a list of texts"),
        ("- {tenant: default, kind: web, urls: []}", "urls must be a list of texts"),
        ("- {tenant: default, kind: web, urls: [https://h/], follow: true}", "follow must be a number"),
        ("- {tenant: default, kind: folder, path: x, document_kind: poem}", "'poem' is no kind of document"),
        ("- {tenant: default, kind: git, url: 'https://u:secret@h/x'}", "url holds a password"),
        (
            "- {tenant: default, kind: folder, path: x, name: n}\n- {tenant: default, kind: folder, path: y, name: n}",
            "two connectors have the name 'n'",
        ),
        (
            "- {tenant: default, kind: folder, path: x}\n- {tenant: default, kind: folder, pth: y}",
            "connector 2: unknown",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_entry(file: Path, text: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(Misused) as caught:
        read_connectors(file, TENANTS)
    assert str(caught.value).startswith(str(file))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_every_kind_is_described() -> None:
    described = (Path(__file__).parents[4] / "docs" / "connectors.md").read_text()
    for name, kind in KINDS.items():
        assert f"`{name}`" in described
        for key in kind.keys:
            assert f"`{key}`" in described
