-- Values of events, read so that no odd one can make a whole report fail.

-- A whole number; 0 for whatever is none, as the projections count it.
CREATE OR REPLACE FUNCTION messagedb_agent.whole(value jsonb) RETURNS bigint AS $$
  SELECT CASE WHEN value::text ~ '^-?[0-9]{1,18}$' THEN value::text::bigint ELSE 0 END
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

-- Milliseconds between two times.
CREATE OR REPLACE FUNCTION messagedb_agent.ms_between(first timestamp, last timestamp)
RETURNS numeric AS $$
  SELECT round(extract(epoch FROM last - first) * 1000, 3)
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

-- A measured duration in milliseconds, or what lies between two times where nobody measured.
CREATE OR REPLACE FUNCTION messagedb_agent.duration_ms(
  measured jsonb, first timestamp, last timestamp
) RETURNS numeric AS $$
  SELECT coalesce(
    CASE WHEN jsonb_typeof(measured) = 'number' AND measured <> '0' THEN measured::numeric END,
    messagedb_agent.ms_between(first, last)
  )
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE OR REPLACE FUNCTION messagedb_agent.asks_for_tools(data jsonb) RETURNS boolean AS $$
  SELECT coalesce(data -> 'tool_calls' NOT IN ('[]', 'null'), false)
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;
