-- One row for each run, in the words of `list --runs`.

CREATE OR REPLACE VIEW messagedb_agent.runs AS
SELECT
  message_store.category(run.stream_name) AS category,
  message_store.id(run.stream_name) AS thread_id,
  run.stream_name,
  run.position,
  run.run_id,
  run.started_at,
  run.started_at::date AS day,
  coalesce(ending.time, latest.time) AS last_activity,
  messagedb_agent.ms_between(run.started_at, coalesce(ending.time, latest.time)) AS duration_ms,
  coalesce(ending.state,
    CASE WHEN waiting.calls > 0 THEN 'awaiting approval' ELSE 'running' END) AS state,
  run.model_calls,
  run.tool_calls
FROM (
  SELECT
    stream_name, metadata ->> 'run_id' AS run_id, min(position) AS position,
    min(time) AS started_at,
    count(*) FILTER (WHERE type = 'LLMCallRequested') AS model_calls,
    count(*) FILTER (WHERE type = 'ToolExecutionRequested') AS tool_calls,
    lead(min(position)) OVER (PARTITION BY stream_name ORDER BY min(position)) AS next_position
  FROM messagedb_agent.events
  WHERE type IN ('LLMCallRequested', 'ToolExecutionRequested') AND metadata ? 'run_id'
  GROUP BY stream_name, metadata ->> 'run_id'
) AS run
CROSS JOIN LATERAL (
  SELECT max(event.time) AS time FROM messagedb_agent.events AS event
  WHERE event.stream_name = run.stream_name AND event.position >= run.position
    AND (run.next_position IS NULL OR event.position < run.next_position)
) AS latest
LEFT JOIN LATERAL (
  -- The first event that lets the thread rest.
  SELECT event.time,
    CASE event.type WHEN 'LLMResponseReceived' THEN 'completed'
      WHEN 'LLMCallFailed' THEN 'failed' WHEN 'LimitReached' THEN 'failed'
      ELSE 'cancelled' END AS state
  FROM messagedb_agent.events AS event
  WHERE event.stream_name = run.stream_name AND event.position > run.position
    AND (run.next_position IS NULL OR event.position < run.next_position)
    AND (event.type IN ('LimitReached', 'TurnInterrupted', 'SessionCompleted', 'ThreadRewound')
      OR event.type = 'LLMCallFailed' AND event.data ->> 'retryable' IS DISTINCT FROM 'true'
      OR event.type = 'LLMResponseReceived' AND NOT messagedb_agent.asks_for_tools(event.data)
        AND event.data ->> 'stop_reason' IS DISTINCT FROM 'pause'
        -- A message that came after the call was claimed is still to be answered.
        AND NOT EXISTS (
          SELECT FROM messagedb_agent.events AS said
          WHERE said.stream_name = event.stream_name AND said.type = 'UserMessageAdded'
            AND said.position < event.position AND said.position > (
              SELECT max(claim.position) FROM messagedb_agent.events AS claim
              WHERE claim.stream_name = event.stream_name AND claim.type = 'LLMCallRequested'
                AND claim.position < event.position)))
  ORDER BY event.position LIMIT 1
) AS ending ON true
LEFT JOIN LATERAL (
  -- The calls of the latest answer, if each that is open waits for a person.
  SELECT count(*) FILTER (WHERE asked.decision = 'pending') AS calls
  FROM jsonb_array_elements((
    SELECT event.data -> 'tool_calls' FROM messagedb_agent.events AS event
    WHERE event.stream_name = run.stream_name AND event.position > run.position
      AND event.type = 'LLMResponseReceived' AND messagedb_agent.asks_for_tools(event.data)
    ORDER BY event.position DESC LIMIT 1)) AS call
  LEFT JOIN LATERAL (
    SELECT approval.decision FROM messagedb_agent.approvals AS approval
    WHERE approval.stream_name = run.stream_name AND approval.call_id = call ->> 'id'
      AND approval.position > run.position
    ORDER BY approval.position DESC LIMIT 1
  ) AS asked ON true
  HAVING count(*) = count(*) FILTER (
    WHERE asked.decision = 'pending' OR EXISTS (
      SELECT FROM messagedb_agent.events AS outcome
      WHERE outcome.stream_name = run.stream_name AND outcome.position > run.position
        AND outcome.type IN ('ToolExecutionCompleted', 'ToolExecutionFailed', 'ToolExecutionRejected')
        AND coalesce(outcome.metadata ->> 'tool_call_id', outcome.metadata ->> 'tool_id')
          = call ->> 'id'))
) AS waiting ON ending.state IS NULL AND run.next_position IS NULL;

COMMENT ON VIEW messagedb_agent.runs IS
  'Runs; state is running, awaiting approval, completed, failed or cancelled';
