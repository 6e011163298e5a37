/* What is known of how credentials are found, for `whoami` and the log: written by the provider
 * at each fetch, since roles and files may change from one to the next. Nothing secret. */
#ifndef TALLY_AGENT_IDENTITY_FACTS_H
#define TALLY_AGENT_IDENTITY_FACTS_H

struct facts {
    const char *kind; /* static text: "web-identity", … */
    char *why;        /* the texts are owned; NULL where they do not apply */
    char *role;
    char *session_name;
    char *token_file;
    char *caller_key_id; /* whose account and arn GetCallerIdentity told */
    char *account;
    char *arn;
};

/* Copies; without memory the fact is missing. `text` may be NULL. */
void facts_set(char **fact, const char *text);
void facts_clear(struct facts *facts);

#endif
