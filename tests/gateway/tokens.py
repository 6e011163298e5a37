# SPDX-License-Identifier: Apache-2.0
"""The cluster's token issuer: signs web-identity tokens as Kubernetes does, and checks them."""

import secrets
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "sts.amazonaws.com"
ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/5D5B3A0C2F1E4D6C8B7A9F0E1D2C3B4A"


class Issuer:
    _key = None  # one for the process: generating it is slow, and nothing depends on it

    def __init__(self):
        if Issuer._key is None:
            Issuer._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = secrets.token_hex(20)
        self.url = ISSUER

    def issue(self, subject, audience=AUDIENCE, lifetime=86400, issuer=None, foreign=False):
        """A service account's token. `foreign`: signed with an unknown key."""
        _, _, namespace, account = (subject.split(":") + [""] * 4)[:4]
        now = int(time.time())
        claims = {
            "iss": issuer or self.url,
            "aud": [audience],
            "sub": subject,
            "iat": now,
            "nbf": now - 5,
            "exp": now + int(lifetime),
            "jti": secrets.token_hex(16),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": account, "uid": "6f1f5b1c-9c62-4c05-8d34-7a1f5a6a3c7e"},
            },
        }
        key = Issuer._key
        if foreign:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self.kid})

    def claims(self, token, now):
        """The claims of a token that this issuer signed and that has not expired.

        Raises jwt's exceptions; the audience is the caller's to check."""
        claims = jwt.decode(token, Issuer._key.public_key(), algorithms=["RS256"],
                            options={"verify_aud": False, "verify_exp": False,
                                     "verify_nbf": False, "verify_iat": False,
                                     "require": ["iss", "aud", "sub", "exp", "iat"]})
        if claims["exp"] <= now:
            raise jwt.ExpiredSignatureError(
                f"Token expired: current date/time {int(now)} must be before the expiration "
                f"date/time {claims['exp']}")
        return claims
