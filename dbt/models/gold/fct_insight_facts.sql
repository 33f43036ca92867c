{{ config(indexes=[{'columns': ['tenant_id', 'document_id', 'ordinal'], 'unique': true}]) }}

with lines as (

    select
        lines.*,
        written.document_id,
        sum(octet_length(lines.line) + 1) over (
            partition by lines.tenant_id, lines.path order by lines.ordinal
        ) as next_start
    from {{ ref('int_insights__stated') }} as lines
    inner join {{ ref('int_insights__written') }} as written
        on written.tenant_id = lines.tenant_id
        and written.path = lines.path

)

select
    tenant_id,
    document_id,
    ordinal,
    line,
    next_start - octet_length(line) - 1 as byte_start,
    next_start - 1 as byte_end,
    table_name,
    key
from lines
