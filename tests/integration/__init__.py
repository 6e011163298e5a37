# SPDX-License-Identifier: Apache-2.0
"""The real programs tallyd and tally against the gateway."""

import os

# A test forks to start programs, which run at once, while its calls of gRPC may be under way. gRPC's
# own handlers of fork() then wait for its threads, at times for ever. It reads this when it is loaded.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
