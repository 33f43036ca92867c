{{ config(materialized='make_days', half=1) }}

-- depends_on: {{ ref('int_readings__normalised') }}
{{ readings_of_a_day(ref('int_readings__normalised')) }}
