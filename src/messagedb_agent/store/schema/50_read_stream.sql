-- Reading one stream. The statements are static where they can be: their plans are kept.

CREATE OR REPLACE FUNCTION message_store.get_stream_messages(
  stream_name varchar,
  "position" bigint DEFAULT 0,
  batch_size bigint DEFAULT 1000,
  condition varchar DEFAULT NULL
) RETURNS SETOF message_store.message AS $$
DECLARE
  first_position bigint := coalesce(get_stream_messages.position, 0);
  row_limit bigint := coalesce(get_stream_messages.batch_size, 1000);
BEGIN
  IF message_store.is_category(get_stream_messages.stream_name) THEN
    RAISE EXCEPTION 'Must be a stream name: %', get_stream_messages.stream_name;
  END IF;

  IF 'on' IN (current_setting('message_store.debug_get', true),
              current_setting('message_store.debug', true)) THEN
    RAISE NOTICE
      'get_stream_messages(stream_name => %, position => %, batch_size => %, condition => %)',
      get_stream_messages.stream_name, first_position, row_limit,
      get_stream_messages.condition;
  END IF;

  IF get_stream_messages.condition IS NULL THEN
    RETURN QUERY
      SELECT
        m.id::varchar, m.stream_name::varchar, m.type::varchar, m.position, m.global_position,
        m.data::varchar, m.metadata::varchar, m.time
      FROM message_store.messages AS m
      WHERE m.stream_name = get_stream_messages.stream_name AND m.position >= first_position
      ORDER BY m.position
      LIMIT nullif(row_limit, -1);  -- LIMIT NULL is no limit
    RETURN;
  END IF;

  IF coalesce(current_setting('message_store.sql_condition', true), 'off') = 'off' THEN
    RAISE EXCEPTION 'Retrieval with SQL condition is not activated';
  END IF;

  -- A condition may name the table and the parameters, so neither is called anything else.
  RETURN QUERY EXECUTE
    'SELECT
       id::varchar, stream_name::varchar, type::varchar, position, global_position,
       data::varchar, metadata::varchar, time
     FROM message_store.messages
     WHERE stream_name = $1 AND position >= $2 AND (' || get_stream_messages.condition || ')
     ORDER BY position
     LIMIT nullif($3, -1)'
    USING get_stream_messages.stream_name, first_position, row_limit;
END
-- Without statistics the planner would fetch the whole rest of a long stream, and sort it.
$$ LANGUAGE plpgsql VOLATILE SET enable_sort = off;

CREATE OR REPLACE FUNCTION message_store.get_last_stream_message(
  stream_name varchar,
  type varchar DEFAULT NULL
) RETURNS SETOF message_store.message AS $$
BEGIN
  IF 'on' IN (current_setting('message_store.debug_get', true),
              current_setting('message_store.debug', true)) THEN
    RAISE NOTICE 'get_last_stream_message(stream_name => %, type => %)',
      get_last_stream_message.stream_name, get_last_stream_message.type;
  END IF;

  RETURN QUERY
    SELECT
      m.id::varchar, m.stream_name::varchar, m.type::varchar, m.position, m.global_position,
      m.data::varchar, m.metadata::varchar, m.time
    FROM message_store.messages AS m
    WHERE m.stream_name = get_last_stream_message.stream_name
      AND (get_last_stream_message.type IS NULL OR m.type = get_last_stream_message.type)
    ORDER BY m.position DESC
    LIMIT 1;
END
$$ LANGUAGE plpgsql VOLATILE;
