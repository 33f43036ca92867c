{#
  A table of which a build computes only the rows that changed: the model's SQL gives each of them whole.

  Config: unique_key; every_key, where rows can go: the name of a model of silver that has the keys of all rows.
#}
{% materialization by_key, adapter='postgres' %}
    {%- set key = config.require('unique_key') -%}
    {%- set news = news_of(this) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ create_table_as(false, news, sql) }}
    {%- endcall %}
    {% do create_indexes(news) %}
    {%- set served = published() %}
    {%- set gone = this.incorporate(path={'identifier': this.identifier ~ '__gone'}) -%}
    {% if served and config.get('every_key') %}
    {% call statement('gone') -%}
        create table {{ gone }} as
        select {{ key | join(', ') }} from {{ served }} as served
        where not exists (
            select from silver.{{ config.get('every_key') }} as known where {{ same_key(key, 'known', 'served') }}
        )
    {%- endcall %}
    {% endif %}
    {% call statement('view') -%}
        create view {{ this }} as
        select * from {{ news }}
        {%- if served %}
        union all
        select {{ get_column_names_of_contract() }} from {{ served }} as served
        where not exists (select from {{ news }} as news where {{ same_key(key, 'news', 'served') }})
        {%- if config.get('every_key') %}
            and not exists (select from {{ gone }} as gone where {{ same_key(key, 'gone', 'served') }})
        {%- endif %}
        {%- endif %}
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{% macro same_key(key, one, other) -%}
    {%- for column in key %}{{ one }}.{{ column }} = {{ other }}.{{ column }}{{ ' and ' if not loop.last }}{% endfor -%}
{%- endmacro %}
