{#
  Every row of `relation` at first; later the rows of new Delta versions, with what this table knew of their keys.
  The table's own row stands for all that was said before it, so an increment ends where a full build would.
#}
{% macro said_since(relation, key, content) %}
    {%- set columns = (key + content + ['object_sha256', 'bronze_version', 'recorded_at']) | join(', ') %}
    {%- if is_incremental() %}
    {%- set landed -%}
        from {{ relation }} where bronze_version > (select coalesce(max(bronze_version), -1) from {{ this }})
    {%- endset %}
    select {{ columns }}, row_number
    {{ landed }}
    union all
    select {{ columns }}, 0 as row_number
    from {{ this }}
    where ({{ key | join(', ') }}) in (select {{ key | join(', ') }} {{ landed }})
    {%- else %}
    select {{ columns }}, row_number
    from {{ relation }}
    {%- endif %}
{% endmacro %}
