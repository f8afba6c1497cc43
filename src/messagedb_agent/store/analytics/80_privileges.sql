-- Who may read the messages of a Message DB may read what they add up to.

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'message_store') THEN
    GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
    GRANT SELECT ON
      messagedb_agent.approvals, messagedb_agent.runs, messagedb_agent.steps, messagedb_agent.threads,
      messagedb_agent.tool_calls, messagedb_agent.turns, messagedb_agent.usage
    TO message_store;
  END IF;
END
$$;
