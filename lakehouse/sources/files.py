"""The files below a path, and the reasons for which a file is refused whatever it should hold."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import BadRecord, MissingPath


@dataclass(frozen=True)
class SourceFile:
    """`name` is the path below the folder, with `/`; it is the file's identity within its source."""

    path: Path
    name: str


def list_files(path: Path) -> list[SourceFile]:
    """`path` itself, or every file below it in the order of names.

    Hidden files and folders are not entered, nor is what a link takes out of the folder, nor devices and pipes.
    """
    if path.is_file():
        return [SourceFile(path, printable(path.name))]
    if not path.is_dir():
        raise MissingPath(path)
    root = path.resolve()
    found = [SourceFile(file, printable(file.relative_to(root).as_posix())) for file in _walk(root)]
    return sorted(found, key=lambda file: file.name)


def default_source(path: Path) -> str:
    """Of a folder its own place, of a single file the place of the folder that holds it."""
    place = path.resolve()
    return f"folder:{printable(str(place.parent if path.is_file() else place))}"


def printable(name: str) -> str:
    """File names are bytes; those that are no UTF-8 keep their odd bytes as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def refuse_larger(path: Path, most: int) -> None:
    if (size := path.stat().st_size) > most:
        raise too_large(size, most)


def too_large(size: int, most: int) -> BadRecord:
    return BadRecord(
        "too_large", f"the file has {size / 1e6:.1f} MB and at most {most / 1e6:.0f} MB are read: split it"
    )


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file() and file.resolve().is_relative_to(root):
                yield file
