"""Peaks of memory, in a process of its own: getrusage counts everything that a process ever waited for."""

import subprocess
import sys

WATCHED = """
import subprocess, sys
from iotops.footprint import Footprint

HUNGRY = "import time; block = bytearray(300 << 20); print('full', flush=True); time.sleep({seconds})"
with Footprint() as footprint:
    before = footprint.largest
    child = subprocess.Popen([sys.executable, "-c", HUNGRY.format(seconds=sys.argv[1])], stdout=subprocess.PIPE)
    child.stdout.readline()
    {wait}
    print(before >> 20, footprint.largest >> 20)
    child.kill()
    child.communicate()
"""


def peaks(wait: str, seconds: float) -> tuple[int, int]:
    script = WATCHED.replace("{wait}", wait)
    # A process inherits the peak of the one that forked it: the shell between keeps that of a large test worker out.
    between = ["sh", "-c", '"$@"; exit $?', "sh"]
    done = subprocess.run(
        [*between, sys.executable, "-c", script, str(seconds)], capture_output=True, text=True, timeout=60, check=True
    )
    before, largest = map(int, done.stdout.split())
    return before, largest


def test_a_process_that_is_still_running_is_sampled() -> None:
    before, largest = peaks("import threading; threading.Event().wait(1.5)", seconds=60)
    assert before < 200
    assert 300 <= largest < 400


def test_a_process_that_ended_between_two_samples_is_counted() -> None:
    before, largest = peaks("child.wait()", seconds=0)
    assert before < 200
    assert 300 <= largest < 400
