"""`python -m tests.make_bad_files FOLDER SEED MANY`: the bad files of every sort, below the folder.

In a process of its own, because some take more memory to make than they may take to read.
"""

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bad_chats import chats
from tests.bad_documents import documents
from tests.bad_files import BadFile
from tests.bad_telemetry import telemetry

MAKERS: dict[str, Callable[[random.Random, int], Iterator[BadFile]]] = {
    "telemetry": telemetry,
    "documents": documents,
    "chats": chats,
}


def main(root: str, seed: str, many: str) -> None:
    for stage, make in MAKERS.items():
        folder = Path(root, stage)
        folder.mkdir(parents=True, exist_ok=True)
        for file in make(random.Random(int(seed)), int(many)):  # noqa: S311 - to be made again from the seed
            file.write(folder / file.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
