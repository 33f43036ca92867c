"""What `up` and `demo` need around them: a home to themselves, and Postgres for as long as they run."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from iotops.bootstrap import App
from iotops.settings import Settings
from lakehouse import database
from lakehouse.errors import DatabaseUnavailable, Refused

OTHER_CLIENTS = "select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Raises Refused where another `up` or `demo` has this home. The lock goes with the process, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"iotops is up already on {home}: stop it with Ctrl-C where it runs, or set another IOTOPS_HOME"
            ) from None
        yield


@contextmanager
def running_database(settings: Settings) -> Iterator[str]:
    """The URL. An embedded server is stopped at the end, also one that an earlier command had left running."""
    url = App(settings).database_url
    try:
        yield url
    finally:
        if not settings.database_url and not _used_by_others(url):
            database.stop_embedded(settings.home)


def _used_by_others(url: str) -> bool:
    """Asked for a while: the clients that we had need a moment to be noticed as gone."""
    with suppress(DatabaseUnavailable), database.connect(url, autocommit=True) as connection:
        for _ in range(30):
            if connection.execute(OTHER_CLIENTS).fetchone() is None:
                return False
            time.sleep(0.1)
        return True
    return False
