"""Django's backend for PostgreSQL, without a question to the server before each request's first one."""
