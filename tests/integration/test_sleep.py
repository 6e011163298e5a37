# SPDX-License-Identifier: Apache-2.0
"""A suspended machine: CLOCK_MONOTONIC stops meanwhile, but the count becomes older. A preloaded
library advances the clock that includes the suspension."""

import os
import struct
import subprocess

import pytest

from .yaml_files import small_object

SOURCE = r"""
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *slept; /* seconds, in a file that is shared with the test */

__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("SLEPT"), O_RDONLY);
    void *map = mmap(NULL, sizeof(*slept), PROT_READ, MAP_SHARED, fd, 0);

    slept = map != MAP_FAILED ? map : NULL;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int r = (int)syscall(SYS_clock_gettime, clock, now);

    if (slept != NULL && (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME))
        now->tv_sec += *slept;
    return r;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sleep")
    (folder / "sleep.c").write_text(SOURCE)
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
                    str(folder / "sleep.so"), str(folder / "sleep.c")], check=True)
    return str(folder / "sleep.so")


def test_a_count_is_not_younger_after_a_sleep(pod, world, library, tmp_path):
    slept = tmp_path / "slept"
    slept.write_bytes(struct.pack("q", 0))
    agent = pod(small_object(pollingInterval=600),
                env={"LD_PRELOAD": library, "SLEPT": str(slept)})
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return  # a sanitizer's library must be the first
    agent.start()
    assert agent.rpc("count", trigger="small")["age_ms"] < 60_000
    world.clock_offset(seconds=400)  # whose time advances, too
    slept.write_bytes(struct.pack("q", 400))
    answer = agent.rpc("count", trigger="small")
    assert 400_000 <= answer["age_ms"] < 460_000
    assert world.calls("dynamodb", "Query") == 1
    world.clock_offset(seconds=800)
    slept.write_bytes(struct.pack("q", 800))
    assert agent.rpc("count", trigger="small")["age_ms"] < 60_000
    assert world.calls("dynamodb", "Query") == 2
