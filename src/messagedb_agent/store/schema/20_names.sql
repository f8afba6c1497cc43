-- What the parts of a stream name are: category-cardinal+rest, where everything behind the first
-- dash is the id. Written in SQL so that the planner inlines them, in indexes as in queries.

CREATE OR REPLACE FUNCTION message_store.category(stream_name varchar) RETURNS varchar AS $$
  SELECT split_part(stream_name, '-', 1)::varchar
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE OR REPLACE FUNCTION message_store.is_category(stream_name varchar) RETURNS boolean AS $$
  SELECT coalesce(strpos(stream_name, '-') = 0, true)
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE OR REPLACE FUNCTION message_store.id(stream_name varchar) RETURNS varchar AS $$
  SELECT CASE
    WHEN strpos(stream_name, '-') > 0 THEN substr(stream_name, strpos(stream_name, '-') + 1)
  END::varchar
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE OR REPLACE FUNCTION message_store.cardinal_id(stream_name varchar) RETURNS varchar AS $$
  SELECT split_part(message_store.id(stream_name), '+', 1)::varchar
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

-- The first 64 bits of the MD5 digest, as a signed number: other programs take the same locks.
CREATE OR REPLACE FUNCTION message_store.hash_64(value varchar) RETURNS bigint AS $$
  SELECT ('x' || substr(md5(value), 1, 16))::bit(64)::bigint
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE OR REPLACE FUNCTION message_store.message_store_version() RETURNS varchar AS $$
  SELECT '1.3.0'::varchar
$$ LANGUAGE sql VOLATILE;
