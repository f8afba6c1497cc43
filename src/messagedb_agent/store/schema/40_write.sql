-- Writing: one lock for each category makes its global positions become visible in their order.

CREATE OR REPLACE FUNCTION message_store.acquire_lock(stream_name varchar) RETURNS bigint AS $$
DECLARE
  lock_key bigint := message_store.hash_64(message_store.category(stream_name));
BEGIN
  PERFORM pg_advisory_xact_lock(lock_key);

  IF 'on' IN (current_setting('message_store.debug_write', true),
              current_setting('message_store.debug', true)) THEN
    RAISE NOTICE 'acquire_lock(stream_name => %) holds %', stream_name, lock_key;
  END IF;

  RETURN lock_key;
END
$$ LANGUAGE plpgsql VOLATILE;

CREATE OR REPLACE FUNCTION message_store.stream_version(stream_name varchar) RETURNS bigint AS $$
BEGIN
  RETURN (
    SELECT max(m.position)
    FROM message_store.messages AS m
    WHERE m.stream_name = stream_version.stream_name
  );
END
$$ LANGUAGE plpgsql VOLATILE;

CREATE OR REPLACE FUNCTION message_store.write_message(
  id varchar,
  stream_name varchar,
  type varchar,
  data jsonb,
  metadata jsonb DEFAULT NULL,
  expected_version bigint DEFAULT NULL
) RETURNS bigint AS $$
DECLARE
  current_version bigint;
  message_id uuid;
BEGIN
  -- A statement of its own: the next one must see what the previous holder of the lock committed.
  PERFORM message_store.acquire_lock(write_message.stream_name);

  current_version := coalesce(message_store.stream_version(write_message.stream_name), -1);

  IF write_message.expected_version <> current_version THEN
    RAISE EXCEPTION 'Wrong expected version: % (Stream: %, Stream Version: %)',
      write_message.expected_version, write_message.stream_name, current_version;
  END IF;

  -- Before the insertion, so that a malformed id uses up no global position.
  message_id := write_message.id::uuid;

  INSERT INTO message_store.messages (id, stream_name, position, type, data, metadata)
  VALUES (
    message_id, write_message.stream_name, current_version + 1, write_message.type,
    write_message.data, write_message.metadata
  );

  IF 'on' IN (current_setting('message_store.debug_write', true),
              current_setting('message_store.debug', true)) THEN
    RAISE NOTICE
      'write_message(id => %, stream_name => %, type => %, data => %, metadata => %, expected_version => %) wrote position %',
      write_message.id, write_message.stream_name, write_message.type, write_message.data,
      write_message.metadata, write_message.expected_version, current_version + 1;
  END IF;

  RETURN current_version + 1;
END
$$ LANGUAGE plpgsql VOLATILE;
