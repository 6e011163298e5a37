"""One AWS account as a test sees it: its services, keys, roles, clock, ledger and faults."""

from .dynamodb import DynamoDB
from .faults import Faults
from .keys import Clock, KeyRing
from .ledger import Ledger
from .listener import Listener
from .sts import STS
from .tokens import AUDIENCE, Issuer
from .upstream import Upstream

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders-worker"
SUBJECT = "system:serviceaccount:shop:orders-worker"


class World:
    """Methods whose name has no underscore in front are the control API (server.py)."""

    def __init__(self, dynamodb_url, region=REGION):
        self.region = region
        self.clock = Clock()
        self.keys = KeyRing(self.clock)
        self.issuer = Issuer()
        self.roles = {}
        self.faults = Faults()
        self.ledger = Ledger()
        self._upstream = Upstream(dynamodb_url)
        self._listeners = []
        self.role(ROLE, web_identity=SUBJECT)

    async def start(self):
        """Starts one listener for each service; the URLs by name."""
        return {
            "dynamodb": await self.listen("dynamodb"),
            "sts": await self.listen("sts"),
        }

    async def stop(self):
        for listener in self._listeners:
            await listener.stop()
        self._upstream.close()

    async def listen(self, service, region=None):
        """A further endpoint of a service, perhaps in another region; its URL."""
        makers = {
            "dynamodb": lambda: DynamoDB(self, self._upstream, region or self.region),
            "sts": lambda: STS(self, region or self.region),
        }
        listener = Listener(makers[service](), self.ledger, self.faults)
        await listener.start()
        self._listeners.append(listener)
        return listener.url

    def role(self, arn=ROLE, web_identity=None, assume_role=None, external_id=None, lifetime=None,
             deny=None):
        """Makes or replaces a role. `web_identity`: the subject it trusts, `assume_role`: the
        ARNs it trusts (patterns), `lifetime`: seconds its credentials last, whatever is asked,
        `deny`: the actions it may not do ("dynamodb:Query", "*") or tables ("table/orders")."""
        self.roles[arn] = {"arn": arn, "web_identity": web_identity, "assume_role": assume_role,
                           "external_id": external_id, "lifetime": lifetime, "deny": deny or []}

    def user(self, name="ci", access_key=None, secret_key=None):
        """A user's long-term key."""
        key = self.keys.issue_user(f"arn:aws:iam::{ACCOUNT}:user/{name}", access_key, secret_key)
        return {"access_key": key.access_key, "secret_key": key.secret_key, "arn": key.arn}

    def session(self, role=ROLE, name="test", lifetime=3600):
        """Temporary credentials without asking STS."""
        key = self.keys.issue_session(role, name, lifetime)
        return {"access_key": key.access_key, "secret_key": key.secret_key, "token": key.token}

    def token(self, subject=SUBJECT, audience=AUDIENCE, lifetime=86400, issuer=None,
              foreign=False):
        """A web-identity token, as Kubernetes would mount it."""
        token = self.issuer.issue(subject, audience, lifetime, issuer, foreign)
        self.keys.remember_secret(token)
        return token

    def allowed(self, key, action, table):
        deny = self.roles.get(key.role, {}).get("deny", [])
        return not {"*", action, f"table/{table}"} & set(deny)

    def expire(self, access_key=None):
        """Ends a key's life now, or that of every session."""
        self.keys.expire(access_key)

    def revoke(self, access_key=None):
        """Makes a key unknown, or every session's key."""
        self.keys.revoke(access_key)

    def clock_offset(self, seconds):
        """Moves AWS's clock away from the machine's."""
        self.clock.offset = seconds

    def fault(self, **options):
        """Adds a fault (faults.py)."""
        self.faults.add(**options)

    def heal(self):
        """Removes every fault."""
        self.faults.clear()

    def close_idle(self):
        """Ends the connections that wait for a next request."""
        return sum(listener.close_idle() for listener in self._listeners)

    def summary(self):
        """Counts of connections and calls."""
        return self.ledger.summary()

    def requests(self, service=None, action=None):
        """Every request, oldest first."""
        return [entry for entry in self.ledger.requests
                if service in (None, entry["service"]) and action in (None, entry["action"])]

    def forget(self):
        """Starts counting anew."""
        self.ledger.clear()

    def secrets(self):
        """Pieces of every secret ever issued: what must not be seen anywhere."""
        return self.keys.pieces()
