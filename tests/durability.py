"""What a process wrote, by strace, and how much of it a power cut could take away."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CALLS: Final = "write,pwrite64,writev,fsync,fdatasync,link,linkat,rename,renameat,renameat2,mkdir,mkdirat"
LINE: Final = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
UNFINISHED: Final = re.compile(r"^(\d+) +(\w+\(.*) <unfinished \.\.\.>$")
RESUMED: Final = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
DESCRIPTOR: Final = re.compile(r"\d+<([^>]*)>")
QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """name: `write`, `sync`, `link` (renames too) or `mkdir`. paths: of a link the old name and the new."""

    name: str
    paths: tuple[str, ...]


def trace(code: str, log: Path) -> list[Call]:
    """Runs Python code; returns the calls that succeeded, in the order in which they ended."""
    tracer = ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", str(log), "-e", f"trace={CALLS}"]
    subprocess.run([*tracer, sys.executable, "-c", code], check=True)
    return list(_calls(_whole_lines(log.read_text(errors="replace").splitlines())))


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    begun: dict[str, str] = {}
    for line in lines:
        if found := UNFINISHED.match(line):
            begun[found[1]] = found[2]
        elif found := RESUMED.match(line):
            yield f"{found[1]} {begun.pop(found[1], '')}{found[2]}"
        else:
            yield line


def _calls(lines: Iterable[str]) -> Iterator[Call]:
    for line in lines:
        if not (found := LINE.match(line)) or found[4].startswith("-"):
            continue
        name, arguments = found[2], found[3]
        if name in ("write", "pwrite64", "writev", "fsync", "fdatasync"):
            if path := DESCRIPTOR.match(arguments):
                yield Call("sync" if "sync" in name else "write", (path[1].removesuffix(" (deleted)"),))
        else:
            kind = "link" if name.startswith(("link", "rename")) else name.removesuffix("at")
            yield Call(kind, tuple(QUOTED.findall(arguments)))


@dataclass
class Disk:
    """What would be lost if the power went: bytes that were written and not synced, names that their folder does not
    hold for sure. A synced file whose name is not synced is lost as well."""

    names: dict[str, str] = field(default_factory=dict)
    _same: dict[str, set[str]] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)

    def see(self, call: Call) -> None:
        if call.name == "write":
            self._dirty |= self._all(call.paths[0])
        elif call.name == "sync":
            self._dirty -= self._all(call.paths[0])
            self.names = {path: folder for path, folder in self.names.items() if folder != call.paths[0]}
        elif call.name == "link":
            old, new = call.paths
            together = self._all(old) | {new}
            for path in together:
                self._same[path] = together
            if old in self._dirty:
                self._dirty.add(new)
            self.names[new] = str(Path(new).parent)
        elif call.name == "mkdir":
            self.names[call.paths[0]] = str(Path(call.paths[0]).parent)

    def lost(self, below: Path) -> set[str]:
        """Files and folders that are there now and would not be after a power cut."""
        found = self._dirty | self.names.keys()
        return {path for path in found if path.startswith(str(below)) and Path(path).exists()}

    def _all(self, path: str) -> set[str]:
        """All names of the same bytes."""
        return self._same.get(path, {path})
