"""The least rights under which everything works: roles of PostgreSQL, users of Redis, TLS to both, new passwords."""
