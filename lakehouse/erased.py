"""Documents that were erased, so that an origin which still has them does not bring them back.

The table of documents remembers each by a hash of its source and path. What an origin cannot undo by sending it again
must be known where it would land, which is bronze; `registry.erasures` says the same to people.
"""

import hashlib
import json
from collections.abc import Collection

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot


def digest(source: str, path: str) -> str:
    return hashlib.sha256(json.dumps([source, path]).encode()).hexdigest()


def erased_among(bronze: Bronze, tenant_id: str, source: str, paths: Collection[str]) -> set[str]:
    """Those of the paths that must not land again."""
    snapshot = bronze.snapshot("documents")
    if not paths or snapshot.position(_any(tenant_id)) is None:
        return set()
    names = {path: _name(tenant_id, source, path) for path in paths}
    known = snapshot.positions(list(names.values()))
    return {path for path, name in names.items() if name in known}


def remember(bronze: Bronze, tenant_id: str, source: str, path: str) -> None:
    name = _name(tenant_id, source, path)

    def decide(snapshot: Snapshot) -> Commit | None:
        if snapshot.position(name) is not None:
            return None
        return Commit(TABLES["documents"].empty_table(), {name: 1, _any(tenant_id): 1})

    bronze.commit("documents", decide)


def is_of_register(name: str) -> bool:
    """Whether a table remembers an erasure by it."""
    return name.startswith("erased:")


def _any(tenant_id: str) -> str:
    return f"erased:{tenant_id}"


def _name(tenant_id: str, source: str, path: str) -> str:
    return f"erased:{tenant_id}:{digest(source, path)}"
