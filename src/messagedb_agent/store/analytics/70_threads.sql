-- One row for each thread, in the words of `list`.

CREATE OR REPLACE VIEW messagedb_agent.threads AS
SELECT
  message_store.category(thread.stream_name) AS category,
  message_store.id(thread.stream_name) AS thread_id,
  thread.stream_name,
  coalesce(thread.renamed, thread.asked) AS title,
  CASE
    WHEN thread.life IN ('completed', 'failed') THEN thread.life
    WHEN waiting.pending_approvals > 0 THEN 'waiting'
    ELSE coalesce(thread.turn, 'active')
  END AS status,
  thread.started_at,
  thread.last_activity,
  CASE WHEN thread.life IN ('completed', 'failed') THEN thread.completed_at END AS ended_at,
  thread.model_name,
  thread.events,
  thread.message_count,
  thread.llm_call_count,
  thread.tool_call_count,
  thread.error_count,
  waiting.pending_approvals,
  thread.total_tokens,
  thread.forked_from,
  EXISTS (
    SELECT FROM messagedb_agent.archive AS kept
    WHERE kept.stream_name = thread.stream_name AND kept.position = 0
  ) AS archived
FROM (
  SELECT
    stream_name,
    count(*) AS events,
    min(time) AS started_at,
    max(time) AS last_activity,
    max(time) FILTER (WHERE type = 'SessionCompleted') AS completed_at,
    count(*) FILTER (WHERE type = 'UserMessageAdded') AS message_count,
    count(*) FILTER (WHERE type = 'LLMResponseReceived') AS llm_call_count,
    count(*) FILTER (WHERE type = 'ToolExecutionRequested') AS tool_call_count,
    count(*) FILTER
      (WHERE type IN ('LLMCallFailed', 'ToolExecutionFailed', 'ErrorOccurred')) AS error_count,
    coalesce(sum(coalesce(
      nullif(messagedb_agent.whole(data #> '{token_usage,total_tokens}'), 0),
      messagedb_agent.whole(data #> '{token_usage,input_tokens}')
        + messagedb_agent.whole(data #> '{token_usage,output_tokens}')
    )) FILTER (WHERE type = 'LLMResponseReceived'), 0)::bigint AS total_tokens,
    (array_agg(data ->> 'title' ORDER BY position DESC)
      FILTER (WHERE type = 'ThreadRenamed'))[1] AS renamed,
    (array_agg(data ->> 'message' ORDER BY position)
      FILTER (WHERE type = 'UserMessageAdded'))[1] AS asked,
    (array_agg(data ->> 'model_name' ORDER BY position DESC)
      FILTER (WHERE type = 'AgentConfigured'))[1] AS model_name,
    (array_agg(data ->> 'origin_stream_name') FILTER (WHERE type = 'ThreadForked'))[1]
      AS forked_from,
    (array_agg(
      CASE type WHEN 'SessionCompleted' THEN
        CASE WHEN coalesce(data ->> 'completion_reason', 'success') = 'success'
          THEN 'completed' ELSE 'failed' END
      ELSE 'active' END ORDER BY position DESC)
      FILTER (WHERE type IN ('SessionCompleted', 'ThreadReopened')))[1] AS life,
    (array_agg(
      CASE type WHEN 'TurnInterrupted' THEN 'interrupted'
                WHEN 'LimitReached' THEN 'limit'
                WHEN 'LLMCallFailed' THEN
                  CASE WHEN data ->> 'retryable' = 'true' THEN 'active' ELSE 'failed' END
                ELSE 'active' END ORDER BY position DESC)
      FILTER (WHERE type IN ('TurnInterrupted', 'LimitReached', 'LLMCallFailed',
        'UserMessageAdded', 'TurnResumed', 'LLMCallRequested', 'LLMCallStarted',
        'LLMResponseReceived')))[1] AS turn
  FROM messagedb_agent.events
  GROUP BY stream_name
  -- Streams of other programs share the table.
  HAVING bool_or(type IN ('SessionStarted', 'ThreadForked', 'UserMessageAdded'))
) AS thread
CROSS JOIN LATERAL (
  SELECT count(*) AS pending_approvals FROM messagedb_agent.approvals AS asked
  WHERE asked.stream_name = thread.stream_name AND asked.decision = 'pending'
) AS waiting;
