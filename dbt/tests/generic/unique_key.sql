{# No two rows share the key. Where a unique index of the table says so, nothing is counted. #}
{% test unique_key(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as rows_of_key
    from {{ model }}
    {%- if execute and is_unique_by_index(model, columns) %}
    where false
    {%- endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
