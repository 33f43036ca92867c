{{ config(indexes=[
    {'columns': ['tenant_id', 'source', 'channel', 'thread_id'], 'unique': true},
]) }}

with messages as (

    select * from {{ ref('int_messages__settled') }}
    where not deleted

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
        count(distinct author) as participant_count,
        max(recorded_at) as recorded_at
    from messages
    group by tenant_id, source, channel, thread_id

)

select * from threads
