with source as (

    select * from {{ source('landing', 'telemetry') }}

),

renamed as (

    select
        tenant_id,
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
    where bronze_version <= (
        select delta_version from {{ ref('stg_landing__watermarks') }} where table_name = 'telemetry'
    )

)

select * from renamed
