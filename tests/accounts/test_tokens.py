"""Tokens that we sign: which are believed, which never, and what they let a client do."""

import base64
import json
import time
from typing import Any

import pytest
from django.test import Client
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from apps.accounts import keyring, services, tokens
from apps.accounts.models import Team, User
from apps.accounts.tokens import ACCESS_TOKEN, InvalidToken
from tests.accounts.factories import make_member, make_superuser, make_team, make_user
from tests.crm.factories import make_deal

pytestmark = pytest.mark.django_db
DEALS = "/api/v1/crm/deals/"
COMPANIES = "/api/v1/crm/companies/"


@pytest.fixture
def team() -> Team:
    return make_team()


@pytest.fixture
def seller(team: Team) -> User:
    return make_member(team, "salesperson", "Sofia Kim")


def token_of(user: User, scope: str = "all", **given: Any) -> str:
    made = {"client_id": "site", "session_id": "", **given}
    return tokens.issue_access_token(user_id=user.pk, scope=scope, **made)[0]


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def why(token: str, **asked: Any) -> str:
    with pytest.raises(InvalidToken) as refused:
        tokens.verify(token, **({"typ": ACCESS_TOKEN} | asked))
    return refused.value.code


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(user: User, **changed: Any) -> dict[str, Any]:
    """What a good access token says, but for what is changed; None leaves it out."""
    _token, claims = tokens.issue_access_token(user_id=user.pk, client_id="site", scope="all", session_id="")
    return {name: value for name, value in (claims | changed).items() if value is not None}


def test_what_was_signed_is_told_back(settings: Any) -> None:
    now = int(time.time())
    claims = {
        "iss": settings.OIDC_ISSUER,
        "sub": "5",
        "aud": "app",
        "iat": now,
        "exp": now + 60,
        "nonce": "x",
    }
    token = tokens.sign(claims, typ="JWT")
    assert tokens.verify(token, typ="JWT") == tokens.verify(token, typ="jwt", audience="app") == claims
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    (known,) = [key for key in tokens.public_jwks()["keys"] if key["kid"] == header["kid"]]
    assert header == {"alg": "ES256", "typ": "JWT", "kid": known["kid"]}
    # As somebody else would check it, with nothing but what is published.
    assert json.loads(jws.deserialize_compact(token, ECKey.import_key(known)).payload or b"") == claims


def test_nothing_private_is_published() -> None:
    token_of(make_user())
    published = tokens.public_jwks()["keys"]
    assert len(published) == 2, "the key in use and the one after it"
    for key in published:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


def test_an_access_token_says_what_rfc_9068_wants(seller: User) -> None:
    token, claims = tokens.issue_access_token(
        user_id=seller.pk, client_id="site", scope="read openid", session_id="s3cret"
    )
    assert claims.keys() == {
        *("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid", "pv"),
    }
    assert (claims["sub"], claims["pv"], claims["scope"]) == (
        str(seller.pk),
        seller.perm_version,
        "read openid",
    )
    assert claims["exp"] - claims["iat"] == 300
    assert "s3cret" not in json.dumps(claims), "whoever reads a token must not take the session over"
    assert tokens.verify(token, typ="at+jwt", audience=claims["aud"]) == claims
    other = tokens.issue_access_token(user_id=seller.pk, client_id="site", scope="", session_id="")[1]
    assert other["jti"] != claims["jti"]
    assert "sid" not in other


def test_who_is_turned_off_gets_no_token(seller: User) -> None:
    User.objects.filter(pk=seller.pk).update(is_active=False)
    with pytest.raises(User.DoesNotExist):
        token_of(seller)
    for lifetime in (0, -5, 3601):
        with pytest.raises(ValueError, match="outlive"):
            token_of(seller, lifetime=lifetime)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"exp": "4102444800"}, "malformed"),
        ({"iat": 4102444800}, "not_yet"),
        ({"nbf": 4102444800}, "not_yet"),
        ({"nbf": []}, "malformed"),
        ({"iss": "https://elsewhere.example"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"aud": "https://elsewhere.example"}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": {"x": 1}}, "wrong_audience"),
    ],
)
def test_claims_that_are_refused(seller: User, settings: Any, changed: dict[str, Any], code: str) -> None:
    token = tokens.sign(claims_of(seller, **changed), typ=ACCESS_TOKEN)
    assert why(token, audience=settings.ACCESS_TOKEN_AUDIENCE) == code
    assert bearer(token).get(DEALS).status_code == 401


def test_an_old_token_may_still_hint(seller: User) -> None:
    token = tokens.sign(claims_of(seller, exp=1), typ="JWT")
    assert why(token, typ="JWT") == "expired"
    assert tokens.verify(token, typ="JWT", allow_expired=True)["sub"] == str(seller.pk)


def forged(seller: User, header: dict[str, Any], key: Any = None) -> str:
    """A token with a header of the forger's own and the signature that goes with it."""
    claims = segment(claims_of(seller))
    if key is None:
        return f"{segment(header)}.{claims}."
    registry = jws.JWSRegistry(algorithms=["HS256", "ES256"])
    return jws.serialize_compact(header, json.dumps(claims_of(seller)), key, registry=registry)


def test_what_others_signed_is_nothing(seller: User) -> None:
    kid, own = keyring.private_key()
    stranger = ECKey.generate_key("P-256")
    public = OctKey.import_key(json.dumps(tokens.public_jwks()))
    pem = OctKey.import_key(own.as_pem(private=False).replace(b"-----", b"#####"))
    good = {"typ": ACCESS_TOKEN, "kid": kid}
    assert why(forged(seller, {"alg": "none"} | good)) == "malformed"
    assert why(forged(seller, {"alg": "none"} | good) + "A" * 86) == "malformed"
    for secret in (public, pem):
        assert why(forged(seller, {"alg": "HS256"} | good, secret)) == "malformed"
    assert why(forged(seller, {"alg": "ES256"} | good, stranger)) == "bad_signature"
    unknown = {"alg": "ES256", "typ": ACCESS_TOKEN, "kid": stranger.thumbprint()}
    assert why(forged(seller, unknown, stranger)) == "unknown_key"
    # The key that it brings along is not asked.
    brought = {"alg": "ES256", "jwk": stranger.as_dict(private=False)} | good
    assert why(forged(seller, brought, stranger)) == "malformed"
    assert tokens.verify(forged(seller, {"alg": "ES256"} | good, own), typ=ACCESS_TOKEN)


@pytest.mark.parametrize("header", [[], 5, "x", None, {}, {"alg": [], "typ": {}, "kid": 1}, {"alg": "ES256"}])
def test_headers_that_are_none(seller: User, header: Any) -> None:
    _header, payload, signature = token_of(seller).split(".")
    assert why(f"{segment(header):A<16}.{payload}.{signature}") == "malformed"


def test_a_signature_has_one_spelling(seller: User) -> None:
    token = token_of(seller)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [letter for letter in alphabet if letter != token[-1]]
    assert len(others) == 63
    assert {bearer(token[:-1] + letter).get(DEALS).status_code for letter in others} == {401}
    for spelling in (
        f"{token}=",
        f"{token}==",
        f" {token[:9]} {token[9:]}",
        f"{token}\n",
        f"{token}.",
        f".{token}",
    ):
        assert why(spelling) == "malformed"
    assert bearer(token).get(DEALS).status_code == 200


def test_a_client_acts_as_far_as_the_scope_says(seller: User) -> None:
    make_deal("mine", owner=seller)
    reading, whole = bearer(token_of(seller, "read openid")), bearer(token_of(seller, "all"))
    assert len(reading.get(DEALS).json()["results"]) == 1
    assert reading.post(COMPANIES, {"name": "Mebel"}, "application/json").status_code == 403
    made = whole.post(COMPANIES, {"name": "Mebel"}, "application/json")
    assert (made.status_code, made.json()["owner"]) == (201, seller.pk)
    single = bearer(token_of(seller, "crm.view_deal"))
    assert single.get(DEALS).status_code == 200
    assert single.get(COMPANIES).status_code == 403
    for scope in ("", "openid profile email offline_access", "everything crm.fly_deal"):
        assert bearer(token_of(seller, scope)).get(DEALS).status_code == 403
    assert bearer(token_of(make_superuser(), "openid")).get(DEALS).status_code == 403
    assert bearer(token_of(make_superuser(), "all")).get(DEALS).status_code == 200


def test_an_id_token_is_no_key_to_anything(seller: User) -> None:
    claims = claims_of(seller)
    assert bearer(tokens.sign(claims, typ=ACCESS_TOKEN)).get(DEALS).status_code == 200
    for kind in ("JWT", "id+jwt", "logout+jwt", ""):
        response = bearer(tokens.sign(claims, typ=kind)).get(DEALS)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "invalid_token"


def test_a_token_makes_no_keys(seller: User) -> None:
    made = bearer(token_of(seller)).post(
        "/api/v1/accounts/api-keys/", {"name": "heir", "scopes": ["all"]}, "application/json"
    )
    assert made.status_code == 403
    assert bearer(token_of(seller)).get("/api/v1/me/").json()["id"] == seller.pk
    assert services.authenticate_token(token_of(seller)).claims is not None
