{{ config(
    materialized='by_key',
    unique_key=['tenant_id', 'document_id'],
    every_key='int_documents__versioned',
    indexes=[
        {'columns': ['tenant_id', 'document_id'], 'unique': true},
        {'columns': ['tenant_id', 'product', 'kind']},
    ]
) }}

{% set served = published() %}
{% set stated = [
    'kind', 'title', 'byte_start', 'byte_end', 'product', 'version_from', 'version_to', 'valid_from', 'valid_to',
    'recorded_at', 'superseded_by', 'classification', 'url', 'path', 'included_in'
] %}

with versioned as (

    select * from {{ ref('int_documents__versioned') }}

),

-- Only what is new or ended: a text that stays as it is must not be read or written again.
changed as (

    select versioned.*
    from versioned
    {%- if served %}
    left join {{ served }} as served
        on served.tenant_id = versioned.tenant_id
        and served.document_id = versioned.document_id
    where served.document_id is null
        or ({% for name in stated %}served.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
        is distinct from ({% for name in stated %}versioned.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
    {%- endif %}

),

-- The same bytes are the same text, whichever row of the manifest names them.
landed as (

    select distinct on (tenant_id, object_sha256, byte_start, byte_end)
        tenant_id,
        object_sha256,
        byte_start,
        byte_end,
        text
    from {{ ref('stg_documents__manifest') }}
    where not deleted
        and (tenant_id, object_sha256, byte_start, byte_end) in (
            select tenant_id, object_sha256, byte_start, byte_end from changed
        )
    order by tenant_id, object_sha256, byte_start, byte_end

),

texts as (

    select * from landed
    union
    select tenant_id, object_sha256, 0 as byte_start, octet_length(text) as byte_end, text
    from {{ ref('int_insights__written') }}

)

select
    changed.tenant_id,
    changed.document_id,
    changed.kind,
    changed.title,
    texts.text,
    changed.object_sha256,
    changed.byte_start,
    changed.byte_end,
    changed.product,
    changed.version_from,
    changed.version_to,
    changed.valid_from,
    changed.valid_to,
    changed.recorded_at,
    changed.superseded_by,
    changed.classification,
    changed.url,
    changed.path,
    changed.included_in
from changed
left join texts
    on texts.tenant_id = changed.tenant_id
    and texts.object_sha256 = changed.object_sha256
    and texts.byte_start = changed.byte_start
    and texts.byte_end = changed.byte_end
