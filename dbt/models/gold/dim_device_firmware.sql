{{ config(indexes=[{'columns': ['tenant_id', 'device_id', 'valid_from'], 'unique': true}]) }}

with stretches as (

    select * from {{ ref('int_devices__stated') }}
    where attribute = 'firmware'

)

select
    tenant_id,
    device_id,
    value as firmware,
    valid_from,
    lead(valid_from) over (partition by tenant_id, device_id order by valid_from) as valid_to,
    recorded_at
from stretches
