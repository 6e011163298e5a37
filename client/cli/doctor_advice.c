/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_advice.h"

#include <stddef.h>
#include <string.h>

#define SERVICE_FAILED                                                                             \
    "wait, the agent retries; if it lasts, check whether this is a reply of AWS (see the AWS "     \
    "Health Dashboard), or of a proxy or another service in front of it"

static const struct {
    const char *step;
    /* The beginning of AWS's code or of the error's name, or a part of the message; NULL: any. */
    const char *code;
    const char *text;
} advices[] = {
    {"socket", "NOT_ALLOWED", "add this user or group to the agent's --allow-uid or --allow-gid"},
    {"socket", "PERMISSION",
        "run as a user or group that may use the socket (in a pod: fsGroup or supplementalGroups), "
        "or start tallyd with --socket-mode or --socket-group"},
    {"socket", "BUSY", "close connections: `tally status` shows whose they are"},
    {"socket", NULL,
        "start tallyd, mount the folder of its socket (not the file), and name its socket by -s or "
        "TALLY_SOCKET; `tally sockets` finds the agents of this node"},
    {"agent", NULL, "check the log of tallyd, and whether it has enough CPU time and memory"},
    {"configuration", "UNKNOWN_TRIGGER", "name one of the triggers that `tally list` shows"},
    {"configuration", "AMBIGUOUS_TRIGGER", "name one of the triggers that the message lists"},
    {"configuration", NULL,
        "correct the configuration; `tallyd --check --config FILE` lists all that is wrong"},
    {"identity", "ExpiredToken",
        "replace the credentials: AWS says that they have expired, and the agent reads new ones "
        "from their Secret or file by itself"},
    {"identity", "UnrecognizedClient",
        "check the access key: it was deleted, or belongs to another AWS partition"},
    {"identity", "InvalidSignature", "check the secret access key: it is not that of the key id"},
    {"identity", NULL,
        "correct the setting that the message names; `tally whoami` shows what was chosen, and "
        "why"},
    {"token", "InvalidIdentityToken",
        "compare issuer and audience of the token with the IAM OIDC provider of the role's "
        "account"},
    {"token", "ExpiredToken",
        "mount the token as a projected volume, which the kubelet renews; a copy of it expires"},
    {"token", NULL,
        "mount the service account's token at this path, readable for tallyd's user (fsGroup, or "
        "the same runAsUser), as a projected volume, which the kubelet renews"},
    {"proxy", NULL,
        "check that the proxy runs, its user and password, and that it allows these hosts; or add "
        "the hosts to NO_PROXY"},
    {"name", NULL,
        "check awsRegion and AWS_ENDPOINT_URL_…, the pod's DNS settings, and that its "
        "NetworkPolicy "
        "allows DNS (port 53, UDP and TCP)"},
    {"ca", NULL, "install ca-certificates, or set AWS_CA_BUNDLE to a readable PEM file"},
    {"tls", NULL,
        "set AWS_CA_BUNDLE to a PEM file with the authority that signed the certificate, if this "
        "is expected; else a proxy intercepts the connection"},
    {"clock", NULL,
        "set the clock of this machine (chrony, systemd-timesyncd): AWS refuses requests that are "
        "five minutes off"},
    {"sts", "RegionDisabled",
        "activate STS for this region in the settings of IAM, or set AWS_REGION to another one"},
    {"sts", "ACCESS_DENIED",
        "correct the role's trust policy: `tally whoami` shows what it must allow"},
    {"sts", "throttled",
        "wait: the agent retries; if many agents start at once, start them more slowly"},
    {"sts", "CREDENTIALS", "correct what STS does not accept, most often the role's ARN"},
    {"sts", "failed with HTTP", SERVICE_FAILED},
    {"sts", NULL,
        "allow connections to STS (TCP 443: NetworkPolicy, security group, VPC endpoint), or name "
        "a "
        "reachable one by AWS_ENDPOINT_URL_STS"},
    {"credentials", "ACCESS_DENIED",
        "check the Pod Identity association of the service account (EKS) or the task's role (ECS)"},
    {"credentials", "CREDENTIALS",
        "check the Pod Identity association of the service account (EKS), the task's role (ECS), "
        "or "
        "the instance profile"},
    {"credentials", NULL,
        "check that the Pod Identity agent (169.254.170.23 port 80) or the instance metadata "
        "(169.254.169.254, hop limit 2) runs, and that the NetworkPolicy allows it"},
    {"table", "ResourceNotFound",
        "create the table or index, or correct tableName, indexName and awsRegion; the identity's "
        "account counts, too"},
    {"table", "AccessDenied",
        "allow dynamodb:Query on the table, and on its index where there is one, in the policy of "
        "this identity; a permissions boundary, SCP or endpoint policy can deny it, too"},
    {"table", "Validation",
        "correct the trigger's expressions or key; `tally explain` shows the request"},
    {"table", "throttled",
        "raise the read capacity of the table or index, or count less often (pollingInterval, "
        "countLimit)"},
    {"table", "ACCESS_DENIED",
        "look for a proxy or firewall in front of DynamoDB: this reply is not that of AWS"},
    {"table", "AWS_REJECTED",
        "check AWS_ENDPOINT_URL_DYNAMODB and awsEndpoint: this reply is not that of DynamoDB"},
    {"table", "INVALID_REQUEST",
        "give the values that a client gives: tally doctor TRIGGER --value :placeholder=VALUE"},
    {"table", "BUSY", "wait, or ask less often: the agent is at a limit"},
    {"table", "failed with HTTP", SERVICE_FAILED},
    {"table", "still counting", "set countLimit or maxPages, or count with a longer --timeout"},
    {"table", NULL,
        "allow connections to DynamoDB (TCP 443: NetworkPolicy, security group, gateway endpoint), "
        "or name a reachable one by AWS_ENDPOINT_URL_DYNAMODB"},
    {"share", "ResourceNotFound", "create the share table, with the partition key k (a string)"},
    {"share", "AccessDenied",
        "allow dynamodb:GetItem and dynamodb:UpdateItem on the share table to this identity"},
    {"share", NULL,
        "check the share table: until it can be used, each agent counts, and pays, for itself"},
    {"cost", NULL,
        "raise --budget or the trigger's budget, or read less: countLimit, a longer "
        "pollingInterval, --share-table"},
};

const char *doctor_advise(
    const char *step, const char *name, const char *aws_code, const char *message)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        const char *code = advices[i].code;

        if (strcmp(advices[i].step, step) != 0)
            continue;
        if (code == NULL || strncmp(name, code, strlen(code)) == 0 ||
            strncmp(aws_code, code, strlen(code)) == 0 || strstr(message, code) != NULL)
            return advices[i].text;
    }
    return "";
}

/* An agent older than `stage` gives the error's name alone. */
static const struct {
    const char *stage, *name, *step;
} places[] = {
    {"identity", NULL, "identity"},
    {"token", NULL, "token"},
    {"proxy", NULL, "proxy"},
    {"name", NULL, "name"},
    {"tls", NULL, "tls"},
    {"clock", NULL, "clock"},
    {"sts", NULL, "sts"},
    {"credentials", NULL, "credentials"},
    {"dynamodb", NULL, "table"},
    {"budget", NULL, "cost"},
    {NULL, "CREDENTIALS", "identity"},
    {NULL, "UNKNOWN_TRIGGER", "configuration"},
    {NULL, "AMBIGUOUS_TRIGGER", "configuration"},
    {NULL, "DEADLINE", "agent"},
    {NULL, "NOAGENT", "agent"},
    {NULL, "SHUTTING_DOWN", "agent"},
    {NULL, "INTERNAL", "agent"},
};

const char *doctor_place(const char *stage, const char *name)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *wanted = places[i].stage != NULL ? places[i].stage : places[i].name;

        if (strcmp(wanted, places[i].stage != NULL ? stage : name) == 0)
            return places[i].step;
    }
    return "table";
}
