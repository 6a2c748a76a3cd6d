"""Where settings come from: the environment, `.env` in the root, or files named by X_FILE."""

from pathlib import Path

import environ

ROOT = Path(__file__).resolve().parent.parent.parent


class Env(environ.FileAwareEnv):  # type: ignore[misc]
    """Settings, where `filemail://` means the platform's own files of letters."""

    EMAIL_SCHEMES = environ.FileAwareEnv.EMAIL_SCHEMES | {"filemail": "apps.common.mail.EmailBackend"}


env = Env()
if (ROOT / ".env").exists():
    env.read_env(ROOT / ".env")

ARTEL_HOME = Path(env.str("ARTEL_HOME", default=str(ROOT / ".artel"))).resolve()
