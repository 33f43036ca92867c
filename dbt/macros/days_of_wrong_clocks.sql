{# The days, as literals, whose new rows may have impossible times. #}
{% macro days_of_wrong_clocks() %}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = run_query(
        "select distinct quote_literal(days.day) from landing.telemetry_days as days "
        ~ "join registry.increments as increment on increment.table_name = 'telemetry' "
        ~ "where days.delta_version > increment.after_version and days.delta_version <= increment.upto_version "
        ~ "and (days.day < '2000-01-01' or days.first_recorded_at < (days.day + 1)::timestamp at time zone 'UTC')"
    ) -%}
    {{ return(found.columns[0].values()) }}
{% endmacro %}
