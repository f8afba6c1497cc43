-- Nothing may begin beside what is archived. A stream without rows begins at position 0, whoever
-- writes to it, and under the lock of its category; so this is the one place to look, and it
-- costs nobody else anything.

CREATE OR REPLACE FUNCTION messagedb_agent.refuse_archived() RETURNS trigger AS $$
BEGIN
  IF EXISTS (SELECT FROM messagedb_agent.archive WHERE stream_name = NEW.stream_name) THEN
    RAISE EXCEPTION 'Stream is archived: %', NEW.stream_name USING ERRCODE = 'MA001';
  END IF;
  RETURN NEW;
END
-- Those who may write messages need not be allowed to read the archive.
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog;

DO $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgrelid = 'message_store.messages'::regclass AND tgname = 'refuse_archived'
  ) THEN
    CREATE TRIGGER refuse_archived BEFORE INSERT ON message_store.messages
    FOR EACH ROW WHEN (NEW.position = 0) EXECUTE FUNCTION messagedb_agent.refuse_archived();
  END IF;
END
$$;
