create extension if not exists vector;

-- An index of an earlier shape (one partition a version) goes: 'iotops index build' makes it again from gold. What was
-- embedded stays, so that this takes no new vectors.
do $$
begin
    if exists (
        select from information_schema.columns
        where table_schema = 'search' and table_name = 'chunks' and column_name = 'index_version'
    ) then
        drop table search.active, search.chunks, search.index_versions;
        alter table search.embeddings alter column embedding type halfvec(384);
        raise warning 'the search index had the shape of an earlier release and was dropped: run ''iotops index build''';
    end if;
end $$;

-- Index versions. The id is a hash of what the index is made of, so equal inputs are one version. Versions of one family
-- (splitter, embedder, parameters) share rows: the number of a version says which of them are its own.
-- written_*: of the chunks that the build of this version added.
create schema if not exists search;
create table if not exists search.index_versions (
    index_version    text primary key check (index_version ~ '^[0-9a-f]{16}$'),
    family           text not null check (family ~ '^[0-9a-f]{16}$'),
    number           bigint not null,
    status           text not null check (status in ('building', 'ready', 'failed')),
    gold_snapshot    text not null,
    splitter         text not null,
    embedder         text not null,
    parameters       jsonb not null,
    documents        bigint not null default 0,
    chunks           bigint not null default 0,
    checksum         text,
    written_chunks   bigint not null default 0,
    written_checksum text,
    failure          text,
    created_at       timestamptz not null,
    unique (family, number)
);

-- The version that questions are answered from, and the one before it.
create table if not exists search.active (
    singleton      boolean primary key default true check (singleton),
    index_version  text not null references search.index_versions,
    previous       text references search.index_versions,
    promoted_at    timestamptz not null
);
create table if not exists search.promotions (
    promotion_id  bigint generated always as identity primary key,
    index_version text not null,
    previous      text,
    action        text not null check (action in ('promote', 'rollback')),
    promoted_at   timestamptz not null
);

-- Every text once, whatever the versions that hold it: a rebuild embeds nothing again.
create table if not exists search.embeddings (
    embedder    text not null,
    text_sha256 bytea not null,
    embedding   halfvec(384) not null,
    primary key (embedder, text_sha256)
);

-- One partition an index family, attached when its first version is complete. A row is of all versions of the family
-- from number `added` to the one before `removed`. byte_start and byte_end count from the object's start.
-- What an exact scan reads of every row stands first: behind the texts it takes half as long again (adr 0009).
create table if not exists search.chunks (
    family         text not null,
    added          bigint not null,
    removed        bigint,
    tenant_id      text not null,
    chunk_id       text not null,
    kind           text not null,
    product        text,
    release_key    text,
    valid_to       timestamptz,
    recorded_at    timestamptz not null,
    embedding      halfvec(384) not null,
    document_id    text not null,
    ordinal        integer not null,
    title          text not null,
    heading_path   text[] not null,
    lead           text not null,
    text           text not null,
    object_sha256  text not null,
    byte_start     bigint not null,
    byte_end       bigint not null,
    version_from   text,
    version_to     text,
    version_key    bigint[] not null,
    valid_from     timestamptz not null,
    classification text not null,
    url            text,
    primary key (family, tenant_id, chunk_id, added)
) partition by list (family);
-- What its file is called, where neither title nor text says it.
alter table search.chunks add column if not exists name text not null default '';
alter table search.chunks alter column embedding set storage plain; -- out of line, an exact scan would take twice as long

-- How many rows a tenant has of each release ('' for none): whether a question scans them or searches their graph.
-- current: of them, those that are in force in the newest version.
create table if not exists search.sizes (
    family      text not null,
    tenant_id   text not null,
    release_key text not null,
    chunks      bigint not null,
    current     bigint not null,
    primary key (family, tenant_id, release_key)
);

-- The rows of gold that the chunks were made from, so that a build finds what has changed since.
create table if not exists search.documents (
    family      text not null,
    tenant_id   text not null,
    document_id text not null,
    added       bigint not null,
    removed     bigint,
    row_md5     uuid not null,
    chunks      integer not null,
    primary key (family, tenant_id, document_id, added)
);

-- Answers as given and who asked what. They outlive index versions and rebuilds of the warehouse.
create schema if not exists copilot;
create table if not exists copilot.answers (
    tenant_id     text not null,
    answer_id     text not null,
    asked_at      timestamptz not null,
    question      text not null,
    status        text not null,
    index_version text,
    body          jsonb not null,
    primary key (tenant_id, answer_id)
);
create table if not exists copilot.audit (
    tenant_id text not null,
    at        timestamptz not null,
    action    text not null,
    subject   text not null,
    outcome   text not null
);

-- Scorecards by index version and suite; the gate of a promotion compares with the active version's newest.
create table if not exists search.evaluations (
    evaluation_id bigint generated always as identity primary key,
    index_version text not null,
    suite         text not null,
    evaluated_at  timestamptz not null,
    questions     int not null,
    correct       int not null,
    stale         int not null,
    scorecard     jsonb not null
);

-- Whose rows a session may read: of the tenants in its setting iotops.tenants, whatever statement it runs. Owners and
-- superusers are above policies, so a session that answers becomes iotops_reader (rag/tenancy.py), which owns nothing and
-- cannot log in. Tables and schemas that dbt makes are readable to it by default privileges; they have no policies.
-- In one block, done once: where creating a role is not allowed, nothing of it is left.
do $$
declare
    may_set constant text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
    schema_name text;
    policed regclass;
begin
    if (select relrowsecurity from pg_class where oid = 'search.chunks'::regclass)
        and exists (select from pg_roles where rolname = 'iotops_reader' and pg_has_role(oid, may_set)) then
        return;
    end if;
    if not exists (select from pg_roles where rolname = 'iotops_reader') then
        begin
            create role iotops_reader nologin noinherit nobypassrls;
        exception when duplicate_object or unique_violation then null; -- by another database of this server, just now
        end;
    end if;
    if not pg_has_role('iotops_reader', may_set) then
        grant iotops_reader to current_user;
    end if;
    foreach policed in array array['search.chunks', 'search.sizes', 'copilot.answers', 'copilot.audit']::regclass[] loop
        execute format('alter table %s enable row level security', policed);
        execute format('drop policy if exists of_tenants on %s', policed);
        execute format(
            'create policy of_tenants on %s using (tenant_id = any ('
            '(select string_to_array(current_setting(''iotops.tenants'', true), '',''))::text[]))',
            policed
        );
    end loop;
    grant select on search.chunks, search.sizes, search.index_versions, search.active to iotops_reader;
    grant select, insert on copilot.answers to iotops_reader;
    grant insert on copilot.audit to iotops_reader;
    for schema_name in
        select nspname from pg_namespace where nspname !~ '^(pg_|information_schema|search$|copilot$)'
    loop
        execute format('grant usage on schema %I to iotops_reader', schema_name);
        execute format('grant select on all tables in schema %I to iotops_reader', schema_name);
    end loop;
    grant usage on schema search, copilot to iotops_reader;
    alter default privileges grant usage on schemas to iotops_reader;
    alter default privileges grant select on tables to iotops_reader;
exception
    when insufficient_privilege then
        raise warning 'tenants are kept apart by the filters of each statement alone, as this user may not create the '
            'role iotops_reader: let an administrator run "create role iotops_reader nologin; grant iotops_reader to %"',
            current_user;
end $$;
