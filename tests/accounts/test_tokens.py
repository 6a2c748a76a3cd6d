"""Tokens that we sign: which are believed, which never, and what they let a client do."""

import base64
import json
import logging
import random
import time
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from joserfc import jws
from joserfc.jwk import ECKey, OctKey
from rest_framework.test import APIRequestFactory

from apps.accounts import keyring, services, tokens
from apps.accounts.api.me import MeView
from apps.accounts.models import Team, User
from apps.accounts.tokens import ACCESS_TOKEN, InvalidToken
from tests.accounts.factories import make_member, make_superuser, make_team, make_user
from tests.accounts.test_api_keys import over_wsgi
from tests.crm.factories import make_deal

pytestmark = pytest.mark.django_db
DEALS = "/api/v1/crm/deals/"
ME = "/api/v1/me/"
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
    assert tokens.verify(tokens.sign(claims_of(seller), typ=ACCESS_TOKEN), typ=ACCESS_TOKEN)


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


def test_the_other_number_of_a_signature_is_not_taken(seller: User) -> None:
    for _round in range(8):
        token = token_of(seller)
        said, _dot, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        other = raw[:32] + (tokens._ORDER - int.from_bytes(raw[32:])).to_bytes(32)
        twin = f"{said}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"
        key = keyring.public_key(tokens.read(token, typ=ACCESS_TOKEN)[0])
        # Elsewhere it is as good.
        jws.deserialize_compact(twin, key, algorithms=["ES256"])
        assert why(twin) == "bad_signature"


@pytest.mark.django_db(transaction=True)
def test_a_token_passes_through_less_as_a_key_does(seller: User) -> None:
    make_deal("mine", owner=seller)
    token: Any = {"HTTP_AUTHORIZATION": f"Bearer {token_of(seller)}"}
    status, headers, content = over_wsgi(DEALS, **token)
    assert (status, len(json.loads(content)["results"])) == (200, 1)
    assert "Set-Cookie" not in headers
    assert over_wsgi(DEALS, "POST", b'{"title": "by an application"}', **token)[0] == 201
    token["HTTP_AUTHORIZATION"] += "x"
    status, headers, content = over_wsgi(DEALS, **token)
    assert (status, json.loads(content)["code"]) == (401, "invalid_token")
    assert headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


# Ten thousand tokens that are not quite right

_rng = random.Random(20261128)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD = [
    *(
        None,
        True,
        0,
        -1,
        1e308,
        10**400,
        "",
        "x" * 300,
        "../../etc/passwd",
        "' or 1=1 --",
        "\0",
        "\ud800",
        [],
        {},
    ),
    *("none", "None", "HS256", "RS256", "ES512", "ES256", ["ES256"], "at+jwt", "JWT", {"$ne": 1}),
]
_OTHER_MEMBERS = ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "p2c", "cty", "kid ", "ALG")


def _spoilt_text(token: str) -> str:
    at = _rng.randrange(len(token))
    letter = _rng.choice([*_ALPHABET, ".", "=", "+", "/", " ", "\0", "é", "%", "\t"])
    spoilt: str = _rng.choice(
        [
            token[:at] + letter + token[at + 1 :],
            token[:at] + letter + token[at:],
            token[:at] + token[at + 1 :],
            token[:at] + token[at + _rng.randrange(1, 40) :],
            token[:at],
            token[at:],
            token[: at // 2] + token[at // 2 : at][::-1] + token[at:],
        ]
    )
    return spoilt


def _spoilt_shape(token: str) -> str:
    parts = token.split(".")
    at = _rng.randrange(3)
    fate = _rng.randrange(7)
    if fate == 0:
        _rng.shuffle(parts)
    elif fate == 1:
        parts[at] = ""
    elif fate == 2:
        parts.insert(at, parts[at])
    elif fate == 3:
        parts[at] *= _rng.randrange(2, 40)
    elif fate == 4:
        parts[at] = "".join(_rng.choices(_ALPHABET, k=len(parts[at])))
    elif fate == 5:
        parts[at] = base64.b64encode(_rng.randbytes(_rng.randrange(1, 200))).decode()
    else:
        parts[at] += _rng.choice(["=", "==", "A", "AA", "\n"])
    return ".".join(parts)


def _spoilt_json(token: str) -> str:
    """Change what the header or the payload says, or write it as JSON that is none."""
    parts = token.split(".")
    at = _rng.randrange(2)
    said = json.loads(base64.urlsafe_b64decode(parts[at] + "=="))
    name = _rng.choice([*said, *_OTHER_MEMBERS] if at == 0 else [*said])
    fate = _rng.randrange(8)
    if fate == 0:
        said.pop(name, None)
    elif fate < 6:
        said[name] = _rng.choice(_ODD)
    text = json.dumps(said)
    if fate == 6:
        text = _rng.choice(
            ["[" * 300, '{"a":' * 60, "NaN", "9" * 400, '"alg"', "null", "\ufeff" + text, text[:-1]]
        )
    elif fate == 7:
        text = text[:-1] + f', "{name}": {json.dumps(_rng.choice(_ODD))}}}'
    parts[at] = base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).rstrip(b"=").decode()
    if _rng.random() < 0.2:
        parts[2] = _rng.choice(["", "A" * 86, "A" * 85 + "Q", "_" * 86])
    return ".".join(parts)


def _spoilt_signature(token: str) -> str:
    said, _dot, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[_rng.randrange(64)] ^= 1 << _rng.randrange(8)
    odd = _rng.choice(
        [raw, raw[:32] + bytes(32), bytes(32) + raw[32:], raw[32:] + raw[:32], b"\xff" * 64, raw[:63]]
    )
    return f"{said}.{base64.urlsafe_b64encode(bytes(odd)).rstrip(b'=').decode()}"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ten_thousand_spoilt_tokens_open_nothing_and_break_nothing(
    seller: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    view, ask = MeView.as_view(), APIRequestFactory()
    good = [token_of(seller), token_of(seller, "read openid", session_id="s")]
    spoil = [_spoilt_text, _spoilt_shape, _spoilt_json, _spoilt_signature]
    told: Counter[int] = Counter()
    seen: set[str] = set()
    while len(seen) < 10_000:
        token = _rng.choice(good)
        spoilt = _rng.choice(spoil)(token)
        for _again in range(_rng.choice([0, 0, 0, 1, 2])):
            spoilt = _spoilt_text(spoilt) if spoilt else spoilt
        if spoilt.strip() in good or spoilt in seen:
            continue
        seen.add(spoilt)
        told[view(ask.get("/", HTTP_AUTHORIZATION=f"Bearer {spoilt}")).status_code] += 1
    assert told == {401: 10_000}
    assert view(ask.get("/", HTTP_AUTHORIZATION=f"Bearer {good[0]}")).status_code == 200
    # And some through everything that stands in front.
    for spoilt in _rng.sample(sorted(seen), 100):
        client = Client(headers={"Authorization": f"Bearer {spoilt}"}, raise_request_exception=True)
        assert client.get(ME).status_code == 401, spoilt
