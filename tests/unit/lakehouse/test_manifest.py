import pytest

from lakehouse.manifest import version_of


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("2.3/docs/options.md", "2.3"),
        ("edge/v3.1/options.md", "3.1"),
        ("release-1.2/notes.md", "1.2"),
        ("manuals/pump-manual-2.4.md", "2.4"),
        ("2.3/pump_v3.0-rc1.pdf", "3.0-rc1"),
        ("docs/3.1.0", "3.1.0"),
        ("reports/2026-10-20.md", None),
        ("manual/chapter-3.md", None),
        ("config.yaml.md", None),
        ("pump2/readme.md", None),
    ],
)
def test_a_version_is_read_from_the_name_of_the_file_or_of_its_innermost_folder(path: str, version: str | None) -> None:
    assert version_of(path) == version
