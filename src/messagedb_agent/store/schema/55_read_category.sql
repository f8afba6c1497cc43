-- Reading one category: what every consumer asks for again and again, mostly to find nothing new.

CREATE OR REPLACE FUNCTION message_store.get_category_messages(
  category varchar,
  "position" bigint DEFAULT 1,
  batch_size bigint DEFAULT 1000,
  correlation varchar DEFAULT NULL,
  consumer_group_member bigint DEFAULT NULL,
  consumer_group_size bigint DEFAULT NULL,
  condition varchar DEFAULT NULL
) RETURNS SETOF message_store.message AS $$
DECLARE
  first_position bigint := coalesce(get_category_messages.position, 1);
  row_limit bigint := coalesce(get_category_messages.batch_size, 1000);
  member bigint := consumer_group_member;
  size bigint := consumer_group_size;
  divisor smallint;
  restrictions text := '';
BEGIN
  IF NOT message_store.is_category(get_category_messages.category) THEN
    RAISE EXCEPTION 'Must be a category: %', get_category_messages.category;
  END IF;

  IF correlation IS NOT NULL THEN
    IF NOT message_store.is_category(correlation) THEN
      RAISE EXCEPTION 'Correlation must be a category (Correlation: %)', correlation;
    END IF;
    restrictions := ' AND message_store.category(metadata ->> ''correlationStreamName'') = $4';
  END IF;

  IF (member IS NULL) <> (size IS NULL) THEN
    RAISE EXCEPTION
      'Consumer group member and size must be specified (Consumer Group Member: %, Consumer Group Size: %)',
      member, size;
  ELSIF size < 1 THEN
    RAISE EXCEPTION
      'Consumer group size must not be less than 1 (Consumer Group Member: %, Consumer Group Size: %)',
      member, size;
  ELSIF member < 0 THEN
    RAISE EXCEPTION
      'Consumer group member must not be less than 0 (Consumer Group Member: %, Consumer Group Size: %)',
      member, size;
  ELSIF member >= size THEN
    RAISE EXCEPTION
      'Consumer group member must be less than the group size (Consumer Group Member: %, Consumer Group Size: %)',
      member, size;
  ELSIF member IS NOT NULL THEN
    restrictions := restrictions ||
      ' AND mod(@ message_store.hash_64(message_store.cardinal_id(stream_name)), $6) = $5';
  END IF;

  IF condition IS NOT NULL THEN
    IF coalesce(current_setting('message_store.sql_condition', true), 'off') = 'off' THEN
      RAISE EXCEPTION 'Retrieval with SQL condition is not activated';
    END IF;
    restrictions := restrictions || ' AND (' || condition || ')';
  END IF;

  divisor := size;

  IF 'on' IN (current_setting('message_store.debug_get', true),
              current_setting('message_store.debug', true)) THEN
    RAISE NOTICE
      'get_category_messages(category => %, position => %, batch_size => %, correlation => %, consumer_group_member => %, consumer_group_size => %, condition => %)',
      get_category_messages.category, first_position, row_limit, correlation, member, size, condition;
  END IF;

  -- The usual case has a statement whose plan is kept. Both statements ask for the sum that the
  -- index messages_category holds, and why it holds a sum is said there. LIMIT NULL is no limit.
  IF correlation IS NULL AND condition IS NULL THEN
    RETURN QUERY
      SELECT
        m.id::varchar, m.stream_name::varchar, m.type::varchar, m.position, m.global_position,
        m.data::varchar, m.metadata::varchar, m.time
      FROM message_store.messages AS m
      WHERE message_store.category(m.stream_name) = get_category_messages.category
        AND m.global_position + 0 >= first_position
        AND (
          divisor IS NULL
          OR mod(@ message_store.hash_64(message_store.cardinal_id(m.stream_name)), divisor) = member
        )
      ORDER BY m.global_position + 0
      LIMIT nullif(row_limit, -1);
    RETURN;
  END IF;

  -- A condition may name the table and the parameters, so neither is called anything else. With a
  -- statement that is built for each call, a correlation is looked up in the index too.
  RETURN QUERY EXECUTE
    'SELECT
       id::varchar, stream_name::varchar, type::varchar, position, global_position,
       data::varchar, metadata::varchar, time
     FROM message_store.messages
     WHERE message_store.category(stream_name) = $1 AND global_position + 0 >= $2'
       || restrictions || '
     ORDER BY global_position + 0
     LIMIT nullif($3, -1)'
    USING get_category_messages.category, first_position, row_limit, correlation, member, divisor;
END
-- Few rows being expected to pass the restrictions, the planner would sort rather than read in order.
$$ LANGUAGE plpgsql VOLATILE SET enable_sort = off;
