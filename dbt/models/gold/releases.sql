{{ config(indexes=[
    {'columns': ['tenant_id', 'product', 'kind', 'version'], 'unique': true},
]) }}

with stated as (

    select * from {{ ref('documents') }}
    where product is not null

),

releases as (

    select
        tenant_id,
        product,
        kind,
        version_from as version,
        min(recorded_at) as first_recorded_at,
        -- A release is gone when the last of its documents is.
        case when bool_and(valid_to is not null) then max(valid_to) end as valid_to
    from stated
    group by tenant_id, product, kind, version_from

)

select
    tenant_id,
    product,
    kind,
    version,
    {{ version_key('version') }} as version_key,
    first_recorded_at,
    valid_to
from releases
