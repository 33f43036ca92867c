"""A file that is to be written, and putting a whole set of them in the place of the former one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "files.sha256"  # as sha256sum writes it, so that `sha256sum -c` checks a simulation


@dataclass(frozen=True)
class File:
    """path: relative to the output folder, with `/`."""

    path: str
    data: bytes


def replace_files(out: Path, manifest_folder: Path, files: Iterable[File]) -> int:
    """Write all, and remove what only a former simulation wrote. Other files in `out` are left alone."""
    manifest = manifest_folder / MANIFEST
    former = (
        {line.split("  ", 1)[1] for line in manifest.read_text("utf-8").splitlines()} if manifest.exists() else set()
    )
    lines = {}
    for file in files:
        path = out / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        lines[file.path] = f"{hashlib.sha256(file.data).hexdigest()}  {file.path}\n"
    for stale in sorted(former - set(lines)):
        (out / stale).unlink(missing_ok=True)
        _drop_empty(out, (out / stale).parent)
    manifest_folder.mkdir(parents=True, exist_ok=True)
    manifest.write_text("".join(lines[path] for path in sorted(lines)), encoding="utf-8")
    return len(lines)


def _drop_empty(out: Path, folder: Path) -> None:
    while folder != out and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
