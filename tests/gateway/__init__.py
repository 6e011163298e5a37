# SPDX-License-Identifier: Apache-2.0
"""Plays AWS on loopback, honestly enough that it can say no.

The gateway stands between the agent and Amazon DynamoDB Local. It recomputes every SigV4
signature with botocore from the bytes on the wire, knows which credentials it issued and when
they end, and what a role's policy allows (policy.py). It plays STS, the container credential
endpoints and the instance metadata service, keeps a ledger of every request and of the capacity
that it consumed (usage.py), and misbehaves on request (faults.py).

One process holds any number of worlds (world.py): an AWS account with its own listeners, keys,
roles, clock, ledger and faults, so that tests do not see each other. `client.py` is what tests
use; `python3 -m tests.gateway --help` is what people and scripts use.
"""
