"""A process that has imported what takes long, and forks a child for each line that it reads."""

import os
import sys
from collections.abc import Callable


def serve(child: Callable[..., None]) -> None:
    """`child` is called with the words of the line. Answered are its process id, and its status when it has ended."""
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            _, status = os.waitpid(pid, 0)
            print(status, flush=True)
            continue
        try:
            child(*line.split())
        finally:
            os._exit(0)
