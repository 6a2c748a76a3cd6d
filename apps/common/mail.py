"""A mail backend for installations that send nothing: each connection's letters in a file of their own."""

import secrets
import time
from pathlib import Path
from typing import Any

from django.core.mail.backends import filebased


class EmailBackend(filebased.EmailBackend):
    """
    Django's letters in files, under names that no other connection takes.

    Django names a file by the second and the place of the connection in memory. Both are often the same for two letters
    in a row, which then share a file and read as one.
    """

    stream: Any

    def open(self) -> bool:
        """Open a new file, unless one is open."""
        if self.stream is not None:
            return False
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}.log"
        self.stream = (Path(self.file_path) / name).open("xb")
        return True
