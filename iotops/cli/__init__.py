"""One module a noun. Heavy imports stay inside the commands, so that `iotops --help` is quick."""
