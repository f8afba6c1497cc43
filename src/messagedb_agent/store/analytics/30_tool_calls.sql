-- One row for each attempt to run a tool, and for each call that ended without one (refused by a
-- policy, or given a result by a person): those have no started_at.

CREATE OR REPLACE VIEW messagedb_agent.tool_calls AS
SELECT
  message_store.category(attempt.stream_name) AS category,
  message_store.id(attempt.stream_name) AS thread_id,
  attempt.stream_name,
  attempt.position,
  attempt.call_id,
  attempt.tool_name,
  CASE WHEN attempt.is_claim THEN attempt.time END AS started_at,
  CASE WHEN attempt.is_claim THEN attempt.next_time ELSE attempt.time END AS ended_at,
  attempt.time::date AS day,
  CASE WHEN attempt.is_claim THEN attempt.next_outcome ELSE attempt.outcome END AS outcome,
  CASE
    WHEN attempt.is_claim AND attempt.next_outcome IS NOT NULL
    THEN messagedb_agent.duration_ms(attempt.next_measured, attempt.time, attempt.next_time)
  END AS duration_ms,
  CASE WHEN attempt.is_claim THEN attempt.next_error ELSE attempt.error END AS error,
  attempt.arguments,
  -- The model that asked.
  (
    SELECT answer.data ->> 'model_name' FROM messagedb_agent.events AS answer
    WHERE answer.stream_name = attempt.stream_name AND answer.position < attempt.position
      AND answer.type = 'LLMResponseReceived'
    ORDER BY answer.position DESC LIMIT 1
  ) AS model_name
FROM (
  SELECT
    event.*,
    lead(event.outcome) OVER later AS next_outcome,
    CASE WHEN lead(event.outcome) OVER later IS NOT NULL
      THEN lead(event.time) OVER later END AS next_time,
    lead(event.measured) OVER later AS next_measured,
    lead(event.error) OVER later AS next_error,
    lag(event.is_claim) OVER later AS follows_claim
  FROM (
    SELECT
      stream_name, position, time,
      coalesce(metadata ->> 'tool_call_id', metadata ->> 'tool_id') AS call_id,
      coalesce(data ->> 'tool_name', '') AS tool_name,
      type = 'ToolExecutionRequested' AS is_claim,
      CASE type WHEN 'ToolExecutionCompleted' THEN 'completed'
                WHEN 'ToolExecutionFailed' THEN 'failed' END AS outcome,
      data -> 'execution_time_ms' AS measured,
      data ->> 'error_message' AS error,
      data -> 'arguments' AS arguments
    FROM messagedb_agent.events
    WHERE type IN ('ToolExecutionRequested', 'ToolExecutionCompleted', 'ToolExecutionFailed')
  ) AS event
  -- Models use the ids of their calls again, so what belongs together is what follows.
  WINDOW later AS (PARTITION BY stream_name, coalesce(call_id, tool_name) ORDER BY position)
) AS attempt
WHERE attempt.is_claim OR attempt.follows_claim IS NOT true;

COMMENT ON VIEW messagedb_agent.tool_calls IS
  'Attempts to run tools; outcome is completed, failed or null (interrupted, or running)';
