{# A person's pseudonym within a tenant: the same person has another one with another tenant. It keeps names out of what
   is shown and shared; who knows a name and the tenant can compute it, so it is no secret. #}
{% macro participant_of(author) -%}
    case
        when {{ author }} is not null
            then 'p-' || left(encode(sha256(convert_to(
                json_build_array('participant', tenant_id, {{ author }})::text, 'UTF8'
            )), 'hex'), 20)
    end
{%- endmacro %}
