-- The lines of an insight as one text, which is stored under its hash as every other text is.
{{ config(materialized='table') }}

with texts as (

    select
        tenant_id,
        path,
        title,
        string_agg(line, e'\n' order by ordinal) as text,
        max(recorded_at) as recorded_at
    from {{ ref('int_insights__stated') }}
    group by tenant_id, path, title

),

addressed as (

    select
        *,
        encode(sha256(convert_to(text, 'UTF8')), 'hex') as object_sha256
    from texts

)

select
    *,
    md5(json_build_array(tenant_id, 'insights', path, object_sha256)::text) as document_id
from addressed
