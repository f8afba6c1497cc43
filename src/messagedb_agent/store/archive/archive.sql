-- Where archived threads are: a hundred events in a row, which TOAST compresses together.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'messagedb_agent') THEN
    CREATE SCHEMA messagedb_agent;
  END IF;
  IF to_regtype('messagedb_agent.archived_event') IS NULL THEN
    CREATE TYPE messagedb_agent.archived_event AS (
      id uuid, type text, position bigint, global_position bigint,
      data jsonb, metadata jsonb, time timestamp
    );
  END IF;
END
$$;

-- Position, global position and time are those of the first event of the row.
CREATE TABLE IF NOT EXISTS messagedb_agent.archive (
  stream_name text NOT NULL,
  position bigint NOT NULL,
  global_position bigint NOT NULL,
  time timestamp NOT NULL,
  events messagedb_agent.archived_event[] NOT NULL,
  PRIMARY KEY (stream_name, position)
);

-- One entry for each archived stream, in the order of their beginnings.
CREATE INDEX IF NOT EXISTS archive_first ON messagedb_agent.archive (global_position)
WHERE position = 0;

CREATE OR REPLACE VIEW messagedb_agent.archived_messages AS
SELECT
  event.global_position, event.position, event.time, kept.stream_name, event.type, event.data,
  event.metadata, event.id
FROM messagedb_agent.archive AS kept CROSS JOIN LATERAL unnest(kept.events) AS event;

COMMENT ON VIEW messagedb_agent.archived_messages IS
  'Events of archived threads, in the columns of message_store.messages';

CREATE OR REPLACE VIEW messagedb_agent.events AS
SELECT global_position, position, time, stream_name, type, data, metadata, id
FROM message_store.messages
UNION ALL
SELECT global_position, position, time, stream_name, type, data, metadata, id
FROM messagedb_agent.archived_messages;

COMMENT ON VIEW messagedb_agent.events IS 'All events, those of archived threads too';

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'message_store') THEN
    GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
    GRANT SELECT ON
      messagedb_agent.archive, messagedb_agent.archived_messages, messagedb_agent.events
    TO message_store;
  END IF;
END
$$;
