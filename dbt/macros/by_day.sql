{#
  A table partitioned by day, of which a build makes only the touched days, each anew and whole.

  The model's SQL is of one day: it reads `{{ of_day('ts') }}`. It states what `make_days` fills the day's table with;
  here that becomes a partition of the candidate. Promotion hands it over to the table that is served.

  Config: day_column (timestamptz or date), indexes (one of them unique: the key).
#}
{% materialization by_day, adapter='postgres' %}
    {%- set column = config.require('day_column') -%}
    {%- set news = news_of(this) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ get_assert_columns_equivalent(on_day(sql, ['2000-01-01', '2000-01-02'])) }}
        create table {{ news }} {{ get_table_columns_and_constraints() }} partition by range ({{ column }})
    {%- endcall %}
    {% do create_indexes(news) %}
    {% set days = touched_days() %}
    {% for day in days %}
        {% call statement('day') -%}
            {{ attach_day(news, day) }}
        {%- endcall %}
    {% endfor %}
    {% call statement('view') -%}
        create view {{ this }} as
        select * from {{ news }}
        {%- set served = published() %}
        {%- if served %}
        union all
        select {{ get_column_names_of_contract() }} from {{ served }}
        {{ where_not_touched(column, days) }}
        {%- endif %}
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{#
  The tables of the touched days, each filled before it gets its constraints and index; every second day, so that two
  threads share them. Nothing else is made: `by_day` takes them from `gold_partitions`.

  Most days were received once, and settling takes half of the time of a day's readings: they are copied as they are, and
  settled where the index on their key finds one that came twice.

  Config: half (0 or 1).
#}
{% materialization make_days, adapter='postgres' %}
    {{ run_hooks(pre_hooks) }}
    {# Two nodes take both cores, and workers for each statement time from both. A day is read whole. #}
    {% call statement('main') -%}
        set local max_parallel_workers_per_gather = 0;
        set local max_parallel_maintenance_workers = 0;
        set local enable_bitmapscan = off
    {%- endcall %}
    {% for day in touched_days() %}
        {% if loop.index0 % 2 == config.require('half') %}
            {% call statement('day') -%}
                {%- set received = ref('int_readings__normalised') %}
                {%- set readings = table_of_day('fct_readings', day) %}
                {%- set hours = table_of_day('fct_readings_hourly', day) %}
                do $readings$ begin
                    {{ fill_day('fct_readings', received_of_a_day(received), day) }}
                exception when unique_violation then
                    {{ fill_day('fct_readings', sql, day) }}
                end $readings$;
                {{ fill_day('fct_readings_hourly', hours_of_a_day(readings), day) }}
                {{ fill_day('fct_readings_daily', days_of_a_day(hours), day) }}
                {{ fill_day('fct_device_sightings', sightings_of_a_day(readings), day) }}
            {%- endcall %}
        {% endif %}
    {% endfor %}
    {{ adapter.commit() }}
    {{ return({'relations': []}) }}
{% endmaterialization %}

{% macro table_of_day(model_name, day) -%}
    gold_partitions."{{ model_name }}_{{ day[0] | replace('-', '') }}_{{ invocation_id[:8] }}"
{%- endmacro %}

{# As the model's contract and config say: the columns in their order (rows are compared by position when a day is
   replaced), what may not be null, the index. Attaching it then takes no look at its rows. #}
{% macro fill_day(model_name, sql, day) -%}
    {%- set node = graph.nodes['model.iotops.' ~ model_name] -%}
    {%- set table = table_of_day(model_name, day) -%}
    {%- set column = node.config.day_column -%}
    {%- set bounds = bounds_of_day(node, day) -%}
    create table {{ table }} as
    select {{ node.columns.values() | map(attribute='name') | join(', ') }}
    from ({{ on_day(sql, day) }}) as of_day;
    alter table {{ table }}
        {%- for name in required_columns(node) %} alter column {{ name }} set not null,{% endfor %}
        {%- for rule in node.constraints if rule.type == 'check' %}
        add constraint {{ rule.name }} check ({{ rule.expression }}),
        {%- endfor %}
        add constraint of_day check ({{ column }} >= {{ bounds[0] }} and {{ column }} < {{ bounds[1] }});
    {%- for index in node.config.indexes %}
    create {{ 'unique ' if index.unique }}index on {{ table }} ({{ index.columns | join(', ') }});
    {%- endfor %}
{%- endmacro %}

{% macro attach_day(news, day) -%}
    {%- set bounds = bounds_of_day(model, day) -%}
    alter table {{ news }} attach partition {{ table_of_day(this.identifier, day) }}
        for values from ({{ bounds[0] }}) to ({{ bounds[1] }})
{%- endmacro %}

{# Midnights in UTC, or dates, as the column of the day is. #}
{% macro bounds_of_day(node, day) -%}
    {%- set midnight = '' if node.columns[node.config.day_column].data_type == 'date' else ' 00:00+00' -%}
    {{ return(["'" ~ day[0] ~ midnight ~ "'", "'" ~ day[1] ~ midnight ~ "'"]) }}
{%- endmacro %}

{% macro where_not_touched(column, days) -%}
    where true
    {%- for day in days %}
        {%- set bounds = bounds_of_day(model, day) %}
        and not ({{ column }} >= {{ bounds[0] }} and {{ column }} < {{ bounds[1] }})
    {%- endfor %}
{%- endmacro %}

{# Of a timestamptz column, in UTC, whatever the session's zone is. #}
{% macro of_day(column) -%}
    {{ column }} >= '{{ var('day', '__day__') }} 00:00+00'::timestamptz
    and {{ column }} < '{{ var('next_day', '__next__') }} 00:00+00'::timestamptz
{%- endmacro %}

{# [day, the day after it], as text. #}
{% macro touched_days() %}
    {{ return(run_query("select day::text, (day + 1)::text from registry.touched_days order by day").rows) }}
{% endmacro %}

{% macro on_day(sql, day) %}
    {{ return(sql | replace('__day__', day[0]) | replace('__next__', day[1])) }}
{% endmacro %}

{% macro required_columns(node) %}
    {%- set names = [] -%}
    {%- for column in node.columns.values() if column.constraints | selectattr('type', 'equalto', 'not_null') | list -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}

{% macro get_column_names_of_contract() -%}
    {{ model.columns.values() | map(attribute='name') | join(', ') }}
{%- endmacro %}
