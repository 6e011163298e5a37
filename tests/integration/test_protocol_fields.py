# SPDX-License-Identifier: Apache-2.0
"""The fields of answers: those that an agent sends, those in the tables of proto/PROTOCOL.md, and
those that tally-protocol(7) names are the same."""

import os
import re
import time

import pytest

from tests.gateway.local import ROOT

from .agent import wait_until
from .yaml_files import scaled_object, text, trigger

# Optional fields that the agent below is not made to send: `next` needs an answer of 1 MiB.
NOT_PROVOKED = {"next"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def table(method, head):
    """The names in the method's table whose first column is `head`, with whether each is optional.
    `.name` has the container of the name before it."""
    section = re.search(rf"^### {method}$(.*?)^##+ [a-z]", read("proto", "PROTOCOL.md"), re.M | re.S)[1]
    rows = re.search(rf"^\| {head} \| type \| \|\n\|[-|]+\n((?:\|.*\n)+)", section, re.M)
    found, container = {}, ""
    for row in rows[1].splitlines() if rows else ():
        for name in re.findall(r"`([^`]+)`", row.split(" | ")[0]):
            if not name.startswith("."):
                container = name.rpartition(".")[0]
            full = f"{container}{name}" if name.startswith(".") else name
            found[full.rstrip("?")] = full.endswith("?")
    return found


# ---- the manual page ----

def page(method):
    """The lists of fields that tally-protocol(7) names for the method, params first."""
    entry = re.search(rf"^\.It Cm {method}\b(.*?)^\.It ", read("deploy", "man", "tally-protocol.7"),
                      re.M | re.S)[1]
    params, results = re.match(r"(?: Brq (.*))?\n", entry), re.findall(r"^\.Brq (.*)$", entry, re.M)
    lists = [re.findall(r"(\w+)(\?)?", names.replace("\\&", "")) for names in [params[1] or "", *results]]
    return [{name: bool(optional) for name, optional in names} for names in lists]


def below(container, names):
    return {name.removeprefix(container): optional for name, optional in names.items()
            if name.startswith(container)}


@pytest.mark.parametrize("method", ["hello", "ping", "count", "list", "status"])
def test_the_manual_page_names_the_fields_of_the_document(method):
    results = table(method, "result")
    top = {name.partition(".")[0]: optional and "." not in name
           for name, optional in results.items() if "[]" not in name}
    elements = below("triggers[].", results)
    assert page(method) == [table(method, "param"), top, *([elements] if elements else [])]


# ---- the agent ----

def fields(value, documented, name=""):
    """The names of all fields in an answer, with their containers, down to what has a row."""
    parts = any(row.startswith((f"{name}.", f"{name}[].")) for row in documented)
    found = {name} if name in documented else set()
    if name and found and not parts:
        return found
    if isinstance(value, dict) and value:
        inner = [fields(each, documented, f"{name}.{key}".lstrip(".")) for key, each in value.items()]
    elif isinstance(value, list) and value:
        inner = [fields(each, documented, f"{name}[]") for each in value]
    else:
        return {name}
    return found.union(*inner)


def check_answers(method, *answers):
    """Each has all fields that are not optional; together they have all that there are."""
    documented = table(method, "result")
    needed = {name for name, optional in documented.items() if not optional}
    seen = [fields(answer, documented) for answer in answers]
    for found in seen:
        assert needed - found == set(), f"{method} lacks fields that the document has"
    assert set().union(*seen) - set(documented) == set(), f"{method} has fields that the document lacks"
    assert set(documented) - set().union(*seen) <= NOT_PROVOKED, f"{method}: never seen"


def test_the_agent_sends_the_fields_of_the_document(pod, share, world):
    config = scaled_object("fields", trigger("jobs", "state", {"S": "never"}, indexName="by-state",
                                             clientValues=":v"))
    options = ["--share-table", share.name, "--budget", "100000", "--price-per-million-rru", "0.125"]
    agent = pod(config, options=options, env={"HOSTNAME": "pod-0"}).start()
    other = pod(config, options=options, env={"HOSTNAME": "pod-1"}).start()
    agent.rpc("count", trigger="fields")
    shared = other.rpc("count", trigger="fields")
    time.sleep(0.7)  # the rate is measured between two counts
    world.fault(action="GetItem", code="AccessDeniedException")
    counted = agent.rpc("count", trigger="fields", max_age_ms=0)
    lists = [agent.rpc("list"), other.rpc("list")]
    world.fault(action="Query", code="AccessDeniedException")
    failed = agent.rpc("count", trigger="fields", max_age_ms=0)
    agent.write_config(config=text(config) + "---\n{")
    wait_until(lambda: agent.rpc("status")["config"]["reload_failures"] > 0)
    check_answers("count", shared, counted, failed)
    check_answers("list", *lists, agent.rpc("list"))
    check_answers("status", agent.rpc("status"), other.rpc("status"))
