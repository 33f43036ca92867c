with source as (

    select * from {{ source('landing', 'retired_firmware') }}

),

renamed as (

    select
        tenant_id,
        device_id,
        firmware,
        valid_from,
        recorded_at
    from source

)

select * from renamed
