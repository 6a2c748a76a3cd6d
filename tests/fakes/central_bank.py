"""The Bank of Russia and the European Central Bank, as far as they give rates: real HTTP servers, and their bad days."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HTML = b"<!DOCTYPE html><html><body>Site under maintenance</body></html>"


def cbr_file(day: date, rates: Mapping[str, tuple[int, str]]) -> bytes:
    """Return the daily file of the Bank of Russia; rates as {"JPY": (100, "52,1034")}."""
    rows = "".join(
        f'<Valute ID="R{number:05}"><NumCode>{number:03}</NumCode><CharCode>{code}</CharCode><Nominal>{nominal}</Nominal>'
        f"<Name>Валюта {code}</Name><Value>{value}</Value><VunitRate>{value}</VunitRate></Valute>"
        for number, (code, (nominal, value)) in enumerate(rates.items(), start=1)
    )
    text = f'<ValCurs Date="{day:%d.%m.%Y}" name="Foreign Currency Market">{rows}</ValCurs>'
    return ('<?xml version="1.0" encoding="windows-1251"?>' + text).encode("cp1251")


def ecb_file(day: date, rates: Mapping[str, str]) -> bytes:
    """Return the reference rates of the ECB; rates as {"USD": "1.0842"}."""
    rows = "".join(f"<Cube currency='{code}' rate='{rate}'/>" for code, rate in rates.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>'
        f"<Cube><Cube time='{day.isoformat()}'>{rows}</Cube></Cube></gesmes:Envelope>"
    ).encode()


@dataclass
class CentralBank:
    """
    A bank that gives one file, and may be late, broken, or of another mind.

    :ivar delay: seconds before the first byte
    :ivar drip: seconds between bytes
    """

    body: bytes = b""
    status: int = 200
    delay: float = 0.0
    drip: float = 0.0
    endless: bool = False
    asked: int = 0
    url: str = ""
    done: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    bank: CentralBank

    def do_GET(self) -> None:
        bank = self.bank
        bank.asked += 1
        bank.done.wait(bank.delay)
        try:
            self._answer(bank)
        except OSError:
            # Whoever asked has gone: this is what a late answer comes to.
            self.close_connection = True

    def _answer(self, bank: CentralBank) -> None:
        self.send_response(bank.status)
        self.send_header("Content-Type", "text/xml")
        if not bank.endless:
            self.send_header("Content-Length", str(len(bank.body)))
        self.end_headers()
        if bank.drip:
            for at in range(len(bank.body)):
                self.wfile.write(bank.body[at : at + 1])
                time.sleep(bank.drip)
        else:
            self.wfile.write(bank.body)
        while bank.endless and not bank.done.is_set():
            self.wfile.write(b" " * 65536)

    def log_message(self, *args: Any) -> None:
        """Say nothing: tests ask what was asked."""


@contextmanager
def central_bank(body: bytes = b"") -> Iterator[CentralBank]:
    """Serve a bank's file for as long as the context is open."""
    bank = CentralBank(body)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bank": bank}))
    server.daemon_threads = True
    bank.url = f"http://127.0.0.1:{server.server_address[1]}/rates.xml"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield bank
    finally:
        bank.done.set()
        server.shutdown()
        server.server_close()
        thread.join()
