"""Threads of chats in which a message names the one that it answers, not the thread that it is in."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)


class Replies(Generic[Id]):
    """All of a chat must be added before the first is asked for: an answer may come long after what it answers."""

    def __init__(self) -> None:
        self._answers: dict[Id, Id] = {}
        self._answered: set[Id] = set()
        self._roots: dict[Id, Id] = {}

    def add(self, message: Id, answers: Id) -> None:
        if message != answers:
            self._answers[message] = answers
            self._answered.add(answers)

    def thread_of(self, message: Id) -> Id | None:
        """The message that began the thread; None for one that neither answers nor is answered."""
        if message not in self._answers:
            return message if message in self._answered else None
        way: dict[Id, None] = {}
        at = message
        # A circle, which no chat makes, is cut where it is entered.
        while at in self._answers and at not in self._roots and at not in way:
            way[at] = None
            at = self._answers[at]
        root = self._roots.get(at, at)
        self._roots |= dict.fromkeys(way, root)
        return root
