{{ config(indexes=[{'columns': ['tenant_id', 'device_id', 'valid_from'], 'unique': true}]) }}

with sighted as (

    select * from {{ ref('int_firmware__sighted') }}

),

-- Two series that disagree at one moment: the one that says so longer is right.
one_a_moment as (

    select distinct on (tenant_id, device_id, ts) *
    from sighted
    order by tenant_id, device_id, ts, last_ts desc, firmware desc

),

marked as (

    select
        *,
        firmware is distinct from lag(firmware) over device as is_new
    from one_a_moment
    window device as (partition by tenant_id, device_id order by ts)

),

numbered as (

    select
        *,
        count(*) filter (where is_new) over (partition by tenant_id, device_id order by ts) as stretch
    from marked

),

stretches as (

    select
        tenant_id,
        device_id,
        firmware,
        min(ts) as valid_from,
        min(recorded_at) as recorded_at
    from numbered
    group by tenant_id, device_id, firmware, stretch

)

select
    tenant_id,
    device_id,
    firmware,
    valid_from,
    lead(valid_from) over (partition by tenant_id, device_id order by valid_from) as valid_to,
    recorded_at
from stretches
