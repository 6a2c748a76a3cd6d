"""The place of a local installation: ARTEL_HOME, what is kept there, and the settings that follow."""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import environ

from config.local.postgresql import Cluster
from config.local.redis import RedisServer
from config.local.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "artel"


def load_dotenv() -> None:
    """Read `.env` beside `manage.py`; what the environment says already stands."""
    if (ROOT / ".env").exists():
        environ.Env.read_env(ROOT / ".env")


def is_set(name: str, environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether a setting is given, itself or as a file that holds it."""
    environment = os.environ if environment is None else environment
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


@dataclass
class Home:
    """A directory with everything that a local installation keeps."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        return cls(Path(os.environ.get("ARTEL_HOME") or ROOT / ".artel").expanduser().absolute())

    @property
    def run(self) -> Path:
        """Where lock and state files of running processes are."""
        return self.path / "run"

    @property
    def mail(self) -> Path:
        """Where letters are put that no mail server takes."""
        return self.path / "mail"

    @property
    def demo_logins(self) -> Path:
        return self.path / "demo-logins.txt"

    def make(self) -> None:
        """
        Make the directory and see that files can be written there.

        :raises Refusal: they cannot
        """
        try:
            # Uploaded files and keys are nobody else's business.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ["run", "media", "static", "mail"]:
                (self.path / name).mkdir(exist_ok=True)
            tempfile.TemporaryFile(dir=self.run).close()
        except OSError as problem:
            raise Refusal(
                f"ARTEL_HOME {self.path} is not writable ({problem.strerror}); "
                "set ARTEL_HOME to a directory that is."
            ) from None

    def lock(self) -> TextIO:
        """
        Hold the directory for this process, until the returned file is closed.

        :raises Refusal: another start holds it
        """
        held = (self.run / "lock").open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            owner = held.read().strip() or "unknown"
            held.close()
            raise Refusal(f"Artel already runs from {self.path} (process {owner}); stop it first.") from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        return held

    def secret_key(self) -> str:
        """Return this installation's own key, made at the first start and readable by its owner alone."""
        path = self.path / "secret-key"
        if not path.exists() or not path.read_text().strip():
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(50))
        return path.read_text().strip()

    def cluster(self) -> Cluster:
        return Cluster(self.path / "postgresql")

    def redis(self) -> RedisServer:
        return RedisServer(self.path / "redis")


def start_services(home: Home) -> dict[str, str]:
    """
    Start PostgreSQL and Redis as far as no other servers are configured; return the settings that name them.

    :raises Refusal: one does not start
    """
    settings = {"ARTEL_HOME": str(home.path)}
    if not is_set("DATABASE_URL"):
        cluster = home.cluster()
        cluster.start()
        cluster.ensure_database(DATABASE)
        settings["DATABASE_URL"] = cluster.url(DATABASE)
        if not is_set("PAYMENT_DEMO"):
            # An installation to look at: nobody else's database, and no money but what is played.
            settings["PAYMENT_DEMO"] = "true"
    if not is_set("REDIS_URL"):
        redis = home.redis()
        redis.start()
        settings["REDIS_URL"] = redis.url()
    if not is_set("SECRET_KEY"):
        settings["SECRET_KEY"] = home.secret_key()
    if not is_set("EMAIL_URL"):
        # Letters are shown at /accounts/mailbox/.
        settings["EMAIL_URL"] = f"filemail://{home.mail}"
    return settings


def stop_services(home: Home) -> None:
    """Stop what runs of the embedded servers."""
    home.redis().stop()
    home.cluster().stop()
