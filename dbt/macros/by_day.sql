{#
  A table partitioned by day, of which a build computes only the touched days, each anew and whole.

  The model's SQL is of one day: it reads `{{ of_day('ts') }}`. Each day becomes a table of its own, filled without an
  index and by a parallel plan, which an insert cannot have; promotion hands it over to the table that is served.

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
            {{ build_day(news, column, day) }}
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

{% macro where_not_touched(column, days) -%}
    {%- set midnight = '' if model.columns[column].data_type == 'date' else ' 00:00+00' -%}
    where true
    {%- for day in days %}
        and not ({{ column }} >= '{{ day[0] }}{{ midnight }}' and {{ column }} < '{{ day[1] }}{{ midnight }}')
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

{% macro build_day(news, column, day) -%}
    {%- set name = this.identifier ~ '_' ~ day[0] | replace('-', '') -%}
    {%- set table = 'gold_partitions."' ~ name ~ '_' ~ invocation_id[:8] ~ '"' -%}
    {%- set midnight = '' if model.columns[column].data_type == 'date' else ' 00:00+00' -%}
    create table {{ table }} as {{ get_select_subquery(on_day(sql, day)) }};
    alter table {{ table }}
        {%- for name in required_columns() %} alter column {{ name }} set not null,{% endfor %}
        add constraint "{{ name }}_day"
            check ({{ column }} >= '{{ day[0] }}{{ midnight }}' and {{ column }} < '{{ day[1] }}{{ midnight }}');
    alter table {{ news }} attach partition {{ table }}
        for values from ('{{ day[0] }}{{ midnight }}') to ('{{ day[1] }}{{ midnight }}')
{%- endmacro %}

{% macro required_columns() %}
    {%- set names = [] -%}
    {%- for column in model.columns.values() if column.constraints | selectattr('type', 'equalto', 'not_null') | list -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}

{% macro get_column_names_of_contract() -%}
    {{ model.columns.values() | map(attribute='name') | join(', ') }}
{%- endmacro %}
