-- One row for each step: a call of a model or an attempt to run a tool.

CREATE OR REPLACE VIEW messagedb_agent.steps AS
SELECT
  message_store.category(call.stream_name) AS category,
  message_store.id(call.stream_name) AS thread_id,
  call.stream_name,
  call.position,
  'model'::text AS kind,
  CASE WHEN call.is_claim
    THEN coalesce(call.next_name, call.name, '') ELSE coalesce(call.name, '') END AS name,
  CASE WHEN call.is_claim THEN call.time END AS started_at,
  CASE WHEN call.is_claim THEN call.next_time ELSE call.time END AS ended_at,
  call.time::date AS day,
  CASE WHEN call.is_claim THEN call.next_outcome ELSE call.outcome END AS outcome,
  CASE
    WHEN NOT call.is_claim THEN messagedb_agent.duration_ms(call.measured, NULL, NULL)
    WHEN call.next_outcome IS NOT NULL
    THEN messagedb_agent.duration_ms(call.next_measured, call.time, call.next_time)
  END AS duration_ms,
  CASE WHEN call.is_claim THEN call.next_error ELSE call.error END AS error
FROM (
  SELECT
    event.*,
    lead(event.outcome) OVER later AS next_outcome,
    CASE WHEN lead(event.outcome) OVER later IS NOT NULL
      THEN lead(event.time) OVER later END AS next_time,
    CASE WHEN lead(event.outcome) OVER later IS NOT NULL
      THEN lead(event.name) OVER later END AS next_name,
    lead(event.measured) OVER later AS next_measured,
    lead(event.error) OVER later AS next_error,
    lag(event.is_claim) OVER later AS follows_claim
  FROM (
    SELECT
      stream_name, position, time,
      nullif(data ->> 'model_name', '') AS name,
      type IN ('LLMCallRequested', 'LLMCallStarted') AS is_claim,
      CASE type WHEN 'LLMResponseReceived' THEN 'completed'
                WHEN 'LLMCallFailed' THEN 'failed' END AS outcome,
      data -> 'latency_ms' AS measured,
      data ->> 'error_message' AS error
    FROM messagedb_agent.events
    WHERE type IN
      ('LLMCallRequested', 'LLMCallStarted', 'LLMResponseReceived', 'LLMCallFailed')
  ) AS event
  WINDOW later AS (PARTITION BY stream_name ORDER BY position)
) AS call
WHERE call.is_claim OR call.follows_claim IS NOT true
UNION ALL
SELECT
  category, thread_id, stream_name, position, 'tool', tool_name, started_at, ended_at, day,
  outcome, duration_ms, error
FROM messagedb_agent.tool_calls;

COMMENT ON VIEW messagedb_agent.steps IS
  'Model calls and tool runs; outcome is completed, failed or null (interrupted, or running)';
