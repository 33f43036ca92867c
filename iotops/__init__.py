"""Settings, composition root and command line."""
