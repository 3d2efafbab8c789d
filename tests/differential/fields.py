# SPDX-License-Identifier: Apache-2.0
"""No setting is dropped in silence: each field of the schemas that the proxy takes is read by its sources, or stands in
src/proxy/runtime/unread_fields.cpp, from where it is refused or warned about by name. Needs protoc and the protobuf of the venv."""
import pathlib
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOTS = ["envoy.config.bootstrap.v3.Bootstrap", "envoy.config.listener.v3.Listener", "envoy.config.cluster.v3.Cluster",
         "envoy.config.route.v3.RouteConfiguration", "envoy.config.endpoint.v3.ClusterLoadAssignment",
         "envoy.extensions.transport_sockets.tls.v3.Secret"]
# Named like something that is read, and refused by their type.
REFUSED_AS_WHOLE = ["envoy.extensions.filters.http.ratelimit.v3.RateLimit", "google.protobuf.Value"]


def schemas():
    with tempfile.NamedTemporaryFile() as out:
        files = [str(path.relative_to(ROOT / "api")) for path in (ROOT / "api").rglob("*.proto")]
        subprocess.run(["protoc", "-I", ROOT / "api", "-I", "/usr/include", "--include_imports", "-o", out.name, *files], check=True)
        found = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
    messages = {}

    def add(prefix, message):
        messages[f"{prefix}.{message.name}"] = message
        for inner in message.nested_type:
            add(f"{prefix}.{message.name}", inner)
    for file in found.file:
        for message in file.message_type:
            add(file.package, message)
    return messages


def sources():
    text = "".join(path.read_text() for folder in ("proxy", "xds") for path in sorted((ROOT / "src" / folder).rglob("*"))
                   if path.suffix in (".cpp", ".h") and not path.name.endswith("_test.cpp") and path.name not in ("unread_fields.cpp", "limits.cpp"))
    calls = {re.sub(r"^(has|mutable)_|_size$", "", word) for word in re.findall(r"(?:\.|->)(\w+)\(", text)}
    return calls | set(re.findall(r"[.>](\w+)\(", text)) | set(re.findall(r"\bk[A-Z]\w+", text)), text


def reads(words, field):
    return field in words or "k" + "".join(word.capitalize() for word in field.split("_")) in words


def table():
    text = (ROOT / "src/proxy/runtime/unread_fields.cpp").read_text()
    return {name: [word.lstrip("!-") for word in "".join(re.findall(r'"([^"]*)"', body)).split() if "=" not in word]
            for name, body in re.findall(r'\{"([\w.]+)",\s(.*?)\},\n', text, re.S)}


def check():
    """Failures as texts."""
    messages, (words, text), listed = schemas(), sources(), table()

    def message_of(name):
        """The message of that name, or of the field of that name."""
        owner, _, last = name.rpartition(".")
        if name not in messages and owner in messages:
            name = next((one.type_name.lstrip(".") for one in messages[owner].field if one.name == last), "")
        return messages.get(name)

    out = [f"fields: {name}.{field} is not in the schemas" for name, fields in listed.items() for field in fields
           if not message_of(name) or field not in [one.name for one in message_of(name).field]]
    used = [name for name in messages if name.startswith("envoy.extensions.") and
            (name in text or re.search(r"v3::" + name.rsplit(".", 1)[1] + r"\b", text))]
    seen, todo = set(REFUSED_AS_WHOLE), ROOTS + used
    while todo:
        name = todo.pop()
        if name in seen or name not in messages:
            continue
        seen.add(name)
        for field in messages[name].field:
            if reads(words, field.name):
                todo.append(field.type_name.lstrip("."))
            elif field.name not in listed.get(name, []):
                out.append(f"fields: nothing reads {name}.{field.name}, and unread_fields.cpp does not list it")
    return sorted(out)


if __name__ == "__main__":
    problems = check()
    print("\n".join(problems) or "every field is read or listed")
    raise SystemExit(bool(problems))
