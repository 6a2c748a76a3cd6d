"""A mailbox over IMAP: as much of the protocol as reading a folder takes, over a real socket."""

import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Mailbox:
    """The letters of one folder by their numbers, and which of them were seen."""

    letters: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    password: str = "secret"

    def add(self, raw: bytes) -> int:
        uid = len(self.letters) + 1
        self.letters[uid] = raw
        return uid


class _Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: Any

    def say(self, text: str | bytes) -> None:
        self.wfile.write((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, _space, rest = line.partition(" ")
            if not self.answer(tag, rest):
                return

    def answer(self, tag: str, rest: str) -> bool:
        box: Mailbox = self.server.box
        command = rest.upper()
        if command.startswith("CAPABILITY"):
            self.say("* CAPABILITY IMAP4rev1")
        elif command.startswith("LOGIN"):
            if f'"{box.password}"' not in rest and f" {box.password}" not in rest:
                self.say(f"{tag} NO no such login")
                return True
        elif command.startswith(("SELECT", "EXAMINE")):
            self.say(f"* {len(box.letters)} EXISTS")
        elif command.startswith("UID SEARCH UNSEEN"):
            self.say("* SEARCH " + " ".join(str(uid) for uid in box.letters if uid not in box.seen))
        elif found := re.match(r"UID FETCH (\d+) \((.*)\)", rest, re.IGNORECASE):
            self.fetch(int(found.group(1)), found.group(2).upper())
        elif found := re.match(r"UID STORE (\d+) \+FLAGS", rest, re.IGNORECASE):
            box.seen.add(int(found.group(1)))
        elif command.startswith("LOGOUT"):
            self.say("* BYE")
            self.say(f"{tag} OK")
            return False
        self.say(f"{tag} OK done")
        return True

    def fetch(self, uid: int, what: str) -> None:
        raw = self.server.box.letters[uid]
        if what == "RFC822.SIZE":
            self.say(f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(raw)})")
        else:
            self.say(f"* {uid} FETCH (UID {uid} BODY[] {{{len(raw)}}}")
            self.wfile.write(raw)
            self.say(")")


class _Server(socketserver.ThreadingTCPServer):
    """Listens on a free port of this machine."""

    allow_reuse_address = True
    daemon_threads = True


class FakeImap:
    """Serves a mailbox for as long as it is open."""

    def __init__(self) -> None:
        self.box = Mailbox()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.box = self.box  # type: ignore[attr-defined]
        self.url = f"imap://sales:{self.box.password}@127.0.0.1:{self._server.server_address[1]}/INBOX"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "FakeImap":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
