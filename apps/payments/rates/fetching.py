"""Asking a central bank over HTTP, for so long and so much and no more. No Django here."""

import time

import httpcore

from apps.payments.rates.files import RatesError

# A day's file is some ten kilobytes.
_MOST_BYTES = 1 << 20
_HEADERS = [("Accept", "application/xml, text/xml"), ("User-Agent", "Artel")]


def fetch(url: str, *, seconds: float) -> bytes:
    """
    Return what stands at an address.

    :param seconds: for the whole exchange
    :raises RatesError: nobody answers in time ("unreachable"), another status than 200 ("answered"), or too much
    """
    deadline = time.monotonic() + seconds
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    try:
        with (
            httpcore.ConnectionPool(retries=1) as pool,
            pool.stream("GET", url, headers=_HEADERS, extensions={"timeout": timeout}) as response,
        ):
            if response.status != 200:
                raise RatesError("answered", str(response.status))
            body = bytearray()
            for part in response.iter_stream():
                body += part
                if len(body) > _MOST_BYTES:
                    raise RatesError("too_large")
                if time.monotonic() > deadline:
                    raise RatesError("unreachable", "too slow")
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise RatesError("unreachable", type(error).__name__) from error
    except httpcore.UnsupportedProtocol as error:
        raise RatesError("unreachable", type(error).__name__) from error
    return bytes(body)
