"""Gold → index → answer."""
