"""The gates: what must hold of new rows of landing and of a candidate before it is promoted.

Great Expectations judges; Postgres counts. `gates.py` is the way in.
"""
