#include <stdio.h>
#include <tally.h>

int main(int argc, char **argv)
{
    struct tally *tally;
    int64_t count = -1;
    int r = tally_open(&tally, NULL); /* TALLY_SOCKET, or /run/tally/tally.sock */

    if (r == 0)
        r = tally_count(tally, argc > 1 ? argv[1] : "pending", &count);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", tally_error_name(r), tally_error_message(tally));
    else
        printf("%lld\n", (long long)count);
    tally_close(tally);
    return r < 0;
}
