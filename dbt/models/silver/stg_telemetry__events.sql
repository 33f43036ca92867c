with source as (

    select * from {{ source('landing', 'events') }}

),

renamed as (

    select
        tenant_id,
        event_id,
        device_id,
        event_type,
        ts,
        severity,
        message,
        attributes::jsonb as attributes,
        site,
        model,
        firmware,
        object_sha256,
        row_number,
        bronze_version,
        recorded_at
    from source
    where bronze_version <= (
        select delta_version from {{ ref('stg_landing__watermarks') }} where table_name = 'events'
    )

)

select * from renamed
