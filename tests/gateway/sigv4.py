# SPDX-License-Identifier: Apache-2.0
"""Checks a request's signature from the bytes on the wire, with botocore's own signer."""

import hashlib
import hmac
import re
from datetime import datetime, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

SKEW_SECONDS = 300
STAMP = "%Y%m%dT%H%M%SZ"


class Refusal(Exception):
    """The request is refused. `kind` is the reason, independent of a service's wording."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind
        self.message = message


class _Recomputed(SigV4Auth):
    """botocore's signer, restricted to the headers that the client declares as signed."""

    def __init__(self, key, service, region, signed, received):
        super().__init__(Credentials(key.access_key, key.secret_key), service, region)
        self._signed = signed
        self._received = received

    def headers_to_sign(self, request):
        headers = HTTPHeaders()
        for name, value in self._received:
            if name.lower() in self._signed:
                headers[name.lower()] = value
        return headers


def verify(request, keys, service, region, now):
    """The key that signed the request, or a Refusal."""
    header = request.header("Authorization")
    if header is None:
        raise Refusal("missing", "Request is missing Authentication Token")
    fields = _parse(request, header)
    stamp = request.header("X-Amz-Date")
    parts = fields["Credential"].split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise Refusal("incomplete", "Credential must have exactly 5 slash-delimited elements, "
                      f"e.g. keyid/date/region/service/term, got '{fields['Credential']}'")
    _check_scope(parts, service, region, stamp)
    key = keys.find(parts[0])
    _check_key(key, request.header("X-Amz-Security-Token"), now)
    _check_time(stamp, now)
    signed = fields["SignedHeaders"].split(";")
    _check_signed(signed, request)
    _check_signature(request, key, service, region, signed, fields["Signature"], stamp)
    return key


def _parse(request, header):
    fields = {}
    algorithm, _, rest = header.partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        raise Refusal("incomplete", f"Unsupported AWS 'algorithm': '{algorithm}'.")
    for item in rest.split(","):
        name, equals, value = item.strip().partition("=")
        if not equals:
            raise Refusal("incomplete", f"'{item.strip()}' not a valid key=value pair "
                          f"(missing equal-sign) in Authorization header: '{header}'.")
        fields[name] = value
    lacks = [f"Authorization header requires '{name}' parameter."
             for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    if not re.fullmatch(r"\d{8}T\d{6}Z", request.header("X-Amz-Date") or ""):
        lacks.append("Authorization header requires existence of either a 'X-Amz-Date' or a "
                     "'Date' header.")
    if lacks:
        raise Refusal("incomplete", " ".join(lacks) + f" Authorization={header}")
    return fields


def _check_scope(parts, service, region, stamp):
    _, date, its_region, its_service, _ = parts
    if its_region != region:
        raise Refusal("signature",
                      f"Credential should be scoped to a valid region, not '{its_region}'. ")
    if its_service != service:
        raise Refusal("signature", f"Credential should be scoped to correct service: '{service}'. ")
    if date != stamp[:8]:
        raise Refusal("signature", "Date in Credential scope does not match YYYYMMDD from "
                      f"ISO-8601 version of date from HTTP: '{date}' != '{stamp[:8]}', "
                      f"from '{stamp}'.")


def _check_key(key, token, now):
    if key is None or key.revoked or not hmac.compare_digest(key.token, token or ""):
        raise Refusal("unknown", "The security token included in the request is invalid.")
    if key.expires <= now:
        raise Refusal("expired", "The security token included in the request is expired")


def _check_time(stamp, now):
    sent = datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc).timestamp()
    here = _stamp(now)
    if sent < now - SKEW_SECONDS:
        raise Refusal("signature", f"Signature expired: {stamp} is now earlier than "
                      f"{_stamp(now - SKEW_SECONDS)} ({here} - 5 min.)")
    if sent > now + SKEW_SECONDS:
        raise Refusal("signature", f"Signature not yet current: {stamp} is still later than "
                      f"{_stamp(now + SKEW_SECONDS)} ({here} + 5 min.)")


def _check_signed(signed, request):
    if signed != sorted(set(signed)) or any(name != name.lower() for name in signed):
        raise Refusal("signature", "SignedHeaders must be lower case, sorted and unique.")
    if "host" not in signed:
        raise Refusal("signature",
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name, _ in request.headers:
        name = name.lower()
        if (name.startswith("x-amz-") or name == "content-type") and name not in signed:
            raise Refusal("signature", f"'{name}' must be a 'SignedHeader' in the AWS "
                          "Authorization.")


def _check_signature(request, key, service, region, signed, signature, stamp):
    claimed = request.header("X-Amz-Content-SHA256")
    if claimed is not None and claimed != hashlib.sha256(request.body).hexdigest():
        raise Refusal("signature", "The value of the x-amz-content-sha256 header does not match "
                      "the calculated value.")
    signer = _Recomputed(key, service, region, signed, request.headers)
    copy = AWSRequest(method=request.method, data=request.body,
                      url=f"http://{request.header('Host')}{request.target}")
    copy.context["timestamp"] = stamp
    canonical = signer.canonical_request(copy)
    to_sign = signer.string_to_sign(copy, canonical)
    if not hmac.compare_digest(signer.signature(to_sign, copy), signature):
        raise Refusal("signature", "The request signature we calculated does not match the "
                      "signature you provided. Check your AWS Secret Access Key and signing "
                      "method. Consult the service documentation for details.\n\n"
                      "The Canonical String for this request should have been\n"
                      f"'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n")


def _stamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(STAMP)
