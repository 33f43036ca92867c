"""Where a document stands: in itself, or in the pages that include it; and what its file is called."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lakehouse.sources.documents import name_as_title
from rag.tokens import analyse

# Words that a file is named by, as against a name that machines write (`P0301`, `KubePodCrashLooping`, `E_OVERHEAT`).
_WORDS: Final = re.compile(r"[^\W\d_A-Z]+(?:[-_ ][^\W\d_A-Z]+)*")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class Place:
    """heading_path: the headings of the page above the directive, which stand above the document's own."""

    title: str
    heading_path: tuple[str, ...] = ()

    def describe(self) -> str:
        return " › ".join([self.title, *self.heading_path])


def places_of(title: str, included_in: Sequence[Mapping[str, Any]] | None) -> list[Place]:
    """At least one. title: of the document, which is told only where it stands by itself."""
    places = [Place(str(one["title"]), tuple(one["heading_path"])) for one in included_in or ()]
    return list(dict.fromkeys(places)) or [Place(title)]


def telling_name(path: str | None, kind: str, title: str, text: str) -> str:
    """What the file is called, or its folder where it is called `README`; empty where that says nothing that the title
    or the text does not say, and where the path is not a name that a person gave."""
    if path is None or "://" in path or kind == "chat_thread":
        return ""
    name = name_as_title(path)[:_LONGEST_NAME]
    if _WORDS.fullmatch(name):
        name = name.replace("-", " ").replace("_", " ")
    missing = set(analyse(name)).difference(analyse(title))
    if not missing:
        return ""
    said = text.lower()
    return "" if all(term in said for term in missing) else name
