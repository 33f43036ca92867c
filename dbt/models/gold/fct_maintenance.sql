{{ config(indexes=[
    {'columns': ['tenant_id', 'maintenance_id'], 'unique': true},
    {'columns': ['tenant_id', 'known_as', 'ended_at']},
]) }}

{% set work = "partition by tenant_id, known_as, stated_id, turn = 3 order by ts, turn, event_id" %}

with told as (

    {{ named_events(['maintenance_started', 'maintenance_finished', 'maintenance_performed']) }}

),

stated as (

    select
        *,
        coalesce({{ attribute('maintenance_id') }}, '') as stated_id,
        {{ attribute('kind') }} as kind,
        {{ attribute('component') }} as component,
        -- Of one moment, a start comes before an end.
        array_position(
            array['maintenance_started', 'maintenance_finished', 'maintenance_performed'], event_type
        ) as turn
    from told

),

marked as (

    select
        *,
        -- A start opens work, unless it repeats one; so does an end that nothing opened. What was performed at once is
        -- told apart by its id, where it has one.
        case turn
            when 1 then lag(turn) over ({{ work }}) is distinct from 1
            when 2 then lag(turn) over ({{ work }}) is null
            else stated_id = '' or lag(turn) over ({{ work }}) is null
        end as is_new
    from stated

),

numbered as (

    select
        *,
        count(*) filter (where is_new) over ({{ work }}) as number
    from marked

),

grouped as (

    select
        tenant_id,
        known_as,
        (array_agg(event_id order by ts, turn, event_id))[1] as event_id,
        (array_agg(device_id order by ts, turn, event_id))[1] as device_id,
        (array_agg(kind order by ts, turn, event_id) filter (where kind is not null))[1] as kind,
        (array_agg(component order by ts, turn, event_id) filter (where component is not null))[1] as component,
        min(ts) filter (where turn = 1) as started_at,
        min(ts) filter (where turn <> 1) as ended_at,
        (array_agg(event_id order by ts, turn, event_id) filter (where turn <> 1))[1] as end_event_id,
        (array_agg(message order by ts desc, turn desc, event_id) filter (where message is not null))[1] as message,
        (array_agg(object_sha256 order by ts, turn, event_id))[1] as object_sha256,
        max(recorded_at) as recorded_at
    from numbered
    group by tenant_id, known_as, stated_id, turn = 3, number

)

select
    tenant_id,
    md5(json_build_array(tenant_id, 'maintenance', event_id)::text) as maintenance_id,
    device_id,
    known_as,
    kind,
    component,
    started_at,
    ended_at,
    message,
    event_id,
    end_event_id,
    object_sha256,
    recorded_at
from grouped
