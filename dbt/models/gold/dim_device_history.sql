{{ config(indexes=[{'columns': ['tenant_id', 'device_id', 'valid_from'], 'unique': true}]) }}

{% set attributes = ['firmware', 'site', 'model', 'configuration'] %}

with stated as (

    select tenant_id, device_id, attribute, value, valid_from, recorded_at
    from {{ ref('int_devices__stated') }}

),

-- Also of a device of which nothing else is known.
first_seen as (

    select tenant_id, known_as as device_id, min(valid_from) as valid_from, min(first_recorded_at) as recorded_at
    from {{ ref('dim_device_names') }}
    group by tenant_id, known_as

),

moments as (

    select
        tenant_id,
        device_id,
        valid_from,
        {% for attribute in attributes %}
        max(value) filter (where attribute = '{{ attribute }}') as {{ attribute }},
        {% endfor %}
        min(recorded_at) as recorded_at
    from (
        select * from stated
        union all
        select tenant_id, device_id, null as attribute, null as value, valid_from, recorded_at
        from first_seen
    ) as changed
    group by tenant_id, device_id, valid_from

),

counted as (

    select
        *,
        {% for attribute in attributes %}
        count({{ attribute }}) over device as {{ attribute }}_change,
        {% endfor %}
        lead(valid_from) over device as valid_to
    from moments
    window device as (partition by tenant_id, device_id order by valid_from)

),

-- What did not change goes on.
carried as (

    select
        tenant_id,
        device_id,
        valid_from,
        valid_to,
        {% for attribute in attributes %}
        max({{ attribute }}) over (partition by tenant_id, device_id, {{ attribute }}_change) as {{ attribute }},
        {% endfor %}
        recorded_at
    from counted

)

select
    tenant_id,
    device_id,
    valid_from,
    valid_to,
    firmware,
    site,
    model,
    configuration::jsonb as configuration,
    recorded_at
from carried
