"""
What documents cost. Each claim is a part; `python -m tests.bench.documents [PART…]` measures all of them or those named.

A part is a function that measures, prints one JSON line, writes its row of the results and returns the exit code; it is
added to PARTS below. `--short` measures one pair, prints it, and writes nothing down.
"""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from config.local.redis import free_port
from tests.bench.harness import Bench, at_most, own_services, run

MIB = 1024 * 1024
SMALL, LARGE = 10 * MIB, 1024 * MIB
# How often the memory of a server is looked at; a piece takes some ten times as long.
_LOOK_SECONDS = 0.005
_numbers = count(1)


class Uploads:
    """A server that takes files, started anew for each of them, and what its memory came to."""

    def __init__(self, home: Path) -> None:
        from tests.access.world import client_with_key
        from tests.accounts.factories import make_member, make_team

        self.home = home
        owner = make_member(make_team("Bench"), "administrator", "bench")
        self.secret = str(client_with_key(owner, ["all"]).defaults["HTTP_AUTHORIZATION"])
        self.digests: dict[int, str] = {}

    def peak(self, size: int) -> float:
        """Send a file to a fresh server that checks it by itself; return the most memory that it held, in MiB."""
        with self._server() as (server, port):
            # What is loaded by the first request at all is no part of what a file takes.
            self._send(port, MIB)
            most = server.memory_info().rss
            for _piece in self._sent(port, size):
                most = max(most, server.memory_info().rss)
        return most / MIB

    @contextmanager
    def _server(self) -> Iterator[tuple[psutil.Process, int]]:
        port = free_port()
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"]
        command += ["--blocking-threads", "1", "--port", str(port), "--no-ws", "--log-level", "warning"]
        environment = os.environ | {
            "ARTEL_HOME": str(self.home),
            "API_LIMIT": str(10**9),
            "UPLOAD_CHECKED_AT_ONCE": str(2 * LARGE),
            "LOG_LEVEL": "WARNING",
        }
        main = psutil.Process(subprocess.Popen([*command, "config.wsgi:application"], env=environment).pid)
        try:
            self._await(port)
            yield main.children()[0], port
        finally:
            for process in [*main.children(recursive=True), main]:
                process.kill()

    def _await(self, port: int) -> None:
        ready_by = time.monotonic() + 120
        while time.monotonic() < ready_by:
            try:
                self._ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), "GET", "/api/v1/me/")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the server does not answer")

    def _send(self, port: int, size: int) -> None:
        for _piece in self._sent(port, size):
            pass

    def _sent(self, port: int, size: int) -> Iterator[None]:
        """Send a file in pieces; yield again and again until the server has checked it and written it down."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(self._upload, port, size)
            while not done.done():
                yield
                time.sleep(_LOOK_SECONDS)
            self.digests[size] = done.result()

    def _upload(self, port: int, size: int) -> str:
        base = "/api/v1/documents/upload-sessions/"
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        number = next(_numbers)
        # No two files are alike: one that is kept already would not be written.
        block = hashlib.sha256(str(number).encode()).digest() * (MIB // 32)
        said = {"file_name": f"{number}.bin", "size": size, "type": self._type()}
        session = self._ask(line, "POST", base, json.dumps(said).encode(), "application/json")
        step, sha256 = session["part_size"], hashlib.sha256()
        for start in range(0, size, step):
            piece = block * (min(step, size - start) // MIB)
            sha256.update(piece)
            path = f"{base}{session['id']}/content/"
            self._ask(line, "PATCH", path, piece, "application/offset+octet-stream", str(start))
        done = self._ask(line, "POST", f"{base}{session['id']}/finish/", b"{}", "application/json")
        assert done["state"] == "READY", done
        return sha256.hexdigest()

    def _type(self) -> int:
        from apps.documents.models import DocumentType

        return DocumentType.objects.values_list("pk", flat=True).get(code="file")

    def _ask(
        self,
        line: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        offset: str = "",
    ) -> Any:
        headers = {"Authorization": self.secret, "Content-Type": content_type, "Upload-Offset": offset}
        line.request(method, path, body, {name: value for name, value in headers.items() if value})
        answer = line.getresponse()
        text = answer.read()
        assert answer.status < 300, (answer.status, text[:500])
        return json.loads(text) if text else {}

    def same_work(self) -> None:
        """Both files are kept, byte by byte as they were sent."""
        from apps.documents.models import Blob

        kept = {bytes(blob.sha256).hex(): blob.size for blob in Blob.objects.all()}
        for size in (SMALL, LARGE):
            assert kept[self.digests[size]] == size

    def forget(self) -> None:
        """Leave no gigabytes to the next round."""
        for path in (self.home / "documents").rglob("*"):
            if path.is_file():
                path.unlink()


def upload_memory(*, is_short: bool) -> int:
    """Measure what memory an upload of 1 GiB takes, against one of 10 MiB."""
    with TemporaryDirectory(prefix="artel-bench-") as home:
        uploads = Uploads(Path(home))
        if is_short:
            small, large = uploads.peak(SMALL), uploads.peak(LARGE)
            uploads.same_work()
            facts = {
                "small_mib": round(small, 1),
                "large_mib": round(large, 1),
                "ratio": round(large / small, 3),
            }
            print(json.dumps({"bench": "documents upload memory, short"} | facts), flush=True)
            return int(large > 1.1 * small)
        return run(
            Bench(
                name="documents: upload memory",
                claim="the most memory that a web process holds (MiB, in place of seconds) while it takes in, checks and "
                "keeps a file of 1 GiB, against one of 10 MiB",
                limit=lambda: uploads.peak(SMALL),
                ours=lambda: uploads.peak(LARGE),
                goal=at_most(1.1),
                same_work=uploads.same_work,
                before_each=uploads.forget,
            )
        )


PARTS: dict[str, Callable[..., int]] = {"upload_memory": upload_memory}


def main(words: list[str]) -> int:
    is_short = "--short" in words
    names = [word for word in words if not word.startswith("--")] or list(PARTS)
    with own_services():
        return max(PARTS[name](is_short=is_short) for name in names)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
