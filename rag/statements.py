"""Which of the statements of change bear on a text. Read once for each index version and reader, by name.

Only names and chunk ids stay in memory. The passages are read again for every question, under its own filters, so what
was erased or may not be seen is not told.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

from lakehouse.database import Connection
from rag.releases import of_release, spoken_for
from rag.replacements import STATEMENT, Replacement, find_replacements
from rag.retriever import Filters, Hit, among, containing

READERS: Final = 64  # whose statements are kept: of a tenant and a version, some hundred names
Key = tuple[str, tuple[str, ...]]


class Statements:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, list[tuple[str, str]]] = OrderedDict()
        self._lock = Lock()

    def about(
        self, connection: Connection, texts: Sequence[str], filters: Filters, version: str | None
    ) -> list[Replacement]:
        """Newest release first. version: the release that the question is about; what came later is left out."""
        found: list[Hit] = []
        said = "\n".join(texts)
        for _ in range(2):  # what a statement names may itself have been replaced
            hits = self._passages(connection, said, filters)
            if len(hits) == len(found):
                break
            found = hits
            said = "\n".join([said, *(one.unit.text for one in _read(found, version))])
        return _read(found, version)

    def all(self, connection: Connection, filters: Filters, version: str | None) -> list[Replacement]:
        """Every statement that may be cited, newest release first."""
        return _read(containing(connection, STATEMENT, filters=filters), version)

    def _passages(self, connection: Connection, said: str, filters: Filters) -> list[Hit]:
        if filters.as_of is not None:
            return containing(connection, STATEMENT, filters=filters)
        lowered = said.lower()
        chunks = {chunk for name, chunk in self._names(connection, filters) if name in lowered}
        return among(connection, sorted(chunks), filters=filters) if chunks else []

    def _names(self, connection: Connection, filters: Filters) -> list[tuple[str, str]]:
        key = (filters.index_version, tuple(sorted(filters.tenants)))
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        everything = Filters(filters.tenants, filters.index_version)
        statements = find_replacements(containing(connection, STATEMENT, filters=everything))
        names = sorted({(name.lower(), one.hit.chunk_id) for one in statements for name in one.old | one.new})
        with self._lock:
            self._known[key] = names
            while len(self._known) > READERS:
                self._known.popitem(last=False)
        return names


def _read(hits: Sequence[Hit], version: str | None) -> list[Replacement]:
    return find_replacements(of_release([spoken_for(hit) for hit in hits], version), version=version)
