with source as (

    select * from {{ source('landing', 'retired_devices') }}

),

renamed as (

    select
        tenant_id,
        device_id,
        site,
        model,
        first_ts,
        last_ts
    from source

)

select * from renamed
