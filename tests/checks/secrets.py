"""Whether a secret has been committed: a few shapes that real ones have."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----"),
    "a Telegram bot token": re.compile(r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}\b"),
    "a Google API key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
}
LARGEST = 1_000_000


def found(root: Path = ROOT) -> list[str]:
    """Name every tracked file, and those about to be, that holds what looks like a secret."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    files = [root / name for name in listing.split("\0") if name]
    return [problem for file in files if file.is_file() for problem in in_file(file)]


def in_file(file: Path) -> list[str]:
    if file.stat().st_size > LARGEST:
        return []
    text = file.read_text(errors="replace")
    return [f"{file} holds {name}" for name, shape in SHAPES.items() if shape.search(text)]
