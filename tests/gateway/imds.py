# SPDX-License-Identifier: Apache-2.0
"""Emulates the instance metadata service: version 2 with its session tokens, version 1 without, and
kiam, which offers version 1 to pods."""

import json
import secrets
import time
from email.utils import formatdate

from .container import document, refuse
from .wire import Reply

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
REGION_PATH = "/latest/meta-data/placement/region"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"


class IMDS:
    name = "imds"

    def __init__(self, world):
        self._world = world
        self.version = "2"  # "2": a token is needed; "1": there are no tokens; "both"
        self.role = None  # ARN of the instance's (or, in kiam, the pod's) role
        self._tokens = {}  # token → when it expires

    def action(self, request):
        if request.path == TOKEN_PATH:
            return "Token"
        if request.path == ROLES_PATH:
            return "Role"
        return "Credentials" if request.path.startswith(ROLES_PATH) else "-"

    def table(self, _request):
        return ""

    def describe(self, request):
        return ""

    async def answer(self, request, fault, entry):
        if fault.refuses():
            return refuse(fault)
        if request.path == TOKEN_PATH:
            return self._token(request)
        if not self._authorized(request):
            return _plain(401, "Unauthorized", "Unauthorized")
        role = self._world.roles.get(self.role)
        name = self.role.rpartition("/")[2] if role else None
        if request.path == REGION_PATH:
            return _plain(200, self._world.region)
        if request.path == ROLES_PATH and name:
            return _plain(200, name)
        if request.path == f"{ROLES_PATH}{name}" and name:
            return self._credentials(role, entry)
        return _plain(404, "Not Found", "NotFound")

    def _token(self, request):
        ttl = request.header(TTL) or ""
        if self.version == "1" or request.method != "PUT":
            return _plain(405 if self.version != "1" else 404, "Not Allowed", "NotAllowed")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return _plain(400, "Bad Request", "BadRequest")
        token = "AQAEA" + secrets.token_urlsafe(39)
        self._tokens[token] = time.time() + int(ttl)
        self._world.keys.remember_secret(token)
        reply = _plain(200, token)
        reply.headers[TTL] = ttl
        return reply

    def _authorized(self, request):
        token = request.header("X-aws-ec2-metadata-token")
        if token is None:
            return self.version != "2"
        return self._tokens.get(token, 0) > time.time()

    def _credentials(self, role, entry):
        key = self._world.keys.issue_session(role["arn"], "i-0123456789abcdef0",
                                             role["lifetime"] or 21600)
        entry["access_key"] = key.access_key
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._world.clock.now()))
        body = {"Code": "Success", "LastUpdated": now, "Type": "AWS-HMAC", **document(key)}
        return Reply(200, json.dumps(body, indent=2).encode())

    def dress(self, reply, fault):
        reply.headers = {
            "Content-Type": "text/plain",
            "Date": formatdate(self._world.clock.now() + fault.date_offset, usegmt=True),
            "Server": "EC2ws",
            **reply.headers,
        }


def _plain(status, text, code=""):
    return Reply(status, text.encode(), {}, code)
