-- One row for each time that somebody was asked.

CREATE OR REPLACE VIEW messagedb_agent.approvals AS
SELECT
  message_store.category(request.stream_name) AS category,
  message_store.id(request.stream_name) AS thread_id,
  request.stream_name,
  request.position,
  coalesce(request.metadata ->> 'tool_call_id', request.metadata ->> 'tool_id') AS call_id,
  coalesce(request.data ->> 'tool_name', '') AS tool_name,
  request.data -> 'arguments' AS arguments,
  request.time AS asked_at,
  reply.time AS decided_at,
  CASE reply.type
    WHEN 'ToolExecutionApproved' THEN 'approved'
    WHEN 'ToolExecutionRejected' THEN 'rejected'
    ELSE CASE WHEN reply.type IS NULL THEN 'pending' ELSE 'overtaken' END
  END AS decision,
  coalesce(reply.data ->> 'approved_by', reply.data ->> 'rejected_by') AS decided_by,
  reply.data ->> 'reason' AS reason,
  messagedb_agent.ms_between(request.time, reply.time) AS waited_ms
FROM messagedb_agent.events AS request
LEFT JOIN LATERAL (
  SELECT answer.type, answer.time, answer.data
  FROM messagedb_agent.events AS answer
  WHERE answer.stream_name = request.stream_name
    AND answer.position > request.position
    AND answer.type IN ('ToolExecutionApproved', 'ToolExecutionRejected',
      'ToolExecutionRequested', 'ToolExecutionCompleted', 'ToolExecutionFailed')
    AND coalesce(answer.metadata ->> 'tool_call_id', answer.metadata ->> 'tool_id')
      = coalesce(request.metadata ->> 'tool_call_id', request.metadata ->> 'tool_id')
  ORDER BY answer.position LIMIT 1
) AS reply ON true
WHERE request.type = 'ToolApprovalRequested';

COMMENT ON VIEW messagedb_agent.approvals IS
  'Questions whether a tool may run; decision is approved, rejected, pending or overtaken';
