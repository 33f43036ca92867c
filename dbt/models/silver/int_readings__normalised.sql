-- Rounded to nine decimals where it was converted, so that 32 °F and 0 °C are one value.
with converted as (

    select
        readings.tenant_id,
        readings.dt,
        readings.device_id,
        readings.metric,
        readings.ts,
        case
            when units.unit is null then readings.value
            else round((readings.value * units.factor + units.shift)::numeric, 9)::double precision
        end as value,
        coalesce(units.gold_unit, readings.unit) as unit,
        readings.firmware,
        readings.site,
        readings.model,
        readings.object_sha256,
        readings.row_number,
        readings.bronze_version,
        readings.recorded_at
    from {{ ref('stg_telemetry__readings') }} as readings
    left join {{ units() }}
        on units.unit = readings.unit

)

select
    *,
    ts <= recorded_at + interval '5 minutes' and ts >= '2000-01-01 00:00+00' as is_possible,
    case
        when ts > recorded_at + interval '5 minutes' then 'clock ahead'
        when ts < '2000-01-01 00:00+00' then 'clock not set'
    end as set_aside
from converted
