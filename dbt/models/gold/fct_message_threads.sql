{{ config(indexes=[
    {'columns': ['tenant_id', 'source', 'channel', 'thread_id'], 'unique': true},
]) }}

with messages as (

    select * from {{ ref('fct_messages') }}

),

threads as (

    select
        tenant_id,
        source,
        channel,
        thread_id,
        min(ts) as started_at,
        max(ts) as last_message_at,
        count(*) as message_count,
        count(distinct participant_id) as participant_count,
        coalesce(
            array_agg(distinct participant_id) filter (where participant_id is not null), array[]::text[]
        ) as participant_ids,
        max(recorded_at) as recorded_at
    from messages
    group by tenant_id, source, channel, thread_id

)

select * from threads
