-- One row for each user message and what happened until the next one.

CREATE OR REPLACE VIEW messagedb_agent.turns AS
SELECT
  message_store.category(stream_name) AS category,
  message_store.id(stream_name) AS thread_id,
  stream_name,
  turn,
  min(position) AS position,
  min(time) AS asked_at,
  min(time)::date AS day,
  (array_agg(data ->> 'message') FILTER (WHERE type = 'UserMessageAdded'))[1] AS message,
  max(time) FILTER (WHERE is_answer) AS answered_at,
  messagedb_agent.ms_between(min(time), max(time) FILTER (WHERE is_answer)) AS duration_ms,
  count(*) FILTER (WHERE type = 'LLMResponseReceived') AS model_calls,
  count(*) FILTER (WHERE type = 'ToolExecutionRequested') AS tool_calls,
  count(*) FILTER
    (WHERE type IN ('LLMCallFailed', 'ToolExecutionFailed', 'ErrorOccurred')) AS errors,
  coalesce(sum(tokens), 0)::bigint AS total_tokens,
  -- How the turn stood when the next one began, or stands now.
  coalesce(
    (array_agg(
      CASE
        WHEN is_answer THEN 'answered'
        WHEN type = 'TurnInterrupted' THEN 'interrupted'
        WHEN type = 'LimitReached' THEN 'limit'
        WHEN type = 'LLMCallFailed' AND data ->> 'retryable' IS DISTINCT FROM 'true' THEN 'failed'
        ELSE 'open'
      END ORDER BY position DESC
    ) FILTER (WHERE type IN ('LLMResponseReceived', 'TurnInterrupted', 'LimitReached',
      'LLMCallFailed', 'LLMCallRequested', 'LLMCallStarted', 'TurnResumed')))[1],
    'open'
  ) AS outcome
FROM (
  SELECT
    stream_name, position, time, type, data,
    count(*) FILTER (WHERE type = 'UserMessageAdded')
      OVER (PARTITION BY stream_name ORDER BY position) AS turn,
    type = 'LLMResponseReceived' AND NOT messagedb_agent.asks_for_tools(data) AS is_answer,
    CASE WHEN type = 'LLMResponseReceived' THEN coalesce(
      nullif(messagedb_agent.whole(data #> '{token_usage,total_tokens}'), 0),
      messagedb_agent.whole(data #> '{token_usage,input_tokens}')
        + messagedb_agent.whole(data #> '{token_usage,output_tokens}')) END AS tokens
  FROM messagedb_agent.events
) AS event
WHERE turn > 0
GROUP BY stream_name, turn;

COMMENT ON VIEW messagedb_agent.turns IS
  'User messages with what followed; outcome is answered, failed, interrupted, limit or open';
