-- Every version of every document, without its text: what is new, ended or gone is told from this.
{% set content = [
    'kind', 'title', 'object_sha256', 'byte_start', 'byte_end', 'product', 'version_from', 'version_to', 'valid_from',
    'classification', 'url', 'deleted'
] %}

{{ config(materialized='table', indexes=[{'columns': ['tenant_id', 'document_id'], 'unique': true}]) }}

with manifest as (

    select
        tenant_id,
        source,
        path,
        kind,
        title,
        object_sha256,
        byte_start,
        byte_end,
        product,
        version_from,
        version_to,
        valid_from,
        classification,
        url,
        deleted,
        bronze_version,
        recorded_at
    from {{ ref('stg_documents__manifest') }}

),

-- A line is one path of one source. A row that repeats the one before it on its line is no new version.
marked as (

    select
        *,
        {{ says_something_new(content, 'line') }} as is_new
    from manifest
    window line as (partition by tenant_id, source, path order by recorded_at, bronze_version, object_sha256)

),

numbered as (

    select
        *,
        count(*) filter (where not deleted) over line as ordinal
    from marked
    where is_new
    window line as (
        partition by tenant_id, source, path
        order by recorded_at, bronze_version, object_sha256
        rows unbounded preceding
    )

),

identified as (

    select
        *,
        case
            when not deleted
            then md5(json_build_array(tenant_id, source, path, object_sha256, ordinal)::text)
        end as document_id
    from numbered

),

superseded as (

    select
        *,
        lead(recorded_at) over line as valid_to,
        lead(document_id) over line as superseded_by
    from identified
    window line as (partition by tenant_id, source, path order by recorded_at, bronze_version, object_sha256)

),

-- A snippet says nothing of its own release where those who include it say it: it is then of their kind as well.
versions as (

    select
        superseded.tenant_id,
        superseded.source,
        superseded.path,
        superseded.document_id,
        case when takes.release is null then superseded.kind else takes.release ->> 0 end as kind,
        superseded.title,
        superseded.object_sha256,
        superseded.byte_start,
        superseded.byte_end,
        coalesce(superseded.product, takes.release ->> 1) as product,
        coalesce(superseded.version_from, takes.release ->> 2) as version_from,
        coalesce(superseded.version_to, takes.release ->> 3) as version_to,
        superseded.valid_from,
        superseded.valid_to,
        superseded.recorded_at,
        superseded.superseded_by,
        superseded.classification,
        superseded.url,
        included.included_in
    from superseded
    left join {{ ref('int_documents__included') }} as included
        on included.tenant_id = superseded.tenant_id
        and included.source = superseded.source
        and included.path = superseded.path
    left join lateral (
        select included.release
        where included.release ->> 1 is not null
            and (superseded.product is null or superseded.version_from is null)
            and coalesce(superseded.product, included.release ->> 1) = included.release ->> 1
            and (superseded.version_from is null or superseded.version_from = included.release ->> 2)
    ) as takes on true
    where not superseded.deleted

),

releases as (

    select
        *,
        {{ version_key('version_from') }} as version_order
    from (
        select
            tenant_id,
            product,
            kind,
            version_from,
            bool_or(valid_to is null) as is_current
        from versions
        where product is not null and version_from ~ '\d|^[A-Za-z]{1,2}$'
        group by tenant_id, product, kind, version_from
    ) as stated

),

-- A release ends where the next higher one begins that still has documents.
ranges as (

    select
        releases.*,
        (
            select later.version_from
            from releases as later
            where later.tenant_id = releases.tenant_id
                and later.product = releases.product
                and later.kind = releases.kind
                and later.is_current
                and later.version_order > releases.version_order
            order by later.version_order, later.version_from
            limit 1
        ) as next_version
    from releases

),

ranged as (

    select
        versions.tenant_id,
        versions.document_id,
        versions.kind,
        versions.title,
        versions.object_sha256,
        versions.byte_start,
        versions.byte_end,
        versions.product,
        versions.version_from,
        coalesce(versions.version_to, ranges.next_version) as version_to,
        coalesce(versions.valid_from, versions.recorded_at) as valid_from,
        versions.valid_to,
        versions.recorded_at,
        versions.superseded_by,
        versions.classification,
        versions.url,
        versions.path,
        versions.included_in
    from versions
    left join ranges
        on ranges.tenant_id = versions.tenant_id
        and ranges.product = versions.product
        and ranges.kind = versions.kind
        and ranges.version_from = versions.version_from

),

-- An insight has no history: as facts change it is another one, and the former is gone.
insights as (

    select
        tenant_id,
        document_id,
        'insight' as kind,
        title,
        object_sha256,
        0::bigint as byte_start,
        octet_length(text)::bigint as byte_end,
        null as product,
        null as version_from,
        null as version_to,
        recorded_at as valid_from,
        null::timestamptz as valid_to,
        recorded_at,
        null as superseded_by,
        'internal' as classification,
        null as url,
        null as path,
        null::jsonb as included_in
    from {{ ref('int_insights__written') }}

)

select * from ranged
union all
select * from insights
