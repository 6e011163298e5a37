/* The table of verbs: name, operands, options, help, function. */
#include "client/cli/cli.h"

#define TEXT_AND_JSON (OUTPUT_BIT(TEXT) | OUTPUT_BIT(JSON))

const struct verb verbs[] = {
    {"count", "TRIGGER", 1, 1, OPTION_BIT(MAX_AGE) | OPTION_BIT(VALUE) | OPTION_BIT(REPLICAS),
        TEXT_AND_JSON, "how many items a trigger counts",
        "Prints the number, nothing else. A count that is stale, or that stopped at a\n"
        "configured limit, is said on stderr. Without --max-age the number is at most\n"
        "pollingInterval old; --max-age 0 asks AWS.\n"
        "\n"
        "  $ tally count orders\n"
        "  25000\n"
        "  $ tally count orders --max-age 0 --value :customer=c-17\n",
        run_count},
    {"list", "", 0, 0, 0, TEXT_AND_JSON, "the triggers and what is known of each",
        "  $ tally list\n", run_list},
    {"whoami", "[TRIGGER]", 0, 1, 0, TEXT_AND_JSON, "which AWS identity, why, until when",
        "Prints every identity, or the one of a trigger, without any secret. Exits 0 also\n"
        "where AWS cannot be reached, and says so.\n"
        "\n"
        "  $ tally whoami orders\n",
        run_whoami},
    {"status", "", 0, 0, 0, TEXT_AND_JSON, "the agent: clients, cache, AWS calls, costs",
        "  $ tally status\n", run_status},
    {"ping", "", 0, 0, 0, TEXT_AND_JSON, "the round-trip time to the agent",
        "  $ tally ping\n"
        "  0.09 ms\n",
        run_ping},
    {"ready", "[TRIGGER]", 0, 1, OPTION_BIT(MAX_AGE), TEXT_AND_JSON,
        "for probes: exits 0 when the agent is ready",
        "Without a trigger: the configuration is loaded and the socket answers, whatever\n"
        "AWS does. With one: an exact or stale count is at hand, at most --max-age old\n"
        "(15m); where there is none yet, the agent counts within --timeout. As a probe:\n"
        "\n"
        "  startupProbe: {exec: {command: [tally, ready, orders]}}\n",
        run_ready},
    {"call", "METHOD [JSON]", 1, 2, 0, TEXT_AND_JSON, "any method: raw debugging",
        "Sends the JSON as params (an array as it is; anything else inside an array) and\n"
        "prints the result as JSON.\n"
        "\n"
        "  $ tally call count '{\"trigger\": \"orders\", \"max_age_ms\": 0}'\n",
        run_call},
};

const size_t verb_count = sizeof(verbs) / sizeof(verbs[0]);
