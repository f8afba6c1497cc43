-- What threads can be found by: the pieces of what was said, and the types of a few telling events.
-- From each letter on, a piece is three letters in lower case, or what is left at the end. A text that
-- has another one in it has all of its pieces of three; and one of its pieces begins with a shorter one.
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
    messagedb_agent.search_types, messagedb_agent.search_trigrams, messagedb_agent.search_began,
    messagedb_agent.search_folded, messagedb_agent.search_pieces, messagedb_agent.search_quoted,
    messagedb_agent.search_text, messagedb_agent.search_among;

  CREATE TABLE messagedb_agent.search_entries (
    -- The global position of the first event of the stream, by which threads are listed.
    began bigint NOT NULL,
    position bigint NOT NULL,
    terms tsvector NOT NULL,
    PRIMARY KEY (began, position)
  );
  COMMENT ON TABLE messagedb_agent.search_entries IS '{mark}';

  -- Up to where the events of a category are entered. Those of one category become visible in the
  -- order of their global positions, those of several do not.
  CREATE TABLE messagedb_agent.search_progress (
    category text PRIMARY KEY,
    global_position bigint NOT NULL
  );
  COMMENT ON TABLE messagedb_agent.search_progress IS '{mark}';

  -- No piece has the sign that parts them. Terms that begin with it are no pieces.
  CREATE FUNCTION messagedb_agent.search_folded(_text text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(lower(_text), E'\x01', ' ')
  $$;

  -- A text is cut into threes from its first, its second, and its third letter on.
  CREATE FUNCTION messagedb_agent.search_pieces(_text text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(CASE
      -- Its pieces could be more than a tsvector holds. It may have anything in it.
      WHEN octet_length(folded) > 300000 THEN ARRAY[E'\x01long']
      ELSE array_remove(string_to_array(concat_ws(E'\x01',
        regexp_replace(folded, '...', E'\\&\x01', 'g'),
        regexp_replace(substr(folded, 2), '...', E'\\&\x01', 'g'),
        regexp_replace(substr(folded, 3), '...', E'\\&\x01', 'g')), E'\x01'), '') END)
    FROM (SELECT messagedb_agent.search_folded(_text) AS folded OFFSET 0) AS once
  $$;

  CREATE FUNCTION messagedb_agent.search_quoted(_term text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '''' || replace(replace(_term, '\', '\\'), '''', '''''') || ''''
  $$;

  -- What is true of the terms of each text that has this one in it.
  CREATE FUNCTION messagedb_agent.search_text(_text text) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (E'\'\x01long\' | ' || CASE
      WHEN length(folded) < 3 THEN messagedb_agent.search_quoted(folded) || ':*'
      -- A hundred letters tell enough; a query of very many would be too deep.
      ELSE (
        SELECT '(' || string_agg(messagedb_agent.search_quoted(piece), ' & ') || ')'
        FROM unnest(tsvector_to_array(messagedb_agent.search_pieces(left(folded, 100)))) AS piece
        WHERE length(piece) = 3) END)::tsquery
    FROM (SELECT messagedb_agent.search_folded(_text) AS folded OFFSET 0) AS once
  $$;

  CREATE FUNCTION messagedb_agent.search_types(_types text[]) RETURNS tsquery
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(messagedb_agent.search_quoted(E'\x01' || type), ' | ')::tsquery
    FROM unnest(_types) AS type
  $$;

  CREATE FUNCTION messagedb_agent.search_terms(_type text, _data jsonb) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
      WHEN _type = ANY ('{types}') THEN array_to_tsvector(ARRAY[E'\x01' || _type])
      ELSE messagedb_agent.search_pieces({text}) END
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
  DECLARE
    _before bigint := coalesce((
      SELECT global_position FROM messagedb_agent.search_progress WHERE category = _category), 0);
  BEGIN
    entered := 0;
    reached := _before;
    -- In their order, or the planner would read all to see whether there is one.
    PERFORM FROM message_store.messages
      WHERE message_store.category(stream_name) = _category AND global_position + 0 > _before
      ORDER BY global_position + 0 LIMIT 1;
    IF NOT FOUND THEN
      RETURN;
    END IF;
    INSERT INTO messagedb_agent.search_progress VALUES (_category, 0) ON CONFLICT DO NOTHING;
    -- Whoever does the same at the same time waits here, and goes on from there.
    SELECT global_position FROM messagedb_agent.search_progress WHERE category = _category
      FOR UPDATE INTO _before;
    SELECT count(*), coalesce(max(place), _before) FROM (
      SELECT global_position + 0 AS place FROM message_store.messages
      WHERE message_store.category(stream_name) = _category AND global_position + 0 > _before
      ORDER BY global_position + 0 LIMIT _most) AS page
      INTO entered, reached;
    INSERT INTO messagedb_agent.search_entries
      SELECT began, position, terms
      FROM message_store.messages
      CROSS JOIN LATERAL messagedb_agent.search_began(stream_name) AS began
      CROSS JOIN LATERAL (
        SELECT messagedb_agent.search_terms(type, data) AS terms OFFSET 0) AS entry
      WHERE message_store.category(stream_name) = _category
        AND global_position + 0 > _before AND global_position + 0 <= reached
        AND type = ANY ('{entered}') AND length(terms) > 0
      ON CONFLICT DO NOTHING;
    UPDATE messagedb_agent.search_progress SET global_position = reached
      WHERE category = _category;
  END $$;

  -- Enters a stream that has come back with the global positions that it once had.
  CREATE FUNCTION messagedb_agent.search_enter(_stream_name text) RETURNS void
  LANGUAGE sql AS $$
    INSERT INTO messagedb_agent.search_entries
    SELECT began, position, terms
    FROM message_store.messages
    CROSS JOIN LATERAL messagedb_agent.search_began(_stream_name) AS began
    CROSS JOIN LATERAL (
      SELECT messagedb_agent.search_terms(type, data) AS terms OFFSET 0) AS entry
    WHERE stream_name = _stream_name AND type = ANY ('{entered}') AND length(terms) > 0
    ON CONFLICT DO NOTHING
  $$;

  -- By the index in any case: for some texts the planner expects too many, and would read all.
  CREATE FUNCTION messagedb_agent.search_among(_terms tsquery, _most bigint)
  RETURNS TABLE (began bigint, "position" bigint)
  LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT began, position FROM messagedb_agent.search_entries WHERE terms @@ _terms LIMIT _most
  $$;

  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'message_store') THEN
    GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
    GRANT SELECT, INSERT, UPDATE ON
      messagedb_agent.search_entries, messagedb_agent.search_progress TO message_store;
  END IF;
END
$install$
