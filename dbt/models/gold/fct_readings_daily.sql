{{ config(
    materialized='by_day',
    day_column='day',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'day'], 'unique': true}]
) }}

{{ days_of_a_day(ref('fct_readings_hourly')) }}
