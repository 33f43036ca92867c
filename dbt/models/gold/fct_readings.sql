{{ config(
    materialized='by_day',
    day_column='ts',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'ts'], 'unique': true}]
) }}

-- depends_on: {{ ref('int_readings__even_days') }}, {{ ref('int_readings__odd_days') }}
{{ readings_of_a_day(ref('int_readings__normalised')) }}
