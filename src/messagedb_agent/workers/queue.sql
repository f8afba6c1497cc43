-- Applied after Procrastinate's own schema, with the schema agent_queue as search_path.

-- Which threads belong to workers, and to those of which queue.
CREATE TABLE threads (
  stream_name text PRIMARY KEY,
  queue_name text NOT NULL
);

CREATE TABLE instances (
  worker_id bigint PRIMARY KEY REFERENCES procrastinate_workers (id) ON DELETE CASCADE,
  name text NOT NULL,
  host text NOT NULL,
  pid integer NOT NULL,
  queue_name text NOT NULL,
  concurrency integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now()
);

-- Procrastinate keeps a row for each state of each job, four writes for a turn. What is asked of it
-- is only since when a job has been as it is; the thread's stream tells the rest, and for longer.
DROP TRIGGER procrastinate_trigger_status_events_insert_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_trigger_scheduled_events_v1 ON procrastinate_jobs;

-- Workers are told by `wake` instead, in words that are the same for each job of a queue, so that
-- PostgreSQL sends those of one transaction once, and not for jobs whose time has not come.
DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;

ALTER TABLE procrastinate_jobs ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp();

-- The limit of which a job waits for a slot; the time it is scheduled for is only the fall-back then.
ALTER TABLE procrastinate_jobs ADD COLUMN waits_for text;
CREATE INDEX agent_queue_jobs_by_limit ON procrastinate_jobs (waits_for)
  WHERE status = 'todo' AND waits_for IS NOT NULL;

CREATE FUNCTION note_since() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.since := clock_timestamp();
  RETURN NEW;
END $$;

CREATE TRIGGER note_since BEFORE UPDATE OF status ON procrastinate_jobs
  FOR EACH ROW EXECUTE FUNCTION note_since();

-- Fetching looks for other jobs with the same lock; Procrastinate's index begins with the id. Each
-- index is written to twice for each turn, and nothing here asks by id and lock, or for a queue alone.
CREATE INDEX agent_queue_jobs_by_lock ON procrastinate_jobs (lock);
DROP INDEX IF EXISTS procrastinate_jobs_id_lock_idx_v1, procrastinate_jobs_queue_name_idx_v1;

-- No job is periodic and none has events, so nothing refers to one; and a job whose worker is no
-- more is put back, whether it still names that worker or not. What would be looked up to make sure
-- of it is most of what fetching and finishing a job costs.
DROP TRIGGER IF EXISTS procrastinate_trigger_delete_jobs_v1 ON procrastinate_jobs;
ALTER TABLE procrastinate_jobs DROP CONSTRAINT IF EXISTS procrastinate_jobs_worker_id_fkey;
ALTER TABLE procrastinate_events DROP CONSTRAINT IF EXISTS procrastinate_events_job_id_fkey;
ALTER TABLE procrastinate_periodic_defers DROP CONSTRAINT IF EXISTS procrastinate_periodic_defers_job_id_fkey;

-- "This thread may have something to do", now or after a delay.
--
-- One waiting job for each thread is enough, but leaving out the second is not safe by itself:
-- the first could be fetched and done before the caller's events are visible. The conflict
-- locks the waiting job until the caller has committed, and workers skip locked jobs.
CREATE FUNCTION hint(
  _stream_name text, _queue_name text DEFAULT NULL, _delay double precision DEFAULT 0, _tries integer DEFAULT 0
) RETURNS bigint
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _known text;
  _queue text;
  _job bigint;
BEGIN
  SELECT queue_name FROM threads WHERE stream_name = _stream_name INTO _known;
  _queue := coalesce(_queue_name, _known, 'agents');
  IF _known IS DISTINCT FROM _queue THEN
    INSERT INTO threads VALUES (_stream_name, _queue)
      ON CONFLICT (stream_name) DO UPDATE SET queue_name = excluded.queue_name;
  END IF;
  INSERT INTO procrastinate_jobs AS job (queue_name, task_name, lock, queueing_lock, args, scheduled_at)
    VALUES (
      _queue, 'messagedb_agent.drive', _stream_name, _stream_name,
      jsonb_build_object('stream_name', _stream_name, 'tries', _tries),
      CASE WHEN _delay > 0 THEN clock_timestamp() + make_interval(secs => _delay) END)
    ON CONFLICT (queueing_lock) WHERE status = 'todo'::procrastinate_job_status
    DO UPDATE SET
      -- A job that waits for a slot keeps its place among those that do.
      args = job.args - 'only_time'
        || CASE WHEN _delay > 0 THEN '{}' ELSE jsonb_build_object('tries', _tries) END,
      scheduled_at = CASE
        WHEN excluded.scheduled_at < job.scheduled_at THEN excluded.scheduled_at
        WHEN excluded.scheduled_at IS NULL THEN NULL
        ELSE job.scheduled_at END
    RETURNING id INTO _job;
  IF _delay <= 0 THEN
    PERFORM wake(_queue);
  END IF;
  RETURN _job;
END $$;

-- "Look at this thread then, for time will have decided something." A thread that was not left
-- to workers is not driven for that.
CREATE FUNCTION remind(_stream_name text, _delay double precision) RETURNS void
LANGUAGE sql SET search_path = agent_queue, pg_temp AS $$
  INSERT INTO procrastinate_jobs AS job (queue_name, task_name, lock, queueing_lock, args, scheduled_at)
    SELECT coalesce(thread.queue_name, 'agents'), 'messagedb_agent.drive', _stream_name, _stream_name,
           jsonb_build_object('stream_name', _stream_name)
             || CASE WHEN thread.queue_name IS NULL THEN '{"only_time": true}' ELSE '{}' END::jsonb,
           clock_timestamp() + make_interval(secs => _delay)
    FROM (VALUES (_stream_name)) AS given (stream_name) LEFT JOIN threads AS thread USING (stream_name)
    ON CONFLICT (queueing_lock) WHERE status = 'todo'::procrastinate_job_status
    DO UPDATE SET scheduled_at = CASE WHEN job.scheduled_at IS NULL THEN NULL
      ELSE least(excluded.scheduled_at, job.scheduled_at) END;
$$;

-- "Take this thread first": somebody waits for it already. It goes before all that nobody has begun,
-- also where it has to wait for a slot.
CREATE FUNCTION hint_first(_stream_name text, _queue_name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _job bigint := hint(_stream_name, _queue_name);
BEGIN
  UPDATE procrastinate_jobs SET priority = 1, args = args || '{"waits_since": 0}' WHERE id = _job;
END $$;

-- "This thread goes on once the limit has a slot", at the latest after a delay. Who waited before,
-- and was too late for the slot it was woken for, says since when.
CREATE FUNCTION wait_for_slot(
  _stream_name text, _limit text, _since double precision, _delay double precision
) RETURNS void
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _job bigint := hint(_stream_name, NULL, _delay);
BEGIN
  UPDATE procrastinate_jobs SET waits_for = _limit, args = args || jsonb_build_object(
      'waits_since', coalesce(_since, extract(epoch FROM clock_timestamp())))
    WHERE id = _job;
END $$;

-- Lets those threads go on that have waited longest for a limit, one for each of its slots that is
-- free: a worker may have died with others than the one that was given back. Who was woken before
-- may still be on its way. To be called after a slot was given back, and after a thread began to
-- wait, each in a transaction of its own: whichever of them comes second sees what the other did.
CREATE FUNCTION offer_slot(_limit text, _slots bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _free bigint := cardinality(_slots) - (
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) + objid::bigint = ANY (_slots));
  _queue text;
BEGIN
  IF _free <= 0 THEN
    RETURN;
  END IF;
  SELECT greatest(1, _free - count(*)) FROM procrastinate_jobs
    WHERE status = 'todo' AND waits_for = _limit AND scheduled_at IS NULL INTO _free;
  FOR _queue IN
    UPDATE procrastinate_jobs SET scheduled_at = NULL, priority = 1 WHERE id = ANY (ARRAY(
        SELECT id FROM procrastinate_jobs
        WHERE status = 'todo' AND waits_for = _limit AND scheduled_at IS NOT NULL
        ORDER BY (args ->> 'waits_since')::double precision, id LIMIT _free
        FOR UPDATE SKIP LOCKED))
      RETURNING queue_name
  LOOP
    PERFORM wake(_queue);
  END LOOP;
END $$;

-- The jobs that a worker is done with go, and it gets what it has room for, in one transaction. One
-- that was put back meanwhile is somebody else's, under another id.
--
-- A session keeps its plans, and makes them while the table is nearly empty: it would go on to read
-- and sort all waiting jobs for each that is fetched, however many there come to be.
CREATE FUNCTION fetch_jobs(_queues varchar[], _worker bigint, _most integer, _done bigint[])
RETURNS SETOF procrastinate_jobs
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp SET enable_sort = off SET enable_seqscan = off AS $$
DECLARE
  _job procrastinate_jobs;
BEGIN
  DELETE FROM procrastinate_jobs WHERE id = ANY (_done) AND status = 'doing';
  FOR _ IN 1.._most LOOP
    _job := procrastinate_fetch_job_v2(_queues, _worker);
    EXIT WHEN _job.id IS NULL;
    RETURN NEXT _job;
  END LOOP;
END $$;

-- On Procrastinate's channel, in its words: any job makes a worker look.
CREATE FUNCTION wake(_queue_name text) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_notify('procrastinate_queue_v1#' || _queue_name, '{"type": "job_inserted", "job_id": 0}')
$$;

-- A job that waited for the same thread's running one becomes free when that one ends.
CREATE FUNCTION wake_next() RETURNS trigger
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp SET enable_seqscan = off AS $$
BEGIN
  PERFORM wake(waiting.queue_name) FROM gone CROSS JOIN LATERAL (
      SELECT job.queue_name FROM procrastinate_jobs AS job
      -- As text, or an index of all that waits would seem as good as that of the locks.
      WHERE job.lock = gone.lock AND job.status::text = 'todo' AND job.scheduled_at IS NULL
      LIMIT 1
    ) AS waiting
    WHERE gone.status = 'doing';
  RETURN NULL;
END $$;

CREATE TRIGGER wake_next AFTER DELETE ON procrastinate_jobs REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION wake_next();

-- A job that nobody works on any more becomes a new one. The old row goes, so that a worker
-- that was only paused can't finish what is somebody else's by then.
CREATE FUNCTION put_back(_job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _lost record;
BEGIN
  DELETE FROM procrastinate_jobs WHERE id = _job AND status IN ('doing', 'failed', 'aborted')
    RETURNING lock, queue_name, args INTO _lost;
  IF _lost.lock IS NULL THEN
    RETURN NULL;
  END IF;
  IF _lost.args ? 'only_time' THEN
    PERFORM remind(_lost.lock, 0);
    PERFORM wake(_lost.queue_name);
  ELSE
    PERFORM hint_first(_lost.lock, _lost.queue_name);
  END IF;
  RETURN _lost.lock;
END $$;

-- Puts back the jobs of workers without a heartbeat, and ends their sessions: a process that
-- is only paused would hold its threads' locks for ever. A job has failed when not even a new
-- hint could be left behind.
CREATE FUNCTION rescue(_patience double precision) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
DECLARE
  _stalled record;
BEGIN
  FOR _stalled IN
    SELECT job.id, job.status, job.worker_id FROM procrastinate_jobs AS job
      LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
      WHERE job.status IN ('failed', 'aborted')
        OR job.status = 'doing'
          AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => _patience))
      ORDER BY job.id
      FOR UPDATE OF job SKIP LOCKED
  LOOP
    IF _stalled.status = 'doing' THEN
      PERFORM end_sessions(_stalled.worker_id);
    END IF;
    RETURN NEXT put_back(_stalled.id);
  END LOOP;
  DELETE FROM procrastinate_workers AS worker
    WHERE worker.last_heartbeat < now() - interval '10 minutes'
      AND NOT EXISTS (SELECT FROM procrastinate_jobs AS job WHERE job.worker_id = worker.id);
END $$;

CREATE FUNCTION end_sessions(_worker_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = agent_queue, pg_temp AS $$
BEGIN
  PERFORM pg_terminate_backend(activity.pid)
    FROM instances JOIN pg_stat_activity AS activity ON activity.application_name = instances.name
    WHERE instances.worker_id = _worker_id AND activity.datname = current_database();
EXCEPTION WHEN insufficient_privilege THEN
  -- Another role's sessions: they end when the process goes on or dies.
END $$;
