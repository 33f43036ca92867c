"""The files below a path, and the reasons for which a file is refused whatever it should hold."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import BadRecord, MissingPath


@dataclass(frozen=True)
class SourceFile:
    """`name` is the path below the folder, with `/`; it is the file's identity within its source.

    is_closed: a folder that cannot be looked into. Whoever opens it is told why.
    """

    path: Path
    name: str
    is_closed: bool = False


def list_files(path: Path) -> list[SourceFile]:
    """`path` itself, or every file below it in the order of names.

    Hidden files and folders are not entered, nor is what a link takes out of the folder, nor devices and pipes. A
    folder that cannot be entered is listed itself: nobody knows what it holds.
    """
    if path.is_file():
        return [SourceFile(path, printable(path.name))]
    if not path.is_dir():
        raise MissingPath(path)
    root = path.resolve()
    closed: list[OSError] = []
    found = [SourceFile(file, _name(file, root)) for file in _walk(root, closed)]
    found += [SourceFile(Path(error.filename), _name(Path(error.filename), root), is_closed=True) for error in closed]
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


def _name(file: Path, root: Path) -> str:
    return printable(file.relative_to(root).as_posix())


def _walk(root: Path, closed: list[OSError]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if not name.startswith(".") and _is_ours(file, root):
                yield file


def _is_ours(file: Path, root: Path) -> bool:
    try:
        return file.is_file() and file.resolve().is_relative_to(root)
    except PermissionError:
        return True  # to be refused by its name
