/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/status.h"

enum grpc_code status_grpc(int error)
{
    switch (error) {
    case TALLY_EUNKNOWN_TRIGGER:
        return GRPC_NOT_FOUND;
    case TALLY_EAMBIGUOUS_TRIGGER:
    case TALLY_EINVALID_REQUEST:
    case TALLY_EARGUMENT:
        return GRPC_INVALID_ARGUMENT;
    case TALLY_ETIMEOUT:
    case TALLY_EDEADLINE:
        return GRPC_DEADLINE_EXCEEDED;
    case TALLY_ENOT_ALLOWED:
    case TALLY_EACCESS_DENIED:
        return GRPC_PERMISSION_DENIED;
    case TALLY_EBUSY:
    case TALLY_ETHROTTLED:
    case TALLY_ENOMEM:
        return GRPC_RESOURCE_EXHAUSTED;
    case TALLY_EAWS_REJECTED:
    case TALLY_ECREDENTIALS:
        return GRPC_FAILED_PRECONDITION;
    case TALLY_EINTERNAL:
    case TALLY_EPROTOCOL:
    case TALLY_ENOFIELD:
    case TALLY_EUNKNOWN_METHOD:
        return GRPC_INTERNAL;
    default:
        return GRPC_UNAVAILABLE;
    }
}

int status_http(int error)
{
    switch (error) {
    case TALLY_EUNKNOWN_TRIGGER:
        return 404;
    case TALLY_EAMBIGUOUS_TRIGGER:
    case TALLY_EINVALID_REQUEST:
    case TALLY_EARGUMENT:
        return 400;
    default:
        return 503;
    }
}

size_t status_message(char *to, size_t size, const char *message)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    for (; *message != '\0' && len + 4 <= size; message++) {
        unsigned char byte = (unsigned char)*message;

        if (byte >= ' ' && byte <= '~' && byte != '%') {
            to[len++] = (char)byte;
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[byte >> 4];
        to[len++] = digits[byte & 15];
    }
    to[len] = '\0';
    return len;
}
