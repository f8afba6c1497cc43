"""
Workers: processes that drive threads on behalf of others, on Procrastinate.

A job says no more than "this thread may have something to do". What that is the stream says;
claims and the thread's lock see to it that it is done once.
"""
