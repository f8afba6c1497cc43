-- The schema, the table of messages and the row type that the read functions return.

DO $$
BEGIN
  -- CREATE SCHEMA IF NOT EXISTS asks for the right to create even where there is nothing to do,
  -- which would refuse a user whose administrator has prepared the schema.
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'message_store') THEN
    CREATE SCHEMA message_store;
  END IF;

  IF NOT EXISTS (
    SELECT FROM pg_type
    WHERE typname = 'message' AND typnamespace = 'message_store'::regnamespace
  ) THEN
    CREATE TYPE message_store.message AS (
      id varchar, stream_name varchar, type varchar, position bigint, global_position bigint,
      data varchar, metadata varchar, time timestamp
    );
  END IF;
END
$$;

-- The order of the columns is part of the interface: INSERT without a column list, SELECT *, and the
-- order in which missing values are reported all show it.
CREATE TABLE IF NOT EXISTS message_store.messages (
  global_position bigserial NOT NULL PRIMARY KEY,
  position bigint NOT NULL,
  time timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
  stream_name text NOT NULL,
  type text NOT NULL,
  data jsonb,
  metadata jsonb,
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
