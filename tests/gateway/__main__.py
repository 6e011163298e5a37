# SPDX-License-Identifier: Apache-2.0
"""The gateway for people and scripts.

    python3 -m tests.gateway serve --folder DIR     DynamoDB Local and the gateway, until SIGTERM
    python3 -m tests.gateway env --folder DIR       prints a pod's environment, to source
    python3 -m tests.gateway fill --folder DIR QUEUE COUNT
    python3 -m tests.gateway token --folder DIR     mounts a fresh web-identity token
    python3 -m tests.gateway call --folder DIR METHOD [JSON]

DIR has the files of one run: gateway.json (written when all servers are ready), logs, the token.
METHOD is one of the control API, for example
    call --folder DIR fault '{"action": "Query", "code": "ThrottlingException", "times": 3}'
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time

from .client import Control, ControlError
from .local import DynamoDBLocal
from .mount import ProjectedVolume
from .server import METHODS, Server
from .tables import ORDERS, Tables
from .world import ROLE

READY = "gateway.json"
WORLD = "default"


def main():
    arguments = parse()
    os.makedirs(arguments.folder, exist_ok=True)
    if arguments.verb == "serve":
        return serve(arguments)
    with open(os.path.join(arguments.folder, READY), encoding="utf-8") as file:
        ready = json.load(file)
    return VERBS[arguments.verb](arguments, ready)


def parse():
    parser = argparse.ArgumentParser(prog="tests.gateway", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--folder", required=True, metavar="DIR")
    verb = verbs.add_parser("serve", parents=[common])
    verb.add_argument("--dynamodb", metavar="URL", help="a DynamoDB Local that runs already")
    verbs.add_parser("env", parents=[common])
    verb = verbs.add_parser("fill", parents=[common])
    verb.add_argument("queue")
    verb.add_argument("count", type=int)
    verbs.add_parser("token", parents=[common])
    verb = verbs.add_parser("call", parents=[common])
    verb.add_argument("method", choices=sorted(METHODS))
    verb.add_argument("json", nargs="?", default="{}", type=json.loads)
    return parser.parse_args()


def serve(arguments):
    # A stop request is honoured from the beginning, also while DynamoDB Local starts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    local = None if arguments.dynamodb else DynamoDBLocal(arguments.folder)
    try:
        asyncio.run(run(arguments, arguments.dynamodb or local.url))
    except KeyboardInterrupt:
        pass
    finally:
        if local:
            local.stop()
    return 0


async def run(arguments, dynamodb_url):
    server = Server(dynamodb_url)
    await server.start()
    made = await server.create(WORLD)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    path = os.path.join(arguments.folder, READY)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"control": server.url, "dynamodb_local": dynamodb_url, "pid": os.getpid(),
                   "world": made}, file, indent=2)
    os.rename(path + ".new", path)
    await stop.wait()
    os.unlink(path)
    await server.stop()


def volume(arguments):
    return ProjectedVolume(os.path.join(arguments.folder, "serviceaccount"))


def env(arguments, ready):
    urls = ready["world"]["urls"]
    for name, value in {
            "AWS_REGION": "eu-west-1",
            "AWS_ROLE_ARN": ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": volume(arguments).path("token"),
            "AWS_ENDPOINT_URL_STS": urls["sts"],
            "AWS_ENDPOINT_URL_DYNAMODB": urls["dynamodb"]}.items():
        print(f"export {name}={value}")
    return 0


def fill(arguments, ready):
    tables = Tables(ready["dynamodb_local"])
    with contextlib.suppress(RuntimeError):  # it exists
        tables.create(ORDERS)
    tables.fill_orders(arguments.queue, arguments.count, progress(arguments.count))
    return 0


def progress(count):
    """Prints a line every two seconds for work that takes longer."""
    shown_at = time.monotonic()

    def show(number):
        nonlocal shown_at
        if time.monotonic() - shown_at >= 2:
            shown_at = time.monotonic()
            print(f"  {number:,} of {count:,} items …", flush=True)

    return show


def token(arguments, ready):
    volume(arguments).write(token=control(ready, "token", {}))
    return 0


def call(arguments, ready):
    try:
        result = control(ready, arguments.method, arguments.json)
        if result is not None:
            print(json.dumps(result, indent=2))
    except ControlError as error:
        print(f"tests.gateway: {arguments.method}: {error}", file=sys.stderr)
        return 1
    return 0


def control(ready, method, arguments):
    path = f"/worlds/{ready['world']['name']}/{method}"
    return Control(ready["control"]).call("POST", path, arguments)


VERBS = {"env": env, "fill": fill, "token": token, "call": call}

if __name__ == "__main__":
    sys.exit(main())
