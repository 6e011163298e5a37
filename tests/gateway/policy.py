# SPDX-License-Identifier: Apache-2.0
"""What a role's policy allows: actions on tables, and on the partition keys in them."""

import re

# The partition key of a Query: the first equality.
EQUALITY = re.compile(r"=\s*(:\w+)")


def allows(statements, action, table, question):
    """Whether one of the statements allows `action` ("dynamodb:GetItem"). A statement has `actions`
    and `table`, which may have * and ? in them, and `leading_keys`: patterns as in the condition
    ForAllValues:StringLike of dynamodb:LeadingKeys."""
    return any(_allows(statement, action, table, question) for statement in statements)


def _allows(statement, action, table, question):
    patterns = statement.get("leading_keys")
    return (_is_like(action, statement["actions"]) and _is_like(table, [statement["table"]])
            and (patterns is None
                 or all(_is_like(key, patterns) for key in leading_keys(question))))


def leading_keys(question):
    """The partition keys that an operation names. Of a Key with several attributes all are
    returned: which of them is the partition key is the table's knowledge."""
    if "Key" in question:
        values = question["Key"].values()
    else:
        names = EQUALITY.findall(question.get("KeyConditionExpression", ""))[:1]
        values = [question.get("ExpressionAttributeValues", {}).get(name, {}) for name in names]
    return [str(content) for value in values for content in value.values()]


def _is_like(text, patterns):
    """IAM's StringLike: * and ?, and the case counts."""
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text,
                            re.DOTALL) for pattern in patterns)
