"""A large JSON document read value by value, so that an export of any length takes the memory of one message."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lakehouse.errors import BadRecord

BLOCK = 1 << 20
# Characters of one value. JSON that is all brackets makes 25 times as much memory of objects.
LONGEST_VALUE = 8_000_000
SPACE = re.compile(r"[ \t\r\n]*")
# Telegram Desktop writes control characters as \x0B, which is no JSON.
HEXADECIMAL = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")


class JsonStream:
    """Every method raises BadRecord where the text is not the JSON that was asked for."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            space = SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read():
                return ""

    def take(self, character: str) -> None:
        if (found := self.peek()) != character:
            raise self._broken(f"'{character}' expected, " + (f"'{found}' found" if found else "but it ends there"))
        self._at += 1

    def names(self) -> Iterator[str]:
        """Of the object that begins here; its values are for the caller to read before the next key."""
        self.take("{")
        while self._goes_on("}"):
            key = self.value()
            if not isinstance(key, str):
                raise self._broken("a name expected")
            self.take(":")
            yield key

    def elements(self) -> Iterator[None]:
        """One for each element of the array that begins here, for the caller to read."""
        self.take("[")
        while self._goes_on("]"):
            yield None

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decode()
            except RecursionError as error:
                raise self._broken("it nests deeper than any chat") from error
            except ValueError as error:
                if self._ended or len(self._text) - self._at > LONGEST_VALUE:
                    raise self._broken(str(error).partition(":")[0]) from error
            else:
                if end < len(self._text) or self._ended:  # else it may be a number that goes on
                    self._at = end
                    return value
            self._read(max(BLOCK, len(self._text) - self._at))

    def end(self) -> None:
        if found := self.peek():
            raise self._broken(f"the end expected, '{found}' found")

    def _decode(self) -> tuple[Any, int]:
        try:
            return self._decoder.raw_decode(self._text, self._at)
        except ValueError:
            mended, count = HEXADECIMAL.subn(r"\1\\u00\2", self._text[self._at :])
            if not count:
                raise
            self._text, self._at = mended, 0
            return self._decoder.raw_decode(self._text, 0)

    def _goes_on(self, last: str) -> bool:
        """Whether another entry follows. A comma stands before each but the first."""
        found = self.peek()
        if found == last:
            self._at += 1
            return False
        if found == ",":
            self._at += 1
            if self.peek() == last:
                raise self._broken(f"an entry expected, '{last}' found")
        return True

    def _read(self, size: int = BLOCK) -> bool:
        try:
            block = self._file.read(size)
        except UnicodeDecodeError as error:
            raise BadRecord("not_utf8", f"it is no UTF-8 text ({error.reason}): export it again as UTF-8") from error
        self._ended = not block
        self._text, self._at = self._text[self._at :] + block, 0
        return bool(block)

    def _broken(self, what: str) -> BadRecord:
        return BadRecord("bad_json", f"it is no whole JSON document ({what}): export it again")


def open_json(path: Path) -> IO[str]:
    return path.open(encoding="utf-8-sig")
