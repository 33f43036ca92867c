"""What a consumer counts. In the registry passed in, so that two in one process do not clash."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class StreamMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "iotops_stream_lag_messages",
            "Messages of a partition that are not in bronze yet.",
            ("topic", "partition"),
            registry=registry,
        )
        self.messages = Counter(
            "iotops_stream_messages", "Messages landed, refused ones included.", ("topic",), registry=registry
        )
        self.rows = Counter("iotops_stream_rows", "Rows landed.", ("topic", "table"), registry=registry)
        self.refused = Counter(
            "iotops_stream_refused", "Messages put into quarantine.", ("topic", "code"), registry=registry
        )
        self.lost = Counter(
            "iotops_stream_lost",
            "Messages that the broker deleted before they were read.",
            ("topic",),
            registry=registry,
        )
        self.retries = Counter(
            "iotops_stream_retries", "Batches tried again as bronze did not answer.", ("topic",), registry=registry
        )
        self.seconds = Histogram(
            "iotops_stream_batch_seconds",
            "From a full batch to its last commit.",
            ("topic",),
            buckets=SECONDS,
            registry=registry,
        )
