"""A running server, and the applications that are registered with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.local.redis import free_port
from tests.accounts.factories import PASSWORD, make_member, make_team
from tests.accounts.oauth import relying as rp
from tests.accounts.oauth.relying import AFTER_LOGOUT, Relying
from tests.clients.person import Person
from tests.crm.factories import make_deal
from tests.support.processes import Processes, Server

SETTINGS = "tests.clients.settings"
# Registered without a port, it stands for every port.
OWN_MACHINE, REDIRECT_HERE = "http://127.0.0.1/callback", "http://127.0.0.1:53682/callback"
SCOPES = "openid profile email offline_access read"


def start(processes: Processes, *, issuer: str | None = None) -> Server:
    """Start a web process that is known by its own address, or by another's whose work it shares."""
    port = free_port()
    named = {"DJANGO_SETTINGS_MODULE": SETTINGS, "OIDC_ISSUER": issuer or f"http://127.0.0.1:{port}"}
    return processes.web(port=port, **named)


@dataclass
class Site:
    """A server with somebody who has a deal, and one application of each kind."""

    processes: Processes
    server: Server
    applications: Mapping[str, Relying] = field(init=False)
    email: str = field(init=False, default="vera@example.org")

    def __post_init__(self) -> None:
        team = make_team("Sales")
        vera = make_member(team, "salesperson", "Vera", password=PASSWORD, email=self.email, locale="en")
        make_deal("Boat", owner=vera)
        role = vera.memberships.get().role_id
        self.applications = {
            "website": rp.register(name="Website"),
            "page": rp.register_public(name="Page", redirect_uris=OWN_MACHINE),
            "program": rp.register_program(role, name="Program", team_id=team.pk),
            "device": rp.register_device(name="Television"),
        }
        self.applications["page"].redirect = REDIRECT_HERE

    @property
    def issuer(self) -> str:
        return self.server.url

    def person(self) -> Person:
        """Return somebody with an account here, who has not logged in yet."""
        return Person(self.issuer, self.email)

    def environment(self, name: str, authentication: str = "client_secret_basic") -> dict[str, str]:
        """Return what an application is told by whoever installs it."""
        application = self.applications[name]
        return {
            "ISSUER": self.issuer,
            "CLIENT_ID": application.client_id,
            "CLIENT_SECRET": application.secret,
            "AUTHENTICATION": authentication if application.secret else "none",
            "REDIRECT_URI": application.redirect,
            "AFTER_LOGOUT": AFTER_LOGOUT,
            "SCOPE": "read" if name == "program" else SCOPES,
        }
