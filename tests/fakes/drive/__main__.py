"""
The fake of Google Drive as a program.

    python -m tests.fakes.drive --port 9400 --state drive.state --credentials robot.json

Its first line tells, as JSON, where it stands, the id of its shared drive, and the key file of its service account.
"""

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from tests.fakes.drive import ROBOT, FakeDrive


def main() -> None:
    options = _options()
    drive = FakeDrive(port=options.port, state=options.state, validates=options.validate)
    credentials = options.credentials or Path(f"{options.state or 'drive'}.credentials.json")
    if not _fits(drive, credentials):
        _write_private(credentials, json.dumps(drive.service_account(), indent=2))
    drives = list(drive.store.drives.values()) or [drive.create_drive(options.drive)]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with drive:
        told = {"api_root": drive.api_root, "drive_id": drives[0].id, "credentials": str(credentials)}
        print(json.dumps(told), flush=True)
        ended.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.drive", description="A fake of Google Drive v3."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, help="the file that it is kept in")
    parser.add_argument(
        "--credentials", type=Path, help="where the key file of its service account is written"
    )
    parser.add_argument("--drive", default="Company", help="the name of its first shared drive")
    parser.add_argument("--validate", action="store_true", help="compare answers with Google's description")
    return parser.parse_args()


def _fits(drive: FakeDrive, credentials: Path) -> bool:
    """Return whether a key file of an earlier start still opens this drive."""
    if ROBOT not in drive.store.accounts or not credentials.exists():
        return False
    info = json.loads(credentials.read_text())
    is_same = bool(info["private_key_id"] == drive.store.accounts[ROBOT].key_id)
    return is_same and info["token_uri"] == f"{drive.url}/token"


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
