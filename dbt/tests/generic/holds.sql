{# The condition holds in every row; one that it leaves unknown is a failure too. #}
{% test holds(model, condition) %}
    select *
    from {{ model }}
    where ({{ condition }}) is not true
{% endtest %}
