{# Rows that were landed while a build runs wait for the next one, so that gold is of one snapshot. #}
{% macro landed_by_this_build(table) -%}
    bronze_version <= (
        select upto_version from {{ source('registry', 'increments') }} where table_name = '{{ table }}'
    )
{%- endmacro %}

{# Rows that gold, as it is served, was not built from: all of them where it is built anew. #}
{% macro new_to_gold(table) -%}
    bronze_version > (
        select after_version from {{ source('registry', 'increments') }} where table_name = '{{ table }}'
    )
{%- endmacro %}
