/* SPDX-License-Identifier: Apache-2.0 */
/* The application of the test pod: asks its sidecar through libtally, prints the answer on one
 * line, and sleeps until it is ended. Started beside the agent, so it waits for it. */
#include "client/tally.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int ask(struct tally *tally, const char *trigger)
{
    const struct tally_answer *answer;
    char metric[200] = "";
    int64_t count = -1, pages = -1;
    int r = tally_count(tally, trigger, &count);

    answer = tally_last_answer(tally);
    if (r < 0) {
        printf("worker: %s: %s\n", tally_error_name(r), tally_error_message(tally));
        return r;
    }
    tally_answer_integer(answer, "pages", &pages);
    tally_answer_string(answer, "metric_name", metric, sizeof(metric));
    printf("worker: uid=%d gid=%d trigger=%s count=%lld quality=%d pages=%lld metric=%s\n",
        (int)getuid(), (int)getgid(), trigger, (long long)count, (int)tally_answer_quality(answer),
        (long long)pages, metric);
    return 0;
}

int main(int argc, char **argv)
{
    struct tally *tally = NULL;
    int r = tally_open(&tally, NULL);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (r == 0)
        r = tally_set_wait_for_agent(tally, 1);
    if (r == 0)
        r = tally_set_timeout(tally, 60000);
    for (int i = 1; i < argc && r == 0; i++)
        r = ask(tally, argv[i]);
    tally_close(tally);
    printf("worker: %s\n", r == 0 ? "done" : "failed");
    pause();
    return 0;
}
