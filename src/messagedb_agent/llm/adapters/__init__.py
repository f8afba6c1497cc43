"""
Providers' protocols: pure `to_request`, `read` and `from_response` beside thin classes doing IO.
"""
