"""Versions in order. The equal rule in SQL is dbt/macros/version_key.sql; a test holds the two against each other."""

import re
from typing import Final

_BUILD: Final = re.compile(r"\+.*$", re.S)  # semver: what follows a plus says nothing about the order
_CLOSING_ZEROS: Final = re.compile(r"(\.0+)+(?![0-9]|[._-][0-9])")  # 2.3 and 2.3.0 are one release
_SHORT: Final = {"a": "alpha", "b": "beta", "c": "rc", "m": "milestone"}  # 1.0a1, as Python's packages have it
_BEFORE_RELEASE: Final = re.compile(
    r"(?<![A-Za-z])(dev|snapshot|nightly|canary|alpha|beta|milestone|pre|preview|rc|cr|ea)(?![A-Za-z])", re.I
)
_TOKEN: Final = re.compile(r"~|[0-9]+|[A-Za-z]+")
_SILENT: Final = frozenset(("v", "version", "release", "rel", "firmware", "fw", "final", "ga", "stable", "lts"))
_LOWEST: Final = frozenset(("dev", "snapshot", "nightly", "canary"))
_LETTERS: Final = 10**18  # above every group of digits, which is cut there


def version_key(version: str) -> tuple[int, ...]:
    """Sorts versions of a product by the scheme that their form tells: numbers, calendar days, semver, letters.

    10.0 follows 9.1; 3.1-rc.1 comes before 3.1, which is 3.1.0; 1.0.2a comes after 1.0.2; revision AA follows Z.
    """
    text = _CLOSING_ZEROS.sub("", _BUILD.sub("", version.replace("~", "-")))
    for short, word in _SHORT.items():
        text = re.sub(rf"([0-9]){short}([0-9])", rf"\1{word}\2", text, flags=re.I)
    tokens = [token.lower() for token in _TOKEN.findall(_BEFORE_RELEASE.sub(r"~\1", text, count=1))]
    key: list[int] = []
    is_before = 0
    for token in tokens:
        if token == "~":  # noqa: S105 - a mark of our own
            is_before = 1
            key.append(-1)  # less than the 0 that ends the key of the release itself
        elif token[0].isdigit():
            key.append(int(token[:18]) + is_before)  # not 0: alpha comes before alpha.0
        elif token not in _SILENT:
            key.append(_letters(token, is_revision=not is_before))
    return (*key, 0) if key else ()


def _letters(word: str, *, is_revision: bool) -> int:
    """In the order of the alphabet. One or two letters of a revision count up: Z, AA."""
    if word in _LOWEST:
        return _LETTERS
    places = len(word) if is_revision and len(word) <= 2 else 8
    return _LETTERS + int(sum((ord(letter) - 96) * 27 ** (places - 1 - i) for i, letter in enumerate(word[:8])))
