"""What a connector is: it lists what changed at its origin since a cursor, and fetches what it listed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from lakehouse.errors import BadRecord

Content_co = TypeVar("Content_co", covariant=True)


@dataclass(frozen=True)
class Change:
    """One document, page or channel that is new, different or gone.

    name: its identity within the source, and the same each time. facts: what the origin says about it that its bytes
    do not (version, url, valid_from …).
    """

    name: str
    deleted: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """cursor: to be handed back next time, once all of these are in bronze; its text means something to its connector
    only.

    more: there are further changes; list again with this cursor to have them.
    present: every name that the origin has now. What bronze holds of the source beyond them is gone. None where a
    listing says nothing about what it leaves out.
    unchanged, ignored: what was looked at and is as it was, or is nothing that this connector takes.
    """

    changes: Sequence[Change]
    cursor: str
    more: bool = False
    present: Collection[str] | None = None
    unchanged: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class Withheld(BadRecord):
    """Refused by its connector, which hands over what there is of it, to be kept in quarantine."""

    content: bytes | Path = b""


class Connector(Protocol[Content_co]):
    """Documents are fetched as bytes, channels as a `Chat`."""

    @property
    def source(self) -> str:
        """The name under which bronze knows the origin."""
        ...

    def list_changes(self, cursor: str | None) -> Changes:
        """Since that cursor; everything there is where it is None. Raises OriginUnavailable."""
        ...

    def fetch(self, change: Change) -> Content_co:
        """Raises BadRecord where this one cannot be had, and OriginUnavailable where nothing can."""
        ...
