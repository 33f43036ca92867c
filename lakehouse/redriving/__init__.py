"""The second try of each kind of refusal."""
