"""Kafka to bronze, each message once: positions are stored in the commit that lands the rows."""
