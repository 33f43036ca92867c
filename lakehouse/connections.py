"""Connections that are kept for the next question: opening one takes longer than most questions do.

psycopg_pool goes on trying in the background while a server is away and says in the end that none came; a question is
better told at once, and why.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from lakehouse import database
from lakehouse.database import Connection

log = logging.getLogger(__name__)

KEPT: Final = 8  # idle ones; as many more as are asked for at once are opened and closed


class Connections:
    """To one database. Safe to use from several threads, each with its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: deque[Connection] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As `lakehouse.database.transaction`, on a connection that may have been used before."""
        connection = self._take()
        try:
            with connection.transaction():
                yield connection
        finally:
            self._keep(connection)

    def close(self) -> None:
        """Those that are idle. What is asked afterwards opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        self.close()

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._idle.pop()  # the last used: its process has its catalogues in memory
            except IndexError:
                return self._open()
            if _answers(connection):
                return connection
            connection.close()

    def _open(self) -> Connection:
        connection = database.connect(self._url, autocommit=True)
        # A promotion may change what a statement returns, which a prepared one may not.
        connection.prepare_threshold = None
        return connection

    def _keep(self, connection: Connection) -> None:
        if connection.closed or len(self._idle) >= KEPT:
            connection.close()
        else:
            self._idle.append(connection)


def _answers(connection: Connection) -> bool:
    """The server may have been started again since."""
    try:
        connection.execute("")
    except psycopg.OperationalError as error:
        log.info("a kept connection is opened again: %s", " ".join(str(error).split()))
        return False
    return True
