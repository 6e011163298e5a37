#include "agent/config/identity_spec.h"

const char *identity_kind_name(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_CHAIN:
        return "chain";
    case IDENTITY_STATIC:
        return "static";
    case IDENTITY_WEB_IDENTITY:
        return "web-identity";
    case IDENTITY_AWS:
        return "aws";
    case IDENTITY_ASSUME_ROLE:
        return "assume-role";
    case IDENTITY_KIAM:
        return "kiam";
    }
    return "unknown";
}
