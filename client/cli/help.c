#include "client/cli/help.h"

void help_print(FILE *file)
{
    fputs("tally asks the tally agent how many DynamoDB items wait.\n"
          "\n"
          "  tally [-s SOCKET] [-o text|json|prometheus] VERB [operands and options]\n"
          "\n"
          "Verbs\n",
        file);
    for (size_t i = 0; i < verb_count; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s %s", verbs[i].name, verbs[i].operands);
        fprintf(file, "  %-24s %s\n", text, verbs[i].summary);
    }
    fputs("\nOptions of every verb (they may also stand behind it)\n", file);
    options_print(OPTIONS_GLOBAL, file);
    fputs("\n"
          "A duration D is milliseconds, or a number with ms, s, m or h, at most 8760h.\n"
          "Exit codes: 0 ok, 1 the agent answered with an error, 2 usage,\n"
          "3 no agent at the socket, 4 the deadline passed.\n"
          "`tally VERB --help` says more about a verb, with an example.\n",
        file);
}

void help_print_verb(const struct verb *verb, FILE *file)
{
    fprintf(file, "tally %s%s%s: %s\n\n%s", verb->name, verb->operands[0] != '\0' ? " " : "",
        verb->operands, verb->summary, verb->help);
    if (verb->options != 0) {
        fputs("\nOptions\n", file);
        options_print(verb->options, file);
    }
    fputs("\nOptions of every verb\n", file);
    options_print(OPTIONS_GLOBAL, file);
}
