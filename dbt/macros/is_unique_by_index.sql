{# A unique index takes two nulls for two values, so it says nothing of a column that may be null. #}
{% macro is_unique_by_index(relation, columns) %}
    {%- set found = run_query(
        "select count(*) from pg_index as i where i.indrelid = to_regclass('" ~ relation.include(database=false)
        ~ "') and i.indisunique and i.indisvalid and (select array_agg(a.attname::text order by a.attname) "
        ~ "from pg_attribute as a where a.attrelid = i.indrelid and a.attnum = any(i.indkey) and a.attnotnull) "
        ~ "= (select array_agg(c order by c) from unnest('{" ~ columns | join(',') ~ "}'::text[]) as c)"
    ) -%}
    {{ return(found.columns[0].values()[0] > 0) }}
{% endmacro %}
