/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC code and the HTTP status of an error of tally. Pure. */
#ifndef TALLY_BRIDGE_STATUS_H
#define TALLY_BRIDGE_STATUS_H

#include "client/tally.h"

#include <stddef.h>

enum grpc_code {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

/* Of an enum tally_error below 0. A number that this version does not know is UNAVAILABLE and
 * 503. */
enum grpc_code status_grpc(int error);
int status_http(int error);

/* A message as the header grpc-message holds it: percent-encoded, cut to what fits. Returns the
 * length without the terminator. */
size_t status_message(char *to, size_t size, const char *message);

#endif
