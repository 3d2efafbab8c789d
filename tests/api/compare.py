#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every message, field, number, type and label of api/ with the upstream's descriptors.

    python3 tests/api/compare.py [--build DIR]

Ours may leave things out, of what configures the proxy by name in its table of unread fields; what it has must be
the upstream's to the letter, so that a slip of the pen cannot reach the wire. The
upstreams are fetched once, pinned, into DIR: Envoy's and xDS's
descriptors from the Python package xds-protos, Istio's and Kubernetes' .proto files from their
Go modules. Needs python3-venv, protoc and go (any version). Exit code 1 on any difference.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = ROOT / "api"
PYTHON_PACKAGES = ["xds-protos==1.85.0", "setuptools<81"]
GO_MODULES = {
    "istio.io/api": "v1.31.1",
    "k8s.io/api": "v0.33.0",
    "k8s.io/apimachinery": "v0.33.0",
    "k8s.io/apiextensions-apiserver": "v0.33.0",
}
# Ours alone: the options that carry what Kubernetes writes into Go struct tags.
OWN_FILES = {"k8s/options.proto"}
# What is sent to the proxy as its configuration; the second are passed on unread, or only ever sent by it.
CONFIGURATION = ("envoy.config.", "envoy.extensions.", "envoy.type.")
ONLY_SENT = ("envoy.config.trace.", "envoy.config.endpoint.v3.UpstreamLocalityStats")
# C++ keeps these words for itself; the JSON name stays the upstream's.
RENAMED = {"requires_": "requires"}


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def enter_venv(build):
    """Runs this script again with the Python that has the upstream's descriptors."""
    venv = build / "venv"
    python = venv / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == venv.resolve():
        return
    if not python.exists():
        run(sys.executable, "-m", "venv", str(venv))
    run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON_PACKAGES)
    os.execv(python, [str(python), *sys.argv])


def go_module_dirs(build):
    """Where each module's files lie, fetched if need be."""
    scratch = build / "gomod"
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "go.mod").write_text("module compare\n\ngo 1.19\n")
    dirs = {}
    for module, version in GO_MODULES.items():
        env = dict(os.environ, GOFLAGS="-mod=mod", GOTOOLCHAIN="local")
        answer = json.loads(run("go", "mod", "download", "-json", f"{module}@{version}", cwd=scratch, env=env))
        dirs[module] = pathlib.Path(answer["Dir"])
    return dirs


def descriptors(include, files, extra=()):
    """The FileDescriptorProtos that protoc makes of the files and what they import."""
    from google.protobuf import descriptor_pb2

    out = subprocess.run(
        ["protoc", *[f"-I{path}" for path in include], *extra, "--include_imports", "--descriptor_set_out=/dev/stdout", *files],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return descriptor_pb2.FileDescriptorSet.FromString(out).file


class Types:
    """Messages, enums and services of some files, by full name."""

    def __init__(self, files):
        self.messages, self.enums, self.services, self.file_of = {}, {}, {}, {}
        for file in files:
            for message in file.message_type:
                self.add_message(file.package, message, file.name)
            for enum in file.enum_type:
                self.add(self.enums, f"{file.package}.{enum.name}", enum, file.name)
            for service in file.service:
                self.add(self.services, f"{file.package}.{service.name}", service, file.name)

    def add(self, table, name, what, file):
        table[name] = what
        self.file_of[name] = file

    def add_message(self, prefix, message, file):
        name = f"{prefix}.{message.name}"
        self.add(self.messages, name, message, file)
        for nested in message.nested_type:
            self.add_message(name, nested, file)
        for enum in message.enum_type:
            self.add(self.enums, f"{name}.{enum.name}", enum, file)


def upstream_xds(ours):
    from google.protobuf import descriptor_pb2

    files = []
    for name in ours:
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.append(file)
    return files


def upstream_istio(dirs):
    root = dirs["istio.io/api"]
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*.proto"))
             if "common-protos" not in path.parts and "stackdriver" not in path.parts]
    return descriptors([root, root / "common-protos"], names)


def upstream_k8s(dirs, build):
    include = build / "include" / "k8s.io"
    include.mkdir(parents=True, exist_ok=True)
    names = []
    for module in ("api", "apimachinery", "apiextensions-apiserver"):
        link = include / module
        if link.is_symlink():
            link.unlink()
        link.symlink_to(dirs[f"k8s.io/{module}"])
        names += [f"k8s.io/{module}/{path.relative_to(link.resolve())}" for path in sorted(link.resolve().rglob("generated.proto"))]
    return descriptors([include.parent], names)


def field_words(message, field):
    """What must agree, as a dict of words for the report."""
    kind = type(field)
    oneof = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = message.oneof_decl[field.oneof_index].name
    return {
        "name": RENAMED.get(field.name, field.name),
        "type": kind.Type.Name(field.type) + (" " + field.type_name.lstrip(".") if field.type_name else ""),
        "label": kind.Label.Name(field.label),
        "optional": field.proto3_optional,
        "oneof": oneof,
    }


def compare_message(name, mine, theirs, problems):
    by_number = {field.number: field for field in theirs.field}
    if mine.options.map_entry != theirs.options.map_entry:
        problems.append(f"{name}: a map on one side only")
    for field in mine.field:
        peer = by_number.get(field.number)
        if not peer:
            problems.append(f"{name}: no field has number {field.number} upstream, ours is {field.name}")
            continue
        words, wanted = field_words(mine, field), field_words(theirs, peer)
        for what, value in words.items():
            if value != wanted[what]:
                problems.append(f"{name}.{field.name} = {field.number}: {what} is {value!r}, upstream {wanted[what]!r}")


def compare_service(name, mine, theirs, problems):
    methods = {method.name: method for method in theirs.method}
    for method in mine.method:
        peer = methods.get(method.name)
        if not peer:
            problems.append(f"{name}: no method {method.name} upstream")
            continue
        for part in ("input_type", "output_type", "client_streaming", "server_streaming"):
            if getattr(method, part) != getattr(peer, part):
                problems.append(f"{name}.{method.name}: {part} differs")


def compare(ours, upstream, same_paths, problems):
    compared = 0
    for name, mine in ours.messages.items():
        theirs = upstream.messages.get(name)
        if not theirs:
            problems.append(f"{name}: no such message upstream")
            continue
        if same_paths and ours.file_of[name] != upstream.file_of[name]:
            problems.append(f"{name}: in {ours.file_of[name]}, upstream in {upstream.file_of[name]}")
        compare_message(name, mine, theirs, problems)
        compared += 1
    for name, mine in ours.enums.items():
        theirs = upstream.enums.get(name)
        if not theirs:
            problems.append(f"{name}: no such enum upstream")
            continue
        values = {(value.name, value.number) for value in theirs.value}
        problems += [f"{name}: {value.name} = {value.number} is not upstream" for value in mine.value
                     if (value.name, value.number) not in values]
    for name, mine in ours.services.items():
        theirs = upstream.services.get(name)
        if theirs:
            compare_service(name, mine, theirs, problems)
        else:
            problems.append(f"{name}: no such service upstream")
    return compared


def check_left_out(ours, upstream, problems):
    """What the proxy's schemas leave out of a message stands in the proxy's table by name and number: it is refused or warned about by name."""
    text = (ROOT / "src/proxy/runtime/unread_fields.cpp").read_text()
    listed = {name: dict(re.findall(r"[!-]?(\w+)=(\d+)", "".join(re.findall(r'"([^"]*)"', body))))
              for name, body in re.findall(r'\{"([\w.]+)",\s(.*?)\},\n', text, re.S)}
    for name, mine in ours.messages.items():
        theirs = upstream.messages.get(name)
        if not theirs or not name.startswith(CONFIGURATION) or name.startswith(ONLY_SENT):
            continue
        known = {field.number for field in mine.field}
        for field in theirs.field:
            if field.number not in known and listed.get(name, {}).get(field.name) != str(field.number):
                problems.append(f"{name}.{field.name} is left out, and unread_fields.cpp does not list {field.name}={field.number}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "api-upstream", metavar="DIR")
    build = arguments.parse_args().build.resolve()
    build.mkdir(parents=True, exist_ok=True)
    enter_venv(build)

    names = sorted(str(path.relative_to(API)) for path in API.rglob("*.proto"))
    parts = {"xds": [], "istio": [], "k8s": []}
    for name in names:
        if name not in OWN_FILES:
            parts[name.split("/")[0] if name.split("/")[0] in parts else "xds"].append(name)
    # Envoy extensions of Istio's own are published in Istio's module, under the same path.
    istio_filters = [name for name in parts["xds"] if name.startswith("envoy/config/filter/")]
    parts["xds"] = [name for name in parts["xds"] if name not in istio_filters]
    parts["istio"] += istio_filters

    dirs = go_module_dirs(build)
    upstream = {
        "xds": Types(upstream_xds(parts["xds"])),
        "istio": Types(upstream_istio(dirs)),
        "k8s": Types(upstream_k8s(dirs, build)),
    }
    all_ours = {file.name: file for file in descriptors([API], names)}
    problems = []
    for part, part_names in parts.items():
        ours = Types([all_ours[name] for name in part_names])
        compared = compare(ours, upstream[part], part == "xds", problems)
        if part == "xds":
            check_left_out(ours, upstream[part], problems)
        print(f"{part}: {compared} messages and {len(ours.enums)} enums of {len(part_names)} files compared")
        if not compared:
            problems.append(f"{part}: nothing to compare")
    for problem in problems:
        print(f"differs: {problem}")
    print("all as upstream" if not problems else f"{len(problems)} differences")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
