"""
Archived threads: out of the way of those that are used, and still there to be read.

Rows leave `message_store.messages` unchanged and in one transaction, for a table in which they
take a third of the space. See docs/adr/0016.
"""
