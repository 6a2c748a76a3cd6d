"""
Sends requests over connections that stay open, and says how long that took; a process of its own, so that its work is
not counted as the server's.

`python -m tests.bench.serving.load PORT COUNT CONNECTIONS`, with the requests as a JSON list on stdin, asked in turn.
"""

import json
import socket
import sys
import time
from collections import Counter
from threading import Thread
from typing import Any


def encode(port: int, request: dict[str, Any]) -> bytes:
    """Write a request as it goes over the wire."""
    body = json.dumps(request["body"]).encode() if "body" in request else b""
    headers = {"Host": f"127.0.0.1:{port}", "Accept": "application/json", **request.get("headers", {})}
    if body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{request.get('method', 'GET')} {request['path']} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(port: int, requests: list[bytes], answers: Counter[str]) -> None:
    """Send requests one after another over one connection, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = connection.makefile("rb")
        for request in requests:
            connection.sendall(request)
            status = file.readline().split()[1].decode()
            length = 0
            while (line := file.readline()) != b"\r\n":
                name, _colon, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            file.read(length)
            answers[status] += 1


def main(port: int, count: int, connections: int) -> None:
    requests = [encode(port, request) for request in json.load(sys.stdin)]
    shares = [[requests[n % len(requests)] for n in range(k, count, connections)] for k in range(connections)]
    answers: Counter[str] = Counter()
    threads = [Thread(target=ask, args=(port, share, answers)) for share in shares]
    started_at = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"seconds": time.perf_counter() - started_at, "answers": answers}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
