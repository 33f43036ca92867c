{# Events of these types, under the name that their device has today. #}
{% macro named_events(types) %}
    select
        events.tenant_id,
        events.event_id,
        events.event_type,
        events.device_id,
        coalesce(names.known_as, events.device_id) as known_as,
        events.ts,
        events.severity,
        events.message,
        events.attributes,
        events.object_sha256,
        events.recorded_at
    from {{ ref('fct_events') }} as events
    left join {{ ref('dim_device_names') }} as names
        on {{ is_named('events', 'events.ts') }}
    where events.event_type in ('{{ types | join("', '") }}')
{% endmacro %}

{# Of the device that had this name at this moment. #}
{% macro is_named(report, moment) -%}
    names.tenant_id = {{ report }}.tenant_id
        and names.device_id = {{ report }}.device_id
        and names.valid_from <= {{ moment }}
        and (names.valid_to > {{ moment }} or names.valid_to is null)
{%- endmacro %}

{# Moments in texts and in JSON: in UTC, whatever the session's zone is. #}
{% macro utc_text(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
{%- endmacro %}
