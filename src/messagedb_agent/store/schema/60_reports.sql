-- Reports: how many messages there are of each kind, and their share of all messages.

CREATE OR REPLACE VIEW message_store.category_type_summary AS
  SELECT
    message_store.category(stream_name) AS category, type, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1, 2
  ORDER BY 1, 2;

CREATE OR REPLACE VIEW message_store.stream_summary AS
  SELECT
    stream_name, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1
  ORDER BY 1;

CREATE OR REPLACE VIEW message_store.stream_type_summary AS
  SELECT
    stream_name, type, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1, 2
  ORDER BY 1, 2;

CREATE OR REPLACE VIEW message_store.type_category_summary AS
  SELECT
    type, message_store.category(stream_name) AS category, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1, 2
  ORDER BY 1, 2;

CREATE OR REPLACE VIEW message_store.type_stream_summary AS
  SELECT
    type, stream_name, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1, 2
  ORDER BY 1, 2;

CREATE OR REPLACE VIEW message_store.type_summary AS
  SELECT
    type, count(*) AS message_count,
    round(count(*) / sum(count(*)) OVER () * 100, 2) AS percent
  FROM message_store.messages
  GROUP BY 1
  ORDER BY 1;
