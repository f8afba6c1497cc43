-- Clients recognise a repeated id by the name messages_id, so the names are part of the interface.

CREATE UNIQUE INDEX IF NOT EXISTS messages_id ON message_store.messages (id);

CREATE UNIQUE INDEX IF NOT EXISTS messages_stream ON message_store.messages (stream_name, position);

-- The sum keeps the planner from reading a category by the primary key, which has the right order
-- but walks the messages of all other categories. get_category_messages asks for the same sum.
CREATE INDEX IF NOT EXISTS messages_category ON message_store.messages (
  message_store.category(stream_name),
  (global_position + 0),
  message_store.category(metadata ->> 'correlationStreamName')
);

-- One entry for each stream, in the order of their beginnings: lists the newest streams of a category.
CREATE INDEX IF NOT EXISTS messages_first ON message_store.messages (
  message_store.category(stream_name),
  global_position
) WHERE position = 0;
