"""What delta-rs leaves to the operating system when a Delta log lies in a folder: that an entry survives a power cut.

It writes an entry beside its place and links it there, so no reader ever meets half of one, but syncs neither the entry
nor the folders. An entry that a power cut tore was never acknowledged, because `sync_log` had not returned.
"""

import json
import os
from pathlib import Path
from typing import Final

LOG: Final = "_delta_log"
DIGITS: Final = 20  # of the version that begins the name of each file in it
ENTRY: Final = f"{{:0{DIGITS}d}}.json"


def entry_path(table: Path, version: int) -> Path:
    return table / LOG / ENTRY.format(version)


def sync_log(table: Path, version: int) -> None:
    """The entry of that version, a checkpoint that it brought, and the folder that names them."""
    log = table / LOG
    for name in (ENTRY.format(version), f"{version:020d}.checkpoint.parquet", "_last_checkpoint"):
        if name.endswith(".json") or (log / f"{version:020d}.checkpoint.parquet").exists():
            sync(log / name)
    sync(log)


def make_folder(folder: Path) -> None:
    """With those above it. Each is synced into its parent, so that a synced file cannot lose its way in a crash."""
    if folder.is_dir():
        return
    if folder != folder.parent:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """A file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_torn_entry_aside(table: Path) -> bool:
    """Whether the newest entry was torn: it is renamed to `….json.torn`, and the table ends before it."""
    entries = sorted((table / LOG).glob("*.json"))
    if not entries or _is_whole(entries[-1]):
        return False
    entries[-1].rename(entries[-1].with_suffix(".json.torn"))
    sync(table / LOG)
    return True


def _is_whole(entry: Path) -> bool:
    try:
        actions = [json.loads(line) for line in entry.read_bytes().splitlines()]
    except ValueError:
        return False
    return bool(actions) and all(isinstance(action, dict) for action in actions)
