# SPDX-License-Identifier: Apache-2.0
"""What a fleet of real agents costs DynamoDB, with a shared count and without; sums over shards."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from tests.gateway.client import temporary_gateway
from tests.gateway.share_table import ShareTable
from tests.gateway.tables import ORDERS
from tests.integration.agent import Agent
from tests.integration.yaml_files import scaled_object, text, trigger

from . import plot, table
from .rounds import Row, Spread
from .servers import BUILD, Stage, count

TITLE = "Fleet (units of DynamoDB for each polling interval, beside one agent)"
SIZES, ALONE = (1, 10, 50, 100), (1, 10)
ITEMS = 5_000  # 5 pages
INTERVAL, INTERVALS = 6, 6
SHARDS, SHARD_PAGES, PAGE_US = 16, 5, 10_000
COLUMNS = {"queries": "Query calls", "gets": "GetItem calls", "updates": "UpdateItem calls",
           "refused": "refused conditions", "read_units": "read units",
           "looks": "of them for looks at the record", "write_units": "write units"}


def warm(options):
    """One agent's part: it keeps the count fresh, as a trigger does that clients poll."""
    document = scaled_object("pending", trigger(value={"S": "pending"}, warm="true"),
                             pollingInterval=INTERVAL)
    return lambda world, name: Agent(world, document, options=options, env={"HOSTNAME": name})


def used(world, tables):
    units = {name: 0 for name in COLUMNS}
    for name in tables:
        usage = world.usage(table=name)
        for column in units:
            units[column] += usage.get(column, 0)
    units["looks"] = world.usage(table=tables[-1])["read_units"] if len(tables) > 1 else 0
    return units


def measure(gateway, number, intervals, share=None):
    """The cost of an interval, of this many agents."""
    world = gateway.world()
    tables = ["orders"] + ([share.name] if share else [])
    make = warm(["--share-table", share.name] if share else [])
    agents = [make(world, f"pod-{place}") for place in range(number)]
    try:
        for agent in agents:  # here: a child ends with the thread that started it
            agent.start()
        time.sleep(2 * INTERVAL)
        before, begun = used(world, tables), time.monotonic()
        time.sleep(intervals * INTERVAL)
        after, passed = used(world, tables), (time.monotonic() - begun) / INTERVAL
        for agent in agents:
            assert agent.rpc("count", trigger="pending")["count"] == ITEMS
        return {column: (after[column] - before[column]) / passed for column in COLUMNS}
    finally:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(Agent.finish, agents))
        world.close()


def sum_of_shards(rounds):
    """Seconds for the sum, and for the same shards one after the other."""
    parameters = [trigger(value={"S": f"shard#{place}"}) for place in range(SHARDS)]
    summed = trigger(value={"S": "x"}, sumOver=f":v = shard#{{0..{SHARDS - 1}}}")
    with Stage() as stage:
        config = stage.write("shards.yaml", text(
            *(scaled_object(f"shard-{place}", one) for place, one in enumerate(parameters)),
            scaled_object("sum", summed)))
        stage.agent(stage.canned("--pages", SHARD_PAGES, "--delay-us", PAGE_US), config)
        path = stage.path("tally.sock")
        fresh = {"max_age_ms": 0, "timeout_ms": 60_000}
        count(path, "shop/sum", **fresh)  # credentials and connections
        together, apart = [], []
        for _ in range(rounds):
            begun = time.monotonic()
            answer = count(path, "shop/sum", **fresh)
            together.append(time.monotonic() - begun)
            begun = time.monotonic()
            each = [count(path, f"shop/shard-{place}", **fresh)["count"] for place in range(SHARDS)]
            apart.append(time.monotonic() - begun)
            assert answer["count"] == sum(each) and answer["quality"] == "exact"
        return together, apart


def draw(shared, alone):
    def curve(found):
        return {number: Spread([units["read_units"]]) for number, units in found.items()}

    path = os.path.join(BUILD, "bench", "fleet.svg")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(plot.draw("Read units for each polling interval", [
            ("agents that share one count", {"shared": curve(shared)}),
            ("agents that count alone", {"alone": curve(alone)})]))
    return f"plot: {os.path.relpath(path)}"


def rows(shared, together, apart):
    one = shared[1]
    found = [Row("fleet", f"read units, {number} agents, without looks",
                 [units["read_units"] - units["looks"]], "RCU", "one agent",
                 [one["read_units"] - one["looks"]], ("<=", 1.05) if number == 100 else None)
             for number, units in shared.items()]
    found += [Row("fleet", f"looks of an agent, {number} agents", [units["looks"] / number], "RCU")
              for number, units in shared.items()]
    found.append(Row("fleet", f"sum over {SHARDS} shards of {SHARD_PAGES} pages", together, "s",
                     "one after the other", apart, ("<=", 0.27)))
    return found


def run(rounds, quick=False):
    sizes, intervals = ((1, 10), 2) if quick else (SIZES, INTERVALS)
    with temporary_gateway(ORDERS) as (gateway, tables):
        tables.fill_orders("pending", ITEMS)
        shared = {number: measure(gateway, number, intervals, ShareTable(tables))
                  for number in sizes}
        alone = {number: measure(gateway, number, intervals) for number in ALONE}
    together, apart = sum_of_shards(rounds)
    cells = {**{f"{number} shared": units for number, units in shared.items()},
             **{f"{number} alone": units for number, units in alone.items()}}
    table.grid(f"Agents that keep a count of {ITEMS} items fresh, for each interval of "
               f"{INTERVAL} s", cells, COLUMNS, {})
    return TITLE, rows(shared, together, apart), [draw(shared, alone)]
