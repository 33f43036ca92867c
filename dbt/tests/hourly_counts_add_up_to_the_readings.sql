select *
from
    (select count(*) as readings from {{ news_of(ref('fct_readings')) }}) as readings,
    (select coalesce(sum(reading_count), 0) as counted from {{ news_of(ref('fct_readings_hourly')) }}) as hours
where readings <> counted
