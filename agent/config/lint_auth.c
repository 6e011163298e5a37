#include "agent/config/lint_auth.h"

#include "agent/config/aws_names.h"

#include <string.h>

static void lint_role(struct reading *reading, const struct value_ref *role,
    const struct place *place, const char *subject)
{
    const char *text = role->source != SOURCE_ABSENT ? auth_value_now(reading, role) : NULL;

    if (text == NULL || *text == '\0' || role_arn_is_valid(text))
        return;
    findings_add(&reading->findings, FINDING_WARNING, place, subject,
        "\"%.120s\" is not the ARN of a role, which looks like "
        "arn:aws:iam::123456789012:role/name%s",
        text,
        unrendered_part(text, UNRENDERED_ANY).len > 0 ? "; was a placeholder not replaced?" : "");
}

/* Never with the value itself: it may be a secret. */
static void lint_secret(struct reading *reading, const struct auth *auth,
    enum auth_parameter parameter, const char *subject)
{
    const struct value_ref *value = &auth->parameters[parameter];
    const char *text = value->source != SOURCE_ABSENT ? auth_value_now(reading, value) : NULL;

    if (text != NULL && unrendered_part(text, UNRENDERED_WHOLE).len > 0)
        findings_add(&reading->findings, FINDING_WARNING, &auth->places[parameter], subject,
            "the value of %s looks like a placeholder that was not replaced", value->origin);
}

void lint_auth(struct reading *reading, struct auth *auth)
{
    if (auth == NULL || auth->is_linted)
        return;
    auth->is_linted = true;
    lint_role(reading, &auth->role, &auth->role_place, "podIdentity.roleArn");
    lint_role(reading, &auth->parameters[AUTH_ROLE], &auth->places[AUTH_ROLE], "awsRoleArn");
    if (auth->role.source != SOURCE_ABSENT && strcmp(auth->provider, "aws") != 0)
        findings_add(&reading->findings, FINDING_WARNING, &auth->role_place, "podIdentity.roleArn",
            "is not used with provider %.40s, by KEDA neither; use provider aws, or the auth "
            "parameter awsRoleArn",
            auth->provider);
    lint_secret(reading, auth, AUTH_EXTERNAL_ID, "awsExternalId");
    lint_secret(reading, auth, AUTH_KEY_ID, "awsAccessKeyID");
    lint_secret(reading, auth, AUTH_SECRET_KEY, "awsSecretAccessKey");
    lint_secret(reading, auth, AUTH_SESSION_TOKEN, "awsSessionToken");
}
