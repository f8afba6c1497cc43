-- One row for each answer of a model.

CREATE OR REPLACE VIEW messagedb_agent.usage AS
SELECT
  message_store.category(stream_name) AS category,
  message_store.id(stream_name) AS thread_id,
  stream_name,
  position,
  time,
  time::date AS day,
  coalesce(data ->> 'model_name', '') AS model_name,
  messagedb_agent.whole(data #> '{token_usage,input_tokens}') AS input_tokens,
  messagedb_agent.whole(data #> '{token_usage,output_tokens}') AS output_tokens,
  coalesce(
    nullif(messagedb_agent.whole(data #> '{token_usage,total_tokens}'), 0),
    messagedb_agent.whole(data #> '{token_usage,input_tokens}')
      + messagedb_agent.whole(data #> '{token_usage,output_tokens}')
  ) AS total_tokens,
  messagedb_agent.whole(data #> '{token_usage,cache_read_tokens}') AS cache_read_tokens,
  messagedb_agent.whole(data #> '{token_usage,cache_write_tokens}') AS cache_write_tokens,
  data ->> 'stop_reason' AS stop_reason
FROM messagedb_agent.events
WHERE type = 'LLMResponseReceived';

COMMENT ON VIEW messagedb_agent.usage IS 'Tokens of each answer of a model';
