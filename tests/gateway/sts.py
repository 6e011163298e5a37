# SPDX-License-Identifier: Apache-2.0
"""Emulates STS: web-identity tokens and signed calls in, temporary credentials out."""

import fnmatch
import re
import uuid
from datetime import datetime, timezone
from email.utils import formatdate
from xml.sax.saxutils import escape

import jwt

from . import sigv4
from .tokens import AUDIENCE
from .wire import Reply

VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
NO_VERIFICATION_KEY = ("Couldn't retrieve verification key from your identity provider,  please "
                       "reference AssumeRoleWithWebIdentity documentation for requirements")

REFUSALS = {
    "missing": ("MissingAuthenticationToken", 403),
    "incomplete": ("IncompleteSignature", 403),
    "signature": ("SignatureDoesNotMatch", 403),
    "unknown": ("InvalidClientTokenId", 403),
    "expired": ("ExpiredToken", 403),
}


class Refused(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.reply = (code, message, status)


class STS:
    name = "sts"

    def __init__(self, world, region):
        self._world = world
        self.region = region

    def action(self, request):
        return request.form().get("Action", "-")

    def table(self, _request):
        return ""

    def describe(self, request):
        """The parameters of the request, without the token."""
        return "&".join(f"{name}={'***' if 'Token' in name else value}"
                        for name, value in sorted(request.form().items()))

    async def answer(self, request, fault, entry):
        form = request.form()
        if fault.refuses():
            return refuse(fault)
        handlers = {
            "AssumeRoleWithWebIdentity": self._web_identity,
            "AssumeRole": self._assume_role,
            "GetCallerIdentity": self._caller_identity,
        }
        action = form.get("Action", "")
        try:
            if action not in handlers or form.get("Version") != VERSION:
                raise Refused("InvalidAction", f"Could not find operation {action} for version "
                              f"{form.get('Version', 'NO_VERSION_SPECIFIED')}")
            return self._result(action, handlers[action](request, form, entry))
        except Refused as refused:
            return error(*refused.reply)

    def _web_identity(self, request, form, entry):
        self._check_form(form, ("RoleArn", "RoleSessionName", "WebIdentityToken"))
        claims = self._claims(form["WebIdentityToken"])
        role = self._world.roles.get(form["RoleArn"])
        trust = role["web_identity"] if role else None
        if trust is None or not fnmatch.fnmatchcase(claims["sub"], trust):
            raise Refused("AccessDenied", "Not authorized to perform "
                          "sts:AssumeRoleWithWebIdentity", 403)
        key = self._issue(role, form)
        entry["access_key"] = key.access_key
        account = role["arn"].split(":")[4]
        provider = f"arn:aws:iam::{account}:oidc-provider/{claims['iss'].partition('//')[2]}"
        return {
            "Audience": AUDIENCE,
            "AssumedRoleUser": {"AssumedRoleId": key.user_id, "Arn": key.arn},
            "Provider": provider,
            "Credentials": _credentials(key),
            "SubjectFromWebIdentityToken": claims["sub"],
        }

    def _claims(self, token):
        issuer = self._world.issuer
        try:
            its_issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            raise Refused("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You "
                          "may see this error if you sent an Access Token)") from None
        if its_issuer != issuer.url:
            raise Refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account "
                          f"for {its_issuer}")
        try:
            claims = issuer.claims(token, self._world.clock.now())
        except jwt.ExpiredSignatureError as failure:
            raise Refused("ExpiredTokenException", str(failure)) from None
        except jwt.InvalidTokenError:
            raise Refused("InvalidIdentityToken",
                          "The token's signature could not be verified") from None
        if AUDIENCE not in claims["aud"]:
            raise Refused("InvalidIdentityToken", "Incorrect token audience")
        return claims

    def _assume_role(self, request, form, entry):
        caller = self._caller(request, entry)
        self._check_form(form, ("RoleArn", "RoleSessionName"))
        role = self._world.roles.get(form["RoleArn"])
        trust = role["assume_role"] if role else None
        trusted = trust is not None and any(
            fnmatch.fnmatchcase(name, pattern)
            for name in (caller.arn, caller.role) for pattern in trust)
        if not trusted or role["external_id"] not in (None, form.get("ExternalId")):
            raise Refused("AccessDenied", f"User: {caller.arn} is not authorized to perform: "
                          f"sts:AssumeRole on resource: {form['RoleArn']}", 403)
        if caller.role and int(form.get("DurationSeconds", 3600)) > 3600:
            raise Refused("ValidationError", "The requested DurationSeconds exceeds the 1 hour "
                          "session limit for roles assumed by role chaining")
        key = self._issue(role, form)
        return {
            "AssumedRoleUser": {"AssumedRoleId": key.user_id, "Arn": key.arn},
            "Credentials": _credentials(key),
        }

    def _caller_identity(self, request, _form, entry):
        caller = self._caller(request, entry)
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.arn.split(":")[4]}

    def _caller(self, request, entry):
        try:
            key = sigv4.verify(request, self._world.keys, "sts", self.region,
                               self._world.clock.now())
        except sigv4.Refusal as refusal:
            code, status = REFUSALS[refusal.kind]
            raise Refused(code, refusal.message, status) from None
        entry["access_key"] = key.access_key
        return key

    @staticmethod
    def _check_form(form, names):
        lower = {name: name[0].lower() + name[1:] for name in names}
        for name in names:
            if not form.get(name):
                raise Refused("ValidationError", "1 validation error detected: Value null at "
                              f"'{lower[name]}' failed to satisfy constraint: Member must not be "
                              "null")
        if len(form["RoleArn"]) < 20:
            raise Refused("ValidationError", f"1 validation error detected: Value "
                          f"'{form['RoleArn']}' at 'roleArn' failed to satisfy constraint: Member "
                          "must have length greater than or equal to 20")
        if not SESSION_NAME.fullmatch(form["RoleSessionName"]):
            raise Refused("ValidationError", f"1 validation error detected: Value "
                          f"'{form['RoleSessionName']}' at 'roleSessionName' failed to satisfy "
                          r"constraint: Member must satisfy regular expression pattern: "
                          r"[\w+=,.@-]*")
        duration = form.get("DurationSeconds", "3600")
        if not duration.isdigit() or not 900 <= int(duration) <= 43200:
            raise Refused("ValidationError", f"1 validation error detected: Value '{duration}' at "
                          "'durationSeconds' failed to satisfy constraint: Member must have value "
                          "between 900 and 43200")

    def _issue(self, role, form):
        # A role's own lifetime allows credentials that expire within a test.
        lifetime = role["lifetime"] or int(form.get("DurationSeconds", 3600))
        return self._world.keys.issue_session(role["arn"], form["RoleSessionName"], lifetime)

    @staticmethod
    def _result(action, result):
        body = (f'<{action}Response xmlns="{NAMESPACE}">\n  <{action}Result>\n'
                f"{_xml(result, 4)}  </{action}Result>\n  <ResponseMetadata>\n"
                f"    <RequestId>{uuid.uuid4()}</RequestId>\n  </ResponseMetadata>\n"
                f"</{action}Response>\n")
        return Reply(200, body.encode())

    def dress(self, reply, fault):
        found = re.search(rb"<RequestId>([^<]+)<", reply.body)
        reply.headers = {
            "x-amzn-RequestId": found.group(1).decode() if found else str(uuid.uuid4()),
            "Content-Type": "text/xml",
            "Date": formatdate(self._world.clock.now() + fault.date_offset, usegmt=True),
            **reply.headers,
        }
        if fault.retry_after_ms is not None:
            reply.headers["x-amz-retry-after"] = str(fault.retry_after_ms)


def _credentials(key):
    expires = datetime.fromtimestamp(key.expires, timezone.utc)
    return {
        "AccessKeyId": key.access_key,
        "SecretAccessKey": key.secret_key,
        "SessionToken": key.token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _xml(values, indent):
    text = ""
    for name, value in values.items():
        if isinstance(value, dict):
            value = f"\n{_xml(value, indent + 2)}{' ' * indent}"
        else:
            value = escape(value)
        text += f"{' ' * indent}<{name}>{value}</{name}>\n"
    return text


def error(code, message, status=400):
    kind = "Sender" if status < 500 else "Receiver"
    body = (f'<ErrorResponse xmlns="{NAMESPACE}">\n'
            + _xml({"Error": {"Type": kind, "Code": code, "Message": message},
                    "RequestId": str(uuid.uuid4())}, 2)
            + "</ErrorResponse>\n")
    return Reply(status, body.encode(), {}, code)


def refuse(fault):
    """The answer that a fault injects instead of a real one."""
    if fault.location:
        return Reply(fault.status or 307, b"", {"Location": fault.location}, "redirect")
    if fault.body is not None:
        return Reply(fault.status or 200, fault.body.encode(), {}, "fault")
    if not fault.code:
        return Reply(fault.status, b"<html><body>unavailable</body></html>",
                     {"Content-Type": "text/html"}, f"http-{fault.status}")
    message = fault.message or ("Rate exceeded" if fault.code == "Throttling" else fault.code)
    status = fault.status or (403 if fault.code == "AccessDenied" else 400)
    return error(fault.code, message, status)
