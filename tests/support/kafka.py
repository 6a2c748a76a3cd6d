"""
Kafka for tests: the mock cluster inside librdkafka, which speaks the real protocol over TCP and fails when it is told to.

It is no broker: it keeps everything in memory, 5 MiB or 100,000 messages a partition.
"""

import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import Producer

# Of the protocol: what a producer asks for when it sends.
PRODUCE = 0


def _library() -> Any:
    """Return librdkafka as the wheel brings it: the errors of its mock are not offered to Python."""
    places = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (found,) = places.glob("librdkafka*.so*")
    library = ctypes.CDLL(str(found))
    library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    library.rd_kafka_handle_mock_cluster.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    for change in (library.rd_kafka_mock_broker_set_down, library.rd_kafka_mock_broker_set_up):
        change.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_topic_create.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    return library


class MockKafka:
    """A cluster that lives as long as the client that holds it."""

    def __init__(self, brokers: int = 3) -> None:
        self._holder = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "mock"})
        self._library = _library()
        # The first thing that the object holds after its head is the handle of the C library.
        handle = ctypes.c_void_p.from_address(id(self._holder) + 2 * ctypes.sizeof(ctypes.c_void_p))
        self._cluster = self._library.rd_kafka_handle_mock_cluster(handle)
        assert self._cluster, "the client has no mock cluster"
        self.brokers = self._holder.list_topics(timeout=30).brokers

    @property
    def servers(self) -> str:
        return ",".join(f"{broker.host}:{broker.port}" for broker in self.brokers.values())

    def make_topic(self, name: str, partitions: int = 4) -> None:
        self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def fail(self, *codes: int, request: int = PRODUCE) -> None:
        """Answer the next requests of a kind with these errors, one after another."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), array)

    def set_up(self, *, up: bool) -> None:
        """Let all the brokers go away, or come back."""
        change = (
            self._library.rd_kafka_mock_broker_set_up if up else self._library.rd_kafka_mock_broker_set_down
        )
        for broker in self.brokers:
            change(self._cluster, broker)
