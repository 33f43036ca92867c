"""Hidden files of a folder that its pages include: they hold part of what the pages say, and nothing else is hidden for
that reason."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lakehouse.includes import INCLUDING, SIGNS_IN_BYTES, Include, read_includes
from lakehouse.sources.documents import LARGEST, media_type
from lakehouse.sources.files import SourceFile

# Of versions, environments and credentials: what lies below is nobody's page, whoever names it.
NEVER: Final = frozenset(
    {
        ".aws", ".cache", ".git", ".gnupg", ".hg", ".mypy_cache", ".nox", ".npm", ".pytest_cache", ".ruff_cache",
        ".ssh", ".svn", ".terraform", ".tox", ".venv", "__pycache__", "node_modules", "site-packages", "venv",
    }
)  # fmt: skip


def hidden_files(folder: Path, listed: Iterable[SourceFile]) -> list[SourceFile]:
    """Those that the listed pages include, and those that these include in turn."""
    known = {file.name: file for file in listed}
    shown = frozenset(known)
    waiting = [file for file in known.values() if _may_include(file)]
    root = folder.resolve()
    while waiting:
        page = waiting.pop()
        for include in _includes(page):
            file = _meant(include, known, root)
            if file is not None and file.name not in known:
                known[file.name] = file
                waiting.append(file)
    return sorted((file for name, file in known.items() if name not in shown), key=lambda file: file.name)


def _may_include(file: SourceFile) -> bool:
    return not file.is_closed and media_type(file.name) in INCLUDING


def _includes(page: SourceFile) -> Iterator[Include]:
    """Nothing of a page that cannot be read: whoever fetches it says why."""
    try:
        if page.path.stat().st_size > LARGEST:
            return
        data = page.path.read_bytes()
    except OSError:
        return
    if any(sign in data for sign in SIGNS_IN_BYTES):
        yield from read_includes(page.name, data.decode("utf-8", "replace"))


def _meant(include: Include, known: dict[str, SourceFile], root: Path) -> SourceFile | None:
    for name in include.candidates:
        if name in known:
            return known[name]
        if _is_hidden(name) and _is_file(root / name, root):
            return SourceFile(root / name, name)
    return None


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) and NEVER.isdisjoint(parts) and media_type(name) in INCLUDING


def _is_file(path: Path, root: Path) -> bool:
    try:
        return path.is_file() and path.resolve().is_relative_to(root)
    except OSError:  # a name too long, or a folder that may not be entered
        return False
