# SPDX-License-Identifier: Apache-2.0
"""One AWS account of a test: its services, keys, roles, clock, ledger and faults."""

import asyncio

from . import policy
from .container import AUDIENCE as POD_AUDIENCE
from .container import Container
from .dynamodb import DynamoDB
from .faults import Faults
from .imds import IMDS
from .keys import Clock, KeyRing
from .ledger import Ledger
from .listener import Listener
from .proxy import Proxy
from .sts import STS
from .tls import Authority
from .tokens import AUDIENCE, Issuer
from .upstream import Upstream

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders-worker"
SUBJECT = "system:serviceaccount:shop:orders-worker"


class World:
    """Methods whose name does not begin with an underscore are the control API (server.py)."""

    def __init__(self, dynamodb_url, region=REGION):
        self.region = region
        self.clock = Clock()
        self.keys = KeyRing(self.clock)
        self.issuer = Issuer()
        self.roles = {}
        self.faults = Faults()
        self.ledger = Ledger()
        self._upstream = Upstream(dynamodb_url)
        self._container = Container(self)
        self._imds = IMDS(self)
        self._listeners = []
        self._proxies = []
        self._authority = None
        self.role(ROLE, web_identity=SUBJECT, pod_identity=SUBJECT)

    async def start(self):
        """Starts one listener for each service; returns the URLs by name."""
        return {
            "dynamodb": await self.listen("dynamodb"),
            "sts": await self.listen("sts"),
            "container": await self.listen("container"),
            "imds": await self.listen("imds"),
        }

    async def stop(self):
        for proxy in self._proxies:
            proxy.close()
        for listener in self._listeners:
            await listener.stop()
        self._upstream.close()

    async def listen(self, service, region=None, tls=None):
        """Starts another endpoint of a service, optionally in another region, optionally with a
        certificate (tls.py: "good", "expired", …); returns its URL."""
        makers = {
            "dynamodb": lambda: DynamoDB(self, self._upstream, region or self.region),
            "sts": lambda: STS(self, region or self.region),
            "container": lambda: self._container,
            "imds": lambda: self._imds,
        }
        context = self.authority.context(["localhost", "127.0.0.1"], tls) if tls else None
        listener = Listener(makers[service](), self.ledger, self.faults, context)
        await listener.start()
        self._listeners.append(listener)
        return listener.url

    async def leave(self, service):
        """Refuses connections to every endpoint of a service, and closes the existing ones."""
        for listener in self._listeners:
            if listener.service.name == service:
                await listener.stop()

    async def come_back(self, service):
        """Undoes leave()."""
        for listener in self._listeners:
            if listener.service.name == service:
                await listener.restart()

    async def proxy(self):
        """Starts a proxy that maps AWS's real names to this world; returns its URL."""
        server = await asyncio.start_server(Proxy(self).serve, "127.0.0.1", 0)
        self._proxies.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def listener_for(self, host):
        """The service with this AWS host name, signed for the region in the name."""
        name, _, rest = host.partition(".")
        service = name.removesuffix("-fips")
        region = rest.partition(".")[0]
        if service not in ("dynamodb", "sts") or not rest:
            return None
        if region == "amazonaws":  # sts.amazonaws.com
            region = "us-east-1"
        maker = STS(self, region) if service == "sts" else DynamoDB(self, self._upstream, region)
        return Listener(maker, self.ledger, self.faults)

    @property
    def authority(self):
        if self._authority is None:
            self._authority = Authority()
        return self._authority

    def ca(self):
        """The authority's certificate, as PEM."""
        return self.authority.pem()

    def role(self, arn=ROLE, web_identity=None, assume_role=None, pod_identity=None,
             external_id=None, lifetime=None, deny=None, allow=None):
        """Makes or replaces a role. `web_identity`, `pod_identity`: the subject of a service
        account that it trusts, `assume_role`: the ARNs it trusts (all are patterns), `lifetime`:
        seconds its credentials last, whatever is asked, `deny`: the actions it may not do
        ("dynamodb:Query", "*") or tables ("table/orders"), `allow`: the statements of its policy
        (policy.py); None: all is allowed."""
        self.roles[arn] = {"arn": arn, "web_identity": web_identity, "assume_role": assume_role,
                           "pod_identity": pod_identity, "external_id": external_id,
                           "lifetime": lifetime, "deny": deny or [],
                           "allow": allow}

    def task(self, role=ROLE):
        """Adds an ECS task with this role; returns the path of its credentials."""
        return self._container.add_task(role)

    def metadata(self, version="2", role=ROLE):
        """Sets how the instance metadata service answers (imds.py), and the role of its credentials."""
        self._imds.version = version
        self._imds.role = role

    def user(self, name="ci", access_key=None, secret_key=None):
        """A user's long-term key."""
        key = self.keys.issue_user(f"arn:aws:iam::{ACCOUNT}:user/{name}", access_key, secret_key)
        return {"access_key": key.access_key, "secret_key": key.secret_key, "arn": key.arn}

    def session(self, role=ROLE, name="test", lifetime=3600):
        """Temporary credentials without a call to STS."""
        key = self.keys.issue_session(role, name, lifetime)
        return {"access_key": key.access_key, "secret_key": key.secret_key, "token": key.token}

    def token(self, subject=SUBJECT, audience=AUDIENCE, lifetime=86400, issuer=None,
              foreign=False):
        """A web-identity token, as Kubernetes would mount it."""
        token = self.issuer.issue(subject, audience, lifetime, issuer, foreign)
        self.keys.remember_secret(token)
        return token

    def pod_token(self, **options):
        """A token for the Pod Identity agent."""
        return self.token(**{"audience": POD_AUDIENCE, **options})

    def allowed(self, key, action, table, question):
        role = self.roles.get(key.role, {})
        if {"*", action, f"table/{table}"} & set(role.get("deny", [])):
            return False
        allow = role.get("allow")
        return allow is None or policy.allows(allow, action, table, question)

    def expire(self, access_key=None):
        """Expires a key now, or the keys of all sessions."""
        self.keys.expire(access_key)

    def revoke(self, access_key=None):
        """Makes a key unknown, or the keys of all sessions."""
        self.keys.revoke(access_key)

    def clock_offset(self, seconds):
        """Sets the offset of AWS's clock from the machine's."""
        self.clock.offset = seconds

    def fault(self, **options):
        """Adds a fault (faults.py)."""
        self.faults.add(**options)

    def heal(self):
        """Removes every fault."""
        self.faults.clear()

    def close_idle(self):
        """Closes the connections that wait for a next request."""
        return sum(listener.close_idle() for listener in self._listeners)

    def summary(self):
        """Numbers of connections and calls."""
        return self.ledger.summary()

    def usage(self, table=None):
        """What a table was asked and what it cost (usage.py), or each that was asked, by name."""
        return self.ledger.usage.tables() if table is None else self.ledger.usage.of(table)

    def requests(self, service=None, action=None, table=None):
        """Every request, oldest first."""
        return [entry for entry in self.ledger.requests
                if service in (None, entry["service"]) and action in (None, entry["action"])
                and table in (None, entry["table"])]

    def forget(self):
        """Resets the counters."""
        self.ledger.clear()

    def secrets(self):
        """Pieces of every secret ever issued, which must not appear anywhere."""
        return self.keys.pieces()
