"""openid-client, from npm, against a running server: each flow as that client checks it."""

from typing import Any

import pytest

from tests.accounts.oauth.relying import AFTER_LOGOUT, rotate_keys
from tests.clients.node import Node
from tests.clients.site import SCOPES, Site


def test_discovery(site: Site, node: Node) -> None:
    told = node.start("discovery.mjs", site.environment("website")).result()
    assert told["openid"] == told["plain"]
    assert told["openid"]["issuer"] == site.issuer
    assert told["isPkceKnown"] is True
    # Known by another name it is somebody else.
    assert told["elsewhere"] == "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED"


@pytest.mark.parametrize(
    ("name", "authentication"),
    [("website", "client_secret_basic"), ("website", "client_secret_post"), ("page", "none")],
)
def test_code_with_pkce(site: Site, node: Node, name: str, authentication: str) -> None:
    script = node.start("code.mjs", site.environment(name, authentication))
    script.answer(site.person().go(script.asked()))
    told = script.result()
    client_id = site.applications[name].client_id
    assert (told["claims"]["iss"], told["claims"]["aud"]) == (site.issuer, client_id)
    assert told["claims"]["auth_time"] <= told["claims"]["iat"]
    assert told["person"]["sub"] == told["claims"]["sub"]
    assert (told["person"]["email"], told["person"]["email_verified"]) == (site.email, True)
    assert (told["api"]["status"], told["api"]["body"]["email"]) == (200, site.email)
    assert (told["renewed"]["sub"], told["isAnother"]) == (told["claims"]["sub"], True)
    assert told["renewed"]["auth_time"] == told["claims"]["auth_time"]
    assert_worth(told, authentication, client_id)
    assert told["afterwards"] == {
        "person": {"status": 401, "error": "invalid_token"},
        "api": {"status": 401, "error": "invalid_token"},
        "refresh": {"status": 400, "error": "invalid_grant"},
    }


def assert_worth(told: dict[str, Any], authentication: str, client_id: str) -> None:
    """Whoever keeps a secret learns what tokens are worth before and after their end; others are refused."""
    if authentication == "none":
        refused = {"status": 401, "error": "invalid_client"}
        assert told["before"] == told["after"] == {"access": refused, "refresh": refused}
        return
    for kind in ("access", "refresh"):
        assert (told["before"][kind]["active"], told["before"][kind]["client_id"]) == (True, client_id)
        assert set(told["before"][kind]["scope"].split()) == set(SCOPES.split())
        assert told["after"][kind] == {"active": False}


def test_refusals(site: Site, node: Node) -> None:
    script = node.start("refusals.mjs", site.environment("website"))
    person = site.person()
    person.decisions = ["deny"]
    script.answer(person.go(script.asked()))
    for stranger in (site.person(), person):
        script.answer(stranger.go(script.asked()))
    told = script.result()
    assert told["denied"]["error"] == "access_denied"
    assert told["silent"]["error"] == "login_required"
    assert told["plain"]["error"] == "invalid_request"
    assert told["noCode"] == {"status": 400, "error": "invalid_grant"}


def test_device(site: Site, node: Node) -> None:
    script = node.start("device.mjs", site.environment("device"))
    person = site.person()
    script.answer(person.go(script.asked()))
    address = script.asked()
    person.decisions = ["deny"]
    script.answer(person.go(address))
    told = script.result()
    assert told["begun"]["verification_uri"] == f"{site.issuer}/o/device/"
    assert told["claims"]["aud"] == site.applications["device"].client_id
    assert told["person"]["email"] == site.email
    assert told["isAnother"] is True
    assert told["denied"] == {"status": 400, "error": "access_denied"}


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
def test_client_credentials(site: Site, node: Node, authentication: str) -> None:
    told = node.start("program.mjs", site.environment("program", authentication)).result()
    assert told["scope"] == "read"
    assert told["api"]["status"] == 200
    assert told["before"]["active"] is True
    assert told["after"] == {"active": False}
    assert told["afterwards"] == {"status": 401, "error": "invalid_token"}
    assert told["tooMuch"] == {"status": 400, "error": "invalid_scope"}


@pytest.mark.parametrize("is_rotated", [False, True])
def test_logout(site: Site, node: Node, is_rotated: bool) -> None:
    script = node.start("logout.mjs", site.environment("website"))
    person = site.person()
    script.answer(person.go(script.asked()))
    # The hint stands in it already.
    address = script.asked()
    if is_rotated:
        rotate_keys()
    script.answer(person.go(address))
    script.answer(person.go(script.asked()))
    told = script.result()
    assert (told["back"], told["isState"]) == (AFTER_LOGOUT, True)
    assert told["silent"]["error"] == "login_required"
