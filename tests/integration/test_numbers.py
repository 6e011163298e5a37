# SPDX-License-Identifier: Apache-2.0
"""The cost of a count in numbers that are the same in each run, on any machine. `make numbers` prints
them."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.gateway import process
from tests.gateway.local import ROOT

from . import process_facts
from .yaml_files import pending_object, small_object

ASKED = 400  # answers from the cache, on one connection
MINUTE = 60_000


def show(what, number):
    print(f"  {what:<58} {number}")


def ask_cached(agent, times):
    with agent.connect() as connection:
        for _ in range(times):
            connection.call("count", trigger="small", max_age_ms=60 * MINUTE)


def test_all_pages(start, world, pending):
    agent = start(pending_object())
    answer = agent.rpc("count", trigger="pending", timeout_ms=MINUTE)
    costs = world.summary()["calls"]
    print("\nA partition of 25,000 items, by web identity")
    show("items counted, of " + format(pending, ","), answer["count"])
    show("calls of STS", costs["sts:AssumeRoleWithWebIdentity"])
    show(f"Queries, for {answer['pages']} pages", costs["dynamodb:Query"])
    show("TCP connections to DynamoDB", world.connections("dynamodb"))
    assert answer["count"] == pending and answer["pages"] == costs["dynamodb:Query"] == 25
    assert (costs["sts:AssumeRoleWithWebIdentity"], world.connections("dynamodb")) == (1, 1)


def test_two_hundred_clients_at_once(start, world):
    world.fault(action="Query", latency=1.5)  # so that all of them arrive during the flight
    agent = start(small_object())
    with concurrent.futures.ThreadPoolExecutor(200) as clients:
        answer = list(clients.map(lambda _: agent.rpc("count", trigger="small",
                                                    timeout_ms=MINUTE)["count"], range(200)))
    status = agent.rpc("status")
    print("\n200 clients ask at once for what was not counted yet")
    show("answers", len(answer))
    show("flights", status["flights"]["started"])
    show("Queries", world.calls("dynamodb", "Query"))
    assert answer == [7] * 200
    assert status["flights"]["started"] == world.calls("dynamodb", "Query") == 1


def test_a_cached_answer_makes_three_system_calls(start, tmp_path):
    agent = start(small_object())
    if process_facts.is_sanitized(agent.child.pid):
        return
    ask_cached(agent, 10)
    out = tmp_path / "strace"
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out, "-p", str(agent.child.pid)],
                              stderr=subprocess.PIPE, text=True)
    assert "attached" in tracer.stderr.readline()
    ask_cached(agent, ASKED)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    calls = {name: int(number) for number, name in re.findall(
        r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +\d* *(\w+)$", out.read_text(), re.MULTILINE)}
    calls.pop("total", None)
    calls.setdefault("epoll_wait", calls.pop("epoll_pwait", 0))  # musl's name for it
    print(f"\n{ASKED} answers from the cache, on one connection")
    for name in ("epoll_wait", "recvfrom", "sendto"):
        show(f"{name}, for each", f"{calls[name] / ASKED:.2f}")
    rest = sum(calls.values()) - calls["epoll_wait"] - calls["recvfrom"] - calls["sendto"]
    show("all others together, to connect and to leave", rest)
    assert all(ASKED <= calls[name] <= ASKED + 5 for name in ("epoll_wait", "recvfrom", "sendto"))
    assert rest < 20, calls


def allocations(agent, path):
    path.unlink(missing_ok=True)
    os.kill(agent.child.pid, signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return json.loads(path.read_text())["allocations"]


@pytest.fixture(name="counting_library")
def counting_library_(tmp_path):
    library = tmp_path / "malloc_count.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library,
                    os.path.join(ROOT, "tests/bench/malloc_count.c")], check=True)
    return library


def test_a_cached_answer_allocates_nothing(pod, counting_library, tmp_path):
    counts = tmp_path / "counts"
    agent = pod(small_object(), options=["--no-seccomp"],  # the library writes its counts to a file
                env={"LD_PRELOAD": str(counting_library), "MALLOC_COUNT_FILE": str(counts)})
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return  # the sanitizer's allocator must come first
    agent.start()
    with agent.connect() as connection:
        for _ in range(10):
            connection.call("count", trigger="small", max_age_ms=60 * MINUTE)
        before = allocations(agent, counts)
        for _ in range(ASKED):
            connection.call("count", trigger="small", max_age_ms=60 * MINUTE)
        made = allocations(agent, counts) - before
    print(f"\n{ASKED} answers from the cache, on one connection")
    show("allocations, all together", made)
    assert before > 100  # the counter counts
    assert made == 0


# ---- one page ----

TOKENS = (16, 1000)  # bytes; STS's own have 800 to 1,500
PAGES = 400


@pytest.fixture(name="canned", scope="module")
def canned_(tmp_path_factory):
    """Starts a DynamoDB that answers at once, with so many pages for each count; its port."""
    program = tmp_path_factory.mktemp("bench") / "canned"
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-I", ROOT, "-o", program,
                    os.path.join(ROOT, "tests/bench/canned.c")], check=True)
    children = []

    def start_it(pages):
        children.append(process.start([program, "--pages", str(pages)], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE))
        return int(children[-1].stdout.readline())

    yield start_it
    for child in children:
        process.stop(child, 0)


def keys(port, token_bytes):
    return {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
            "AWS_ACCESS_KEY_ID": "ASIANUMBERSNUMBERS01", "AWS_SECRET_ACCESS_KEY": "numbers" * 6,
            "AWS_SESSION_TOKEN": "T" * token_bytes,
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}"}


def instructions(pod, canned, token_bytes, pages):
    """Of an agent that counts so many pages, from its start to its end."""
    agent = pod(small_object(), options=["--no-seccomp"], env=keys(canned(pages), token_bytes))
    agent.start(wrapper=["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"])
    answer = agent.rpc("count", trigger="small", timeout_ms=MINUTE)
    assert answer["pages"] == pages
    assert agent.stop() == 0
    return int(re.search(r"Collected : (\d+)", agent.log()).group(1))


def test_the_session_token_costs_a_page_little(pod, canned):
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return  # valgrind does not run it, and its instructions are the sanitizer's
    taken = {}
    for token_bytes in TOKENS:
        few, many = (instructions(pod, canned, token_bytes, pages) for pages in (100, 100 + PAGES))
        taken[token_bytes] = (many - few) / PAGES
    print("\nA page of a Query, the kernel left out")
    for token_bytes, number in taken.items():
        show(f"instructions with a session token of {token_bytes:,} bytes", f"{number:,.0f}")
    short, long = TOKENS
    each = (taken[long] - taken[short]) / (long - short)
    show("… for each byte of the token more", f"{each:.0f}")
    # libcurl formats each byte of a header in 77 to 95; hashing it again for each page took 66 more.
    assert each < 115


def test_a_page_after_another_allocates_nothing(pod, canned, counting_library, tmp_path):
    counts = tmp_path / "counts"
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return  # the sanitizer's allocator must come first
    made = {}
    for pages in (10, 10 + PAGES):
        agent = pod(small_object(), options=["--no-seccomp"],
                    env={"LD_PRELOAD": str(counting_library), "MALLOC_COUNT_FILE": str(counts),
                         **keys(canned(pages), 1000)})
        agent.start()
        agent.rpc("count", trigger="small", timeout_ms=MINUTE)
        before = allocations(agent, counts)
        answer = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=MINUTE)
        assert answer["pages"] == pages
        made[pages] = allocations(agent, counts) - before
    print(f"\nA count of {10 + PAGES} pages beside one of 10")
    show("allocations more, of a list that doubles", made[10 + PAGES] - made[10])
    # The list of pages that `explain` shows doubles a few times.
    assert 0 < made[10] <= made[10 + PAGES] < made[10] + 8
