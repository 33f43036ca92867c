{# Every combination of `columns`, where none of them is null, is found in `to`. #}
{% test refers_to(model, to, columns) %}
    select distinct {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' is not null and ') }} is not null
    except
    select {{ columns | join(', ') }}
    from {{ to }}
{% endtest %}
