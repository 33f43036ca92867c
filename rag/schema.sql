create extension if not exists vector;

-- Index versions. The id is a hash of what the index is made of, so equal inputs are one version.
create schema if not exists search;
create table if not exists search.index_versions (
    index_version text primary key check (index_version ~ '^[0-9a-f]{16}$'),
    status        text not null check (status in ('building', 'ready', 'failed')),
    gold_snapshot text not null,
    splitter      text not null,
    embedder      text not null,
    parameters    jsonb not null,
    documents     bigint not null default 0,
    chunks        bigint not null default 0,
    checksum      text,
    failure       text,
    created_at    timestamptz not null
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
    embedding   vector(384) not null,
    primary key (embedder, text_sha256)
);

-- One partition an index version, attached when it is complete. byte_start and byte_end count from the object's start.
create table if not exists search.chunks (
    index_version  text not null,
    tenant_id      text not null,
    chunk_id       text not null,
    document_id    text not null,
    ordinal        integer not null,
    kind           text not null,
    title          text not null,
    heading_path   text[] not null,
    lead           text not null,
    text           text not null,
    object_sha256  text not null,
    byte_start     bigint not null,
    byte_end       bigint not null,
    product        text,
    version_from   text,
    version_to     text,
    version_key    bigint[] not null,
    release_key    text,
    valid_from     timestamptz not null,
    valid_to       timestamptz,
    recorded_at    timestamptz not null,
    classification text not null,
    url            text,
    embedding      vector(384) not null,
    primary key (index_version, tenant_id, chunk_id)
) partition by list (index_version);
alter table search.chunks alter column embedding set storage plain; -- out of line, an exact scan would take twice as long

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
