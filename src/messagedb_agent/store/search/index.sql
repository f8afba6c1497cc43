-- What threads can be found by: the trigrams of what was said, and the types of a few telling events.
-- A trigram is three letters in a row, in lower case, as a number: a text that has another one in it
-- has all of its trigrams. Where two letters are a word already, as in Chinese, they are entered too.
-- Nothing here is true by itself; whoever finds something looks at the event.

DO $install$
BEGIN
  PERFORM set_config('client_min_messages', 'warning', true);
  -- Two processes that create it at once would collide in the catalogue.
  PERFORM pg_advisory_xact_lock(1296319008, 6);
  -- Not by `to_regclass`, which may remember that there was none before the lock was waited for.
  IF {marked} = (
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE nspname = 'messagedb_agent' AND obj_description(c.oid, 'pg_class') = '{mark}') THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'messagedb_agent') THEN
    CREATE SCHEMA messagedb_agent;
  END IF;
  DROP TABLE IF EXISTS messagedb_agent.search_entries, messagedb_agent.search_progress;
  DROP FUNCTION IF EXISTS
    messagedb_agent.search_enter, messagedb_agent.search_catch_up, messagedb_agent.search_terms,
    messagedb_agent.search_types, messagedb_agent.search_trigrams, messagedb_agent.search_began;

  CREATE TABLE messagedb_agent.search_entries (
    stream_name text NOT NULL,
    position bigint NOT NULL,
    -- The global position of the first event of the stream, by which threads are listed.
    began bigint NOT NULL,
    terms integer[] NOT NULL,
    PRIMARY KEY (stream_name, position)
  );
  COMMENT ON TABLE messagedb_agent.search_entries IS '{mark}';

  -- Up to where the events of a category are entered. Those of one category become visible in the
  -- order of their global positions, those of several do not.
  CREATE TABLE messagedb_agent.search_progress (
    category text PRIMARY KEY,
    global_position bigint NOT NULL
  );
  COMMENT ON TABLE messagedb_agent.search_progress IS '{mark}';

  CREATE FUNCTION messagedb_agent.search_trigrams(_text text) RETURNS integer[]
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
  DECLARE
    _letters text[] := string_to_array(lower(_text), NULL);
    _terms integer[] := '{}';
  BEGIN
    -- In a loop: for a text as people write it, a query takes twice as long.
    FOR i IN 3 .. cardinality(_letters) LOOP
      _terms := _terms || hashtext(_letters[i - 2] || _letters[i - 1] || _letters[i]);
    END LOOP;
    IF octet_length(_text) > length(_text) THEN
      -- Letters of three bytes and more are those of the East, and signs.
      FOR i IN 2 .. cardinality(_letters) LOOP
        IF octet_length(_letters[i - 1]) > 2 AND octet_length(_letters[i]) > 2 THEN
          _terms := _terms || hashtext(_letters[i - 1] || _letters[i]);
        END IF;
      END LOOP;
    END IF;
    RETURN _terms;
  END $$;

  CREATE FUNCTION messagedb_agent.search_types(_types text[]) RETURNS integer[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY(SELECT hashtext('type ' || type) FROM unnest(_types) AS type)
  $$;

  CREATE FUNCTION messagedb_agent.search_terms(_type text, _data jsonb) RETURNS integer[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
      WHEN _type = ANY ('{types}') THEN messagedb_agent.search_types(ARRAY[_type])
      ELSE messagedb_agent.search_trigrams({text}) END
  $$;

  CREATE FUNCTION messagedb_agent.search_began(_stream_name text) RETURNS SETOF bigint
  LANGUAGE sql STABLE AS $$
    SELECT global_position FROM message_store.messages
    WHERE stream_name = _stream_name AND position = 0 LIMIT 1
  $$;

  -- Enters up to so many events of a category: how many there were, and up to where all are entered.
  CREATE FUNCTION messagedb_agent.search_catch_up(
    _category text, _most bigint, OUT entered bigint, OUT reached bigint
  )
  LANGUAGE plpgsql AS $$
  BEGIN
    entered := 0;
    reached := coalesce((
      SELECT global_position FROM messagedb_agent.search_progress WHERE category = _category), 0);
    IF NOT EXISTS (
      SELECT FROM message_store.get_category_messages(_category, reached + 1, 1)) THEN
      RETURN;
    END IF;
    INSERT INTO messagedb_agent.search_progress VALUES (_category, 0) ON CONFLICT DO NOTHING;
    -- Whoever does the same at the same time waits here, and goes on from there.
    SELECT global_position FROM messagedb_agent.search_progress WHERE category = _category
      FOR UPDATE INTO reached;
    WITH page AS MATERIALIZED (
      SELECT stream_name, position, global_position, type, data
      FROM message_store.get_category_messages(_category, reached + 1, _most)
    ), added AS (
      INSERT INTO messagedb_agent.search_entries
      SELECT stream_name, position, began, terms
      FROM page
      CROSS JOIN LATERAL messagedb_agent.search_began(stream_name) AS began
      CROSS JOIN LATERAL (
        SELECT messagedb_agent.search_terms(type, data::jsonb) AS terms) AS entry
      WHERE type = ANY ('{entered}') AND cardinality(terms) > 0
      -- A stream of this name was deleted, and has begun again.
      ON CONFLICT (stream_name, position) DO UPDATE
        SET began = excluded.began, terms = excluded.terms
    )
    SELECT count(*), coalesce(max(global_position), reached) FROM page INTO entered, reached;
    UPDATE messagedb_agent.search_progress SET global_position = reached
      WHERE category = _category;
  END $$;

  -- Enters a stream that has come back with the global positions that it once had.
  CREATE FUNCTION messagedb_agent.search_enter(_stream_name text) RETURNS void
  LANGUAGE sql AS $$
    INSERT INTO messagedb_agent.search_entries
    SELECT stream_name, position, began, terms
    FROM message_store.messages
    CROSS JOIN LATERAL messagedb_agent.search_began(_stream_name) AS began
    CROSS JOIN LATERAL (
      SELECT messagedb_agent.search_terms(type, data) AS terms) AS entry
    WHERE stream_name = _stream_name AND type = ANY ('{entered}') AND cardinality(terms) > 0
    ON CONFLICT DO NOTHING
  $$;

  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'message_store') THEN
    GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
    GRANT SELECT, INSERT, UPDATE ON
      messagedb_agent.search_entries, messagedb_agent.search_progress TO message_store;
  END IF;
END
$install$
