#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks, with another implementation of msgpack, that the bytes of each file of proto/vectors/ are the
message of its `# value:`, and that the examples of proto/PROTOCOL.md are these files. `--fix` writes
the bytes and the examples from the values. What a message means (`# expect:`) is checked by
tests/unit/test_vectors.c."""

import json
import os
import re
import sys

import msgpack

PROTO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "proto")
VALUE = re.compile(r"^# value: (.*(?:\n#        .*)*)$", re.MULTILINE)
EXAMPLE = re.compile(r"^```(hex|json) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = 100


def read(*name):
    with open(os.path.join(PROTO, *name), encoding="utf-8") as file:
        return file.read()


def write(text, *name):
    with open(os.path.join(PROTO, *name), "w", encoding="utf-8") as file:
        file.write(text)


def read_vectors():
    """The texts of the files by their name, such as `valid/ping-request.hex`."""
    return {f"{folder}/{name}": read("vectors", folder, name) for folder in ("valid", "invalid")
            for name in sorted(os.listdir(os.path.join(PROTO, "vectors", folder)))}


def value_of(text):
    """The message that `# value:` and the lines indented below it show; None if there is none."""
    found = VALUE.search(text)
    return found and json.loads(found[1].replace("\n#        ", " "))


def bytes_of(text):
    return bytes.fromhex(" ".join(line for line in text.splitlines() if not line.startswith("#")))


def with_bytes(text, data):
    """The text of the file with these bytes in place of its own."""
    head = [line for line in text.splitlines() if line.startswith("#")]
    return "\n".join(head + [data[at:at + 24].hex(" ") for at in range(0, len(data), 24)]) + "\n"


def as_text(value):
    """The same value with each bin as str, as the protocol accepts them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [as_text(element) for element in value]
    if isinstance(value, dict):
        return {as_text(key): as_text(element) for key, element in value.items()}
    return value


def canonical(value):
    """As JSON text, which distinguishes 1, 1.0 and true; == does not."""
    return json.dumps(as_text(value), ensure_ascii=False)


def difference(one, other):
    """The part of each text around the first character that differs."""
    at = len(os.path.commonprefix([one, other]))
    return one[max(at - 30, 0):at + 30], other[max(at - 30, 0):at + 30]


def has_other_encodings(name):
    """Files whose bytes are on purpose not the shortest form."""
    return os.path.basename(name).startswith("encoding-")


def vector_fault(name, text):
    """What is wrong with the file, or None."""
    try:
        value, data = value_of(text), bytes_of(text)
        if value is None:
            return "has no '# value:'" if name.startswith("valid/") else None
        decoded = canonical(msgpack.unpackb(data))
    except ValueError as error:
        return f"is not valid: {error}"
    if decoded != canonical(value):
        return "the bytes are …{}…, '# value:' is …{}…".format(*difference(decoded, canonical(value)))
    if not has_other_encodings(name) and text != with_bytes(text, msgpack.packb(value)):
        return "the bytes are not the shortest form, 24 a line"
    return None


def vector_fixed(name, text):
    try:
        value = value_of(text)
    except ValueError:
        return text
    if value is None or has_other_encodings(name):
        return text
    return with_bytes(text, msgpack.packb(value))


def json_layout(value, indent=0, before=0):
    """Containers that fit stand in one line."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or indent + before + len(line) < COLUMNS:
        return line
    deeper = indent + 2
    if isinstance(value, list):
        members, brackets = [json_layout(member, deeper) for member in value], "[]"
    else:
        keys = {key: json.dumps(key, ensure_ascii=False) + ": " for key in value}
        members, brackets = [keys[key] + json_layout(member, deeper, len(keys[key]))
                             for key, member in value.items()], "{}"
    return (brackets[0] + "\n" + ",\n".join(" " * deeper + member for member in members) + "\n" +
            " " * indent + brackets[1])


def example_fixed(kind, vector, text):
    """An example of the document; JSON keeps its layout while its value is right."""
    if kind == "hex":
        return vector
    value = value_of(vector)
    try:
        if canonical(json.loads(text)) == canonical(value):
            return text
    except ValueError:
        pass
    return json_layout(value) + "\n"


def document_fixed(document, vectors):
    def fix(found):
        kind, name, text = found.groups()
        if name not in vectors or vector_fault(name, vectors[name]):
            return found[0]
        return f"```{kind} {name}\n{example_fixed(kind, vectors[name], text)}```"
    return EXAMPLE.sub(fix, document)


def document_faults(document, vectors):
    examples = EXAMPLE.findall(document)
    shown = {name for _, name, _ in examples}
    missing = [f"{name} is not shown" for name in vectors
               if name.startswith("valid/") and name not in shown]
    unknown = [f"the example {name} has no file" for name in shown - set(vectors)]
    return missing + unknown + [
        f"the example {name} differs from the file" for kind, name, text in examples
        if name in vectors and text != example_fixed(kind, vectors[name], text)]


def faults(document, vectors):
    found = {name: vector_fault(name, text) for name, text in vectors.items()}
    wrong = [f"proto/vectors/{name}: {fault}" for name, fault in found.items() if fault]
    return wrong or [f"proto/PROTOCOL.md: {fault}" for fault in document_faults(document, vectors)]


def self_test():
    right = "# one\n# value: [2, \"a\",\n#        [1]]\n# expect: nothing\n93 02 a1 61 91 01\n"
    cases = {right: None, right.replace("[1]", "[2]"): "the bytes are", right.replace("[1]", "[1.0]"): "the bytes are",
             right.replace("61", "62"): "the bytes are", right.replace("91 01", "91"): "is not valid",
             right.replace("02", "cc 02"): "the bytes are not", right.replace("[1]", "["): "is not valid",
             right.replace("# value", "# is"): "has no"}
    wrong = [f"self-test: {text!r}: {vector_fault('valid/a.hex', text)}" for text, fault in cases.items()
             if not (vector_fault("valid/a.hex", text) or "").startswith(fault or "")
             or (fault is None) != (vector_fault("valid/a.hex", text) is None)]
    document = f"```hex valid/a.hex\n{right}```\n\n```json valid/b.hex\n[2, \"a\", [1]]\n```\n"
    vectors = {"valid/a.hex": right, "valid/b.hex": right}
    for text, count in {document: 0, document.replace("expect", "x"): 1, document.replace("[1]", "[2]"): 2,
                        document.replace("valid/b", "valid/c"): 2}.items():
        if len(document_faults(text, vectors)) != count:
            wrong.append(f"self-test: {text!r}: {document_faults(text, vectors)}, not {count} faults")
    changed = {name: vector_fixed(name, text.replace("[1]", "[300]")) for name, text in vectors.items()}
    if faults(document_fixed(document, changed), changed):
        wrong.append("self-test: what --fix writes has faults")
    return wrong


if __name__ == "__main__":
    vectors, document = read_vectors(), read("PROTOCOL.md")
    if "--fix" in sys.argv[1:]:
        fixed = {name: vector_fixed(name, text) for name, text in vectors.items()}
        for name in fixed:
            if fixed[name] != vectors[name]:
                write(fixed[name], "vectors", name)
        vectors, before, document = fixed, document, document_fixed(document, fixed)
        if document != before:
            write(document, "PROTOCOL.md")
    found = self_test() + faults(document, vectors)
    for fault in found:
        print(fault)
    if found:
        print("tests/vectors.py --fix writes bytes and examples from the values")
    sys.exit(1 if found else 0)
