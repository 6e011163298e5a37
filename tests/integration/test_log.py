"""What the agent's log says of failures, and how often."""

import pytest

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import small_object


def test_a_failure_that_goes_on_is_logged_once(start, world):
    world.fault(service="sts", status=503)
    agent = start(small_object())

    def asks_sts_again():
        with pytest.raises(RpcError):
            agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=1500)
        return len(world.requests(service="sts")) >= 8

    wait_until(asks_sts_again, seconds=30)
    assert agent.log().count("event=credentials_failed") == 1
