"""What erasure takes from the tables of Postgres below the index, in the transaction of whoever calls."""

import json
from collections.abc import Sequence
from typing import Any, Final

from psycopg.sql import SQL, Composed, Identifier

from lakehouse.database import Connection
from lakehouse.erasure import Plan, Target
from lakehouse.promotion import drop_candidate
from lakehouse.quality.results import forget_findings, forget_tenant

SCHEMAS: Final = ("landing", "silver", "gold", "registry", "detection")
REGISTER: Final = "erasures"

TABLES: Final = """
select n.nspname, c.relname, exists (
    select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p', 'm') and not c.relispartition
order by 1, 2
"""

# As gold names a version: by its place among those of its line, which dbt counts.
IDS: Final = """
with line as (
    select tenant_id, source, path, object_sha256
    from landing.documents
    where tenant_id = %(tenant_id)s and source = %(source)s and path = any(%(paths)s)
)

select distinct line.path, line.object_sha256, md5(json_build_array(
    line.tenant_id, line.source, line.path, line.object_sha256, ordinal
)::text)
from (select distinct * from line) as line
cross join generate_series(1, (select count(*) from line)) as ordinal
"""

# What the document may include, in any of its versions, and what that includes: gold and the index tell it under the
# document's title and headings.
INCLUDED: Final = """
with recursive told as (
    select %(path)s::text as path
    union
    select candidate.path
    from told
    join landing.documents as d using (path)
    cross join json_array_elements(d.includes) as include
    cross join json_array_elements_text(include -> 'candidates') as candidate (path)
    where d.tenant_id = %(tenant_id)s and d.source = %(source)s and d.includes is not null
)

select path from told
where path <> %(path)s and path in (
    select path from landing.documents where tenant_id = %(tenant_id)s and source = %(source)s
)
"""

FIND: Final = """
select distinct d.source, d.path
from landing.documents as d
cross join lateral (
    select count(*) as versions
    from landing.documents as l
    where (l.tenant_id, l.source, l.path) = (d.tenant_id, d.source, d.path)
) as line
cross join generate_series(1, line.versions) as ordinal
where d.tenant_id = %(tenant_id)s
    and d.object_sha256 in (
        select object_sha256 from gold.documents where tenant_id = %(tenant_id)s and document_id = %(document_id)s
    )
    and md5(json_build_array(d.tenant_id, d.source, d.path, d.object_sha256, ordinal)::text) = %(document_id)s
"""

# Of an incident, that a message was written.
TELLING: Final = """
delete from {table}
where tenant_id = %(tenant_id)s and source = %(source)s
    and (channel, message_id) in (select * from unnest(%(channels)s::text[], %(messages)s::text[]))
"""

# Statements for one document, by what they count as. Those on gold run only where it was built.
DOCUMENT: Final = {
    "landing.documents": """
        delete from landing.documents
        where tenant_id = %(tenant_id)s and source = %(source)s
            and (
                path = %(path)s
                or (path, object_sha256) in (select * from unnest(%(copies)s::text[], %(copied)s::text[]))
            )
    """,
    "landing.messages": """
        delete from landing.messages
        where tenant_id = %(tenant_id)s and source = %(source)s
            and (channel, message_id) in (select * from unnest(%(channels)s::text[], %(messages)s::text[]))
    """,
    "silver.int_documents__versioned": """
        delete from silver.int_documents__versioned
        where tenant_id = %(tenant_id)s and document_id = any(%(lines)s)
    """,
    "silver.int_insights__stated": """
        delete from silver.int_insights__stated
        where tenant_id = %(tenant_id)s and path in (
            select path from silver.int_insights__written
            where tenant_id = %(tenant_id)s and object_sha256 = any(%(unnamed)s)
        )
    """,
    "silver.int_insights__written": """
        delete from silver.int_insights__written
        where tenant_id = %(tenant_id)s and object_sha256 = any(%(unnamed)s)
    """,
    "gold.fct_insight_facts": """
        delete from gold.fct_insight_facts
        where tenant_id = %(tenant_id)s and document_id in (
            select document_id from gold.documents
            where tenant_id = %(tenant_id)s and kind = 'insight' and object_sha256 = any(%(unnamed)s)
        )
    """,
    "gold.documents": """
        delete from gold.documents
        where tenant_id = %(tenant_id)s
            and (document_id = any(%(lines)s) or kind = 'insight' and object_sha256 = any(%(unnamed)s))
    """,
    "gold.releases": """
        delete from gold.releases as r
        where r.tenant_id = %(tenant_id)s and not exists (
            select from gold.documents as d
            where (d.tenant_id, d.product, d.kind) = (r.tenant_id, r.product, r.kind)
                and d.version_from is not distinct from r.version
        )
    """,
    "gold.fct_messages": """
        delete from gold.fct_messages
        where tenant_id = %(tenant_id)s and source = %(source)s
            and (
                channel || '/' || thread_id = any(%(paths)s)
                or (channel, message_id) in (select * from unnest(%(channels)s::text[], %(messages)s::text[]))
            )
    """,
    "gold.dim_participants": """
        delete from gold.dim_participants as p
        where p.tenant_id = %(tenant_id)s and not exists (
            select from gold.fct_messages as m where (m.tenant_id, m.participant_id) = (p.tenant_id, p.participant_id)
        )
    """,
    "gold.fct_incident_events": TELLING.format(table="gold.fct_incident_events"),
    "gold.mart_incident_timeline": TELLING.format(table="gold.mart_incident_timeline"),
    "gold.fct_message_threads": """
        delete from gold.fct_message_threads
        where tenant_id = %(tenant_id)s and source = %(source)s and channel || '/' || thread_id = any(%(paths)s)
    """,
}


# Days on which only the tenant had readings, and moments at which only its rows were recorded, are told of no more.
DAYS: Final = """
with of_others as (
    select dt, max(bronze_version), min(recorded_at), max(recorded_at) from landing.telemetry group by dt
)

insert into landing.telemetry_days (day, delta_version, first_recorded_at, recorded_at) select * from of_others
"""


def tables_of(connection: Connection, schemas: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Schema, name, and whether its rows belong to tenants; partitions are left out."""
    rows = connection.execute(TABLES, (list(schemas),)).fetchall()
    return [(str(schema), str(name), bool(has_tenant)) for schema, name, has_tenant in rows]


def document_ids(connection: Connection, plan: Plan) -> set[str]:
    """All that the versions which go may have, in gold, in any index and in answers; and those of what they include."""
    doomed = {plan.target.path} | _included(connection, plan)
    return {
        document_id
        for path, sha256, document_id in _ids(connection, plan)
        if path in doomed or (path, sha256) in plan.copies
    }


def find_document(connection: Connection, tenant_id: str, document_id: str) -> Target | None:
    """By the id that citations have. None where gold does not know it."""
    if not _is_there(connection, "gold.documents"):
        return None
    row = connection.execute(FIND, {"tenant_id": tenant_id, "document_id": document_id}).fetchone()
    return Target(tenant_id, str(row[0]), str(row[1])) if row else None


def erase_tables(connection: Connection, plan: Plan) -> dict[str, int]:
    """Rows that went, by table."""
    target = plan.target
    drop_candidate(connection)
    if target.is_tenant:
        tables = [(s, n) for s, n, of_tenants in tables_of(connection, SCHEMAS) if of_tenants and n != REGISTER]
        gone = {f"{s}.{n}": _execute(connection, _of_tenant(s, n), {"tenant_id": target.tenant_id}) for s, n in tables}
        connection.execute("delete from landing.telemetry_days")
        connection.execute(DAYS)
        return gone | forget_tenant(connection, target.tenant_id)
    said = {
        **vars(target),
        "paths": sorted(plan.paths | {f"{channel}/{thread}" for channel, thread in plan.retold}),
        # Of a line that loses a version, the others get new ids: dbt writes all of them again. So it does with what
        # the document includes, which then stands elsewhere.
        "lines": sorted({document_id for _, _, document_id in _ids(connection, plan)}),
        "copies": [path for path, _ in sorted(plan.copies)],
        "copied": [sha256 for _, sha256 in sorted(plan.copies)],
        "channels": [channel for channel, _ in sorted(plan.messages)],
        "messages": [message_id for _, message_id in sorted(plan.messages)],
        # Texts that gold wrote, among them.
        "unnamed": plan.unnamed,
    }
    gone = {}
    for name, statement in DOCUMENT.items():
        if _is_there(connection, name):
            gone[name] = _execute(connection, statement, said)
    gone |= forget_findings(connection, target.tenant_id)
    return gone | {"registry.cursors": _prune_cursor(connection, target)}


def begin(connection: Connection, target: Target, now: Any) -> None:
    connection.execute(
        "insert into registry.erasures (tenant_id, document_sha256, erased_at) values (%s, %s, %s) "
        "on conflict (tenant_id, document_sha256) do update set erased_at = excluded.erased_at, finished_at = null",
        (target.tenant_id, target.digest, now),
    )


def finish(connection: Connection, target: Target, now: Any) -> None:
    connection.execute(
        "update registry.erasures set finished_at = %s where tenant_id = %s and document_sha256 = %s",
        (now, target.tenant_id, target.digest),
    )


def was_erased(connection: Connection, target: Target) -> bool:
    row = connection.execute(
        "select 1 from registry.erasures where tenant_id = %s and document_sha256 = %s",
        (target.tenant_id, target.digest),
    ).fetchone()
    return row is not None


def _ids(connection: Connection, plan: Plan) -> list[tuple[str, str, str]]:
    said = {**vars(plan.target), "paths": sorted(plan.paths | _included(connection, plan))}
    return [(str(path), str(sha), str(one)) for path, sha, one in connection.execute(IDS, said).fetchall()]


def _included(connection: Connection, plan: Plan) -> set[str]:
    return {str(path) for (path,) in connection.execute(INCLUDED, vars(plan.target)).fetchall()}


def _of_tenant(schema: str, name: str) -> Composed:
    return SQL("delete from {} where tenant_id = %(tenant_id)s").format(Identifier(schema, name))


def _execute(connection: Connection, statement: Any, said: dict[str, Any]) -> int:
    return connection.execute(statement, said).rowcount


def _is_there(connection: Connection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    return row is not None and bool(row[0])


def _prune_cursor(connection: Connection, target: Target) -> int:
    """What a connector remembers by the document's name, or by that of its thread. One that is no JSON goes whole."""
    key = (target.tenant_id, target.source)
    row = connection.execute(
        "select cursor from registry.cursors where tenant_id = %s and source = %s for update", key
    ).fetchone()
    if row is None:
        return 0
    names = {target.path} | {target.path[at + 1 :] for at, letter in enumerate(target.path) if letter == "/"}
    pruned = _without(str(row[0]), names)
    if pruned == row[0]:
        return 0
    if target.path in pruned:
        return connection.execute("delete from registry.cursors where tenant_id = %s and source = %s", key).rowcount
    return connection.execute(
        "update registry.cursors set cursor = %s where tenant_id = %s and source = %s", (pruned, *key)
    ).rowcount


def _without(value: Any, names: set[str]) -> Any:
    """JSON, also where it is text within JSON, without what has one of the names."""
    if isinstance(value, dict):
        return {name: _without(one, names) for name, one in value.items() if name not in names}
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.dumps(_without(json.loads(value), names))
        except ValueError:
            return value
    return value
