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
    where {{ landed_by_this_build('events') }}

)

select * from renamed
