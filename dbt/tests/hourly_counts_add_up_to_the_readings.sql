-- Of the newest day that was made anew: all are made by the same statement, and to count ten million rows takes 10 s.
{% set newest = "(select max(day) from registry.touched_days)::timestamp at time zone 'UTC'" %}

select *
from
    (
        select count(*) as readings
        from {{ news_of(ref('fct_readings')) }}
        where ts >= {{ newest }} and ts < {{ newest }} + interval '24 hours'
    ) as readings,
    (
        select coalesce(sum(reading_count), 0) as counted
        from {{ news_of(ref('fct_readings_hourly')) }}
        where hour >= {{ newest }} and hour < {{ newest }} + interval '24 hours'
    ) as hours
where readings <> counted
