"""How deep JSON nests, before a parser that recurses sees it: a C++ stack that overflows ends the process."""

import re
from typing import Final

import numpy as np

# Deeper than any device nests.
DEEPEST: Final = 64
# Always matches from a quote on, to the end where the text is cut off, so that none is begun twice.
STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
STEPS: Final = np.zeros(256, dtype=np.int8)
STEPS[[ord("["), ord("{")]] = 1
STEPS[[ord("]"), ord("}")]] = -1


def is_too_deep(text: bytes) -> bool:
    """Of JSON, or of what is no JSON, up to where a parser would stop."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return False
    outside = np.frombuffer(STRING.sub(b"", text), dtype=np.uint8)
    return bool(len(outside)) and int(np.cumsum(STEPS[outside], dtype=np.int32).max()) > DEEPEST
