"""What the catalogue says of the interface: everything a client can see without calling it."""

from __future__ import annotations

from typing import Any

import psycopg

_FACTS = """
SELECT 'function', proname, pg_get_function_arguments(oid), pg_get_function_result(oid),
  provolatile::text, proisstrict::text, prosecdef::text, prokind::text
FROM pg_proc WHERE pronamespace = 'message_store'::regnamespace
UNION ALL
SELECT 'column', c.relname || '.' || a.attname, a.attnum::text, format_type(atttypid, atttypmod),
  attnotnull::text, pg_get_expr(adbin, adrelid), attidentity::text, c.relkind::text
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = attrelid AND relkind IN ('r', 'v', 'c')
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'message_store'::regnamespace AND attnum > 0
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid), contype::text, NULL, NULL, NULL, NULL
FROM pg_constraint WHERE connamespace = 'message_store'::regnamespace
UNION ALL
SELECT 'index', indexname, indexdef, NULL, NULL, NULL, NULL, NULL
FROM pg_indexes WHERE schemaname = 'message_store'
UNION ALL
SELECT 'sequence', sequencename, data_type::text, start_value::text, increment_by::text,
  pg_get_serial_sequence('message_store.messages', 'global_position'), NULL, NULL
FROM pg_sequences WHERE schemaname = 'message_store'
UNION ALL
SELECT 'grant', object, grantee, string_agg(privilege, ' ' ORDER BY privilege),
  NULL, NULL, NULL, NULL
FROM (
  SELECT nspname, nspacl, 'n' FROM pg_namespace WHERE nspname = 'message_store'
  UNION ALL
  SELECT relname, relacl, relkind FROM pg_class
  WHERE relnamespace = 'message_store'::regnamespace
  UNION ALL
  SELECT proname, proacl, 'f' FROM pg_proc WHERE pronamespace = 'message_store'::regnamespace
) AS objects (object, acl, kind),
LATERAL (
  SELECT CASE WHEN e.grantee = 0 THEN 'public' ELSE pg_get_userbyid(e.grantee) END, privilege_type
  FROM aclexplode(acl) AS e
) AS granted (grantee, privilege)
GROUP BY object, kind, grantee
"""

DIFFERENT_ON_PURPOSE = {"messages_category", "messages_first"}
"""Our indexes that the genuine installation has otherwise, or not at all."""

Fact = tuple[str | None, ...]


def describe(connection: psycopg.Connection[Any]) -> set[Fact]:
    """The facts, in no order, without what differs on purpose."""
    return {fact for fact in connection.execute(_FACTS) if fact[1] not in DIFFERENT_ON_PURPOSE}
