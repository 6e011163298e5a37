# SPDX-License-Identifier: Apache-2.0
"""tally's signatures compared with those of botocore, for random requests."""

import copy
import random
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .aws_leaves import ask

SEED = 20260102
REQUESTS = 600
STAMP = "%Y%m%dT%H%M%SZ"

PRINTABLE = "".join(chr(code) for code in range(33, 127))
WORD = "abcdefghijklmnopqrstuvwxyz0123456789"
# Only white space that both sides agree on: Python splits at many more characters.
VALUE = PRINTABLE + "   \t" + "äß€😀"
SEGMENT = WORD + "-._~!$&'()*+,;=:@%^{}|\"<> äß€😀"


def text(rng, alphabet, least, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(least, most)))


def word(rng, most=12):
    return text(rng, WORD, 1, most)


def path(rng):
    segments = (text(rng, SEGMENT, 0, 8) for _ in range(rng.randint(0, 5)))
    return "/" + "/".join(segment for segment in segments if segment not in (".", ".."))


def query(rng):
    """Already in canonical form: the agent's requests have no query."""
    pairs = sorted((quote(text(rng, SEGMENT, 1, 8), safe="-_.~"),
                    quote(text(rng, SEGMENT, 0, 8), safe="-_.~"))
                   for _ in range(rng.choice((0, 0, 0, 1, 4))))
    return "&".join(f"{name}={value}" for name, value in pairs)


def host(rng):
    name = rng.choice(("localhost", "127.0.0.1", "[::1]", "[fd00:ec2::23]",
                       ".".join(word(rng) for _ in range(rng.randint(1, 5)))))
    return name + rng.choice(("", f":{rng.randint(1024, 65535)}"))


def headers(rng):
    found = {"content-type": "application/x-amz-json-1.0"}
    for _ in range(rng.randint(0, 6)):
        # Some names sort before and after x-amz-date and x-amz-security-token.
        name = rng.choice(("x-amz-", "x-amz-d", "x-amz-security-", "a", "z", "")) + word(rng)
        if name not in ("x-amz-date", "x-amz-security-token", "host"):
            found[name] = text(rng, VALUE, 0, 40)
    if rng.random() < 0.5:
        found["x-amz-target"] = "DynamoDB_20120810.Query"
    return found


class Case:
    """One random request. Keys, regions and days come from small sets, so that the cached signing key
    is sometimes valid, and sometimes must be replaced."""

    KEYS = [("AKIA" + "X" * length, "s" * length) for length in (1, 59, 60, 61, 128, 252)]
    REGIONS = ("eu-west-1", "us-gov-east-1", "eusc-de-east-1")

    def __init__(self, rng):
        self.key_id, self.secret = rng.choice(self.KEYS)
        if rng.random() < 0.3:
            self.secret = text(rng, PRINTABLE, 1, 200)
        self.token = rng.choice((None, text(rng, PRINTABLE, 1, 2000)))
        self.region = rng.choice(self.REGIONS)
        self.service = rng.choice(("dynamodb", "sts"))
        self.seconds = rng.choice((0, 951782399, 951782400, 1767323045, 4102444799,
                                   rng.randint(0, 4102444800)))
        self.method = rng.choice(("POST", "GET", "PUT"))
        self.path = path(rng)
        self.query = query(rng)
        self.host = host(rng)
        self.headers = headers(rng)
        self.body = rng.randbytes(rng.choice((0, 1, 55, 56, 63, 64, 65, rng.randint(0, 5000))))

    def question(self):
        signed = sorted({**self.headers, "host": self.host}.items())
        return ["sign", self.key_id, self.secret, self.token, self.region, self.service,
                str(self.seconds), self.method, self.path, self.query, self.body,
                *(part for pair in signed for part in pair)]

    def by_botocore(self):
        now = datetime.fromtimestamp(self.seconds, timezone.utc).replace(tzinfo=None)
        url = f"https://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")
        request = AWSRequest(self.method, url, headers=self.headers, data=self.body)
        signer = botocore.auth.SigV4Auth(
            Credentials(self.key_id, self.secret, self.token), self.service, self.region)
        with mock.patch("botocore.auth.datetime") as clock:
            clock.datetime.utcnow.return_value = now
            signer.add_auth(request)
        return ["ok", now.strftime(STAMP), request.headers["Authorization"]]


def test_random_requests_have_botocore_s_signatures():
    rng = random.Random(SEED)
    cases = [Case(rng) for _ in range(REQUESTS)]
    for case, answer in zip(cases, ask([case.question() for case in cases])):
        assert answer == case.by_botocore(), vars(case)


def test_pages_that_follow_one_another_have_botocore_s_signatures():
    """One set of credentials, and few values for all that the agent keeps the hash of: it is right,
    or must be noticed to be another one's."""
    rng = random.Random(SEED + 1)
    case = Case(rng)
    case.token = text(rng, PRINTABLE, 1000, 1000)
    cases = []
    for _ in range(REQUESTS):
        case = copy.copy(case)
        case.body = rng.randbytes(rng.randint(0, 500))
        case.headers = {"content-type": rng.choice(("application/x-amz-json-1.0", "text/plain")),
                        "x-amz-target": rng.choice(("DynamoDB_20120810.Query", "other"))}
        for name, values in (("seconds", (1767323045, 1767323046)), ("host", ("a.example", "b")),
                             ("region", case.REGIONS), ("path", ("/", "/a"))):
            if rng.random() < 0.1:
                setattr(case, name, rng.choice(values))
        case.method, case.query = "POST", ""
        cases.append(case)
    for page, answer in zip(cases, ask([page.question() for page in cases])):
        assert answer == page.by_botocore(), vars(page)


def test_each_part_of_a_request_is_signed():
    """Each input changes the signature, so the comparison above is meaningful."""
    case = Case(random.Random(SEED))
    case.token, case.query, case.headers = "token", "a=b", {"x-amz-target": "t"}
    changes = [("secret", "other"), ("token", "other"), ("region", "other"), ("service", "other"),
               ("seconds", case.seconds + 1), ("method", "DELETE"), ("path", "/other"),
               ("query", "a=c"), ("host", "other"), ("headers", {"x-amz-target": "u"}),
               ("headers", {"x-amz-targeu": "t"}), ("body", case.body + b"x")]
    questions = [case.question()]
    for name, value in changes:
        kept = getattr(case, name)
        setattr(case, name, value)
        questions.append(case.question())
        setattr(case, name, kept)
    signatures = [answer[2].rsplit("=", 1)[1] for answer in ask(questions)]
    assert len(set(signatures)) == len(questions)
