"""
What `make run` is made of: checks, embedded PostgreSQL and Redis, a keeper for each process.

Nothing here imports Django before the checks have passed, and nothing of it is needed on a real server.
"""
