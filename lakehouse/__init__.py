"""Source → bronze → landing, and what everything above stands on: errors, objects, Delta tables, Postgres."""
