"""
Providers' protocols: each a pure half (`to_request`, `from_stream`, `from_response`) beside a
thin class doing IO.
"""
