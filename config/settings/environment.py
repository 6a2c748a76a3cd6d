"""Where settings come from: the environment, `.env` in the root, or files named by X_FILE."""

from pathlib import Path

import environ

ROOT = Path(__file__).resolve().parent.parent.parent

env = environ.FileAwareEnv()
if (ROOT / ".env").exists():
    env.read_env(ROOT / ".env")

ARTEL_HOME = Path(env.str("ARTEL_HOME", default=str(ROOT / ".artel"))).resolve()
