/* SPDX-License-Identifier: Apache-2.0 */
/* A request of the external scaler, any bytes: the name of a trigger is text, or there is a reason.
 */
#include "client/bridge/scaler.h"
#include "proto/utf8.h"
#include "tests/fuzz/fuzz.h"

static void try_method(enum scaler_method method, struct text message, const char *only)
{
    char trigger[SCALER_TRIGGER_BYTES] = "", why[300] = "";
    enum grpc_code code = scaler_read(method, message, only, trigger, why, sizeof(why));
    char shown[1000];

    if (code == GRPC_OK) {
        MUST(strnlen(trigger, sizeof(trigger)) < sizeof(trigger) && trigger[0] != '\0');
        MUST(utf8_is_valid(trigger, strlen(trigger)));
    } else {
        MUST(why[0] != '\0' && utf8_is_valid(why, strlen(why)));
        status_message(shown, sizeof(shown), why);
        must_be_line(shown, sizeof(shown));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text message = {(const char *)data, size};

    try_method(SCALER_IS_ACTIVE, message, NULL);
    try_method(SCALER_GET_METRICS, message, "shop");
    scaler_method_of(message);
    return 0;
}
