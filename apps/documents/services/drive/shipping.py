"""
Small contents on their way to Drive, several at once, by threads that know nothing of the database.

Whoever ships hears of each what came of it, and does all that is to be written down.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from apps.documents.drive import metering
from apps.documents.drive.client import Drive, RemoteFile
from apps.documents.models import Blob
from apps.documents.services.drive.contents import outgoing


@dataclass(frozen=True)
class Parcel:
    """One new file with all that is needed to send it; `key` is whatever its sender knows it by."""

    key: int
    file_id: str
    name: str
    parent_id: str
    blob: Blob
    app_properties: Mapping[str, str]


@dataclass(frozen=True)
class Delivered:
    """What came of a parcel: the file in Drive, or an error."""

    parcel: Parcel
    outcome: RemoteFile | Exception


class Shipment:
    """
    Parcels for one client, on so many connections at once.

    Leaving it waits for what is on its way, and begins nothing more.
    """

    def __init__(self, client: Drive, parcels: Sequence[Parcel], connections: int) -> None:
        self._client = client
        self._open = len(parcels)
        self._waiting: SimpleQueue[Parcel] = SimpleQueue()
        self._delivered: SimpleQueue[Delivered] = SimpleQueue()
        for parcel in parcels:
            self._waiting.put(parcel)
        threads = min(connections, len(parcels))
        self._threads = [threading.Thread(target=self._carry, daemon=True) for _thread in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    @property
    def is_over(self) -> bool:
        return self._open == 0

    def next(self, seconds: float) -> Delivered | None:
        """Return what came of the next parcel, whichever it is; None where nothing did for so long."""
        try:
            delivered = self._delivered.get(timeout=seconds)
        except Empty:
            return None
        self._open -= 1
        return delivered

    def stop(self) -> list[Parcel]:
        """Begin with no more parcels; return those that nothing was begun with."""
        left: list[Parcel] = []
        while (parcel := self._taken()) is not None:
            left.append(parcel)
        self._open -= len(left)
        return left

    def _taken(self) -> Parcel | None:
        try:
            return self._waiting.get_nowait()
        except Empty:
            return None

    def _carry(self) -> None:
        metering.only_count()
        try:
            while (parcel := self._taken()) is not None:
                self._delivered.put(Delivered(parcel, self._sent(parcel)))
        finally:
            self._client.close()

    def _sent(self, parcel: Parcel) -> RemoteFile | Exception:
        try:
            with outgoing(parcel.blob) as content:
                return self._client.create(
                    parcel.file_id,
                    name=parcel.name,
                    parents=[parcel.parent_id],
                    content=content,
                    app_properties=parcel.app_properties,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever decides
            return error
