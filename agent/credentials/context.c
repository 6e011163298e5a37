/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/context.h"

#include <stdlib.h>
#include <string.h>

void facts_set(char **fact, const char *text)
{
    char *copy;

    if (text != NULL && *fact != NULL && strcmp(text, *fact) == 0)
        return;
    copy = text != NULL ? strdup(text) : NULL;
    free(*fact);
    *fact = copy;
}

void facts_clear(struct facts *facts)
{
    free(facts->why);
    free(facts->role);
    free(facts->session_name);
    free(facts->token_file);
    free(facts->caller_key_id);
    free(facts->account);
    free(facts->arn);
    *facts = (struct facts){0};
}
