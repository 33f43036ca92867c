"""The copilot over HTTP: FastAPI around one `rag.copilot.Copilot`, handed in from above."""
