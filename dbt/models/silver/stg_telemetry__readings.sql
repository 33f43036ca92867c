with source as (

    select * from {{ source('landing', 'telemetry') }}

),

renamed as (

    select
        tenant_id,
        dt,
        device_id,
        metric,
        ts,
        value,
        unit,
        firmware,
        site,
        model,
        object_sha256,
        row_number,
        bronze_version,
        recorded_at
    from source
    where {{ landed_by_this_build('telemetry') }}

)

select * from renamed
