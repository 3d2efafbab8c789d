# SPDX-License-Identifier: Apache-2.0
"""Results as flat tables of names and values, and what differs between two of them."""
import fnmatch
import re

# Values that no two runs share; that they are there, and of their kind, is compared.
KINDS = {"date": re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "x-envoy-upstream-service-time": re.compile(r"\d+"),
         "x-envoy-expected-rq-timeout-ms": re.compile(r"1[34]\d\d\d|15000"),  # what is left of the usual 15 s
         "last-modified": re.compile(r".*")}


def flat(value, path="", out=None):
    out = {} if out is None else out
    if isinstance(value, dict):
        for key, one in value.items():
            flat(one, f"{path}.{key}" if path else key, out)
    elif path.endswith(("headers", "trailers")):
        table = {}
        for name, one in value:
            if name in KINDS and KINDS[name].fullmatch(one):
                one = f"<{name}>"
            table.setdefault(name, []).append(one)
        for name, values in table.items():
            out[f"{path}.{name}"] = values[0] if len(values) == 1 else values
    elif isinstance(value, list):
        out[f"{path}.count"] = len(value)
        for index, one in enumerate(value):
            flat(one, f"{path}[{index}]", out)
    else:
        out[path] = value
    return out


def differences(envoy, seine):
    """[(name, Envoy's value, Seine's value)]; None where there is none."""
    left, right = flat(envoy), flat(seine)
    return [(name, left.get(name), right.get(name)) for name in {**left, **right} if left.get(name) != right.get(name)]


def refused(wrong, result):
    """Nothing went upstream that did not go there through Envoy, and whoever was answered was answered with an error."""
    more = any(name.startswith("upstream") and ours for name, _, ours in wrong)
    return not more and all(one["status"] >= 400 or one["status"] == 0 for one in result.get("responses", [])[:1])


class Deliberate:
    """Two tables. `rows`: (cases, names, Envoy's value, Seine's value, reason), globs for the first two, ANY is any value.
    `stricter`: (cases, reason), where Seine refuses what Envoy takes, or refuses it otherwise."""

    ANY = object()

    def __init__(self, rows, stricter):
        self.rows, self.used = rows + [(cases, "*", None, None, reason) for cases, reason in stricter], set()
        self.stricter = len(rows)

    def is_stricter(self, case, wrong, seine):
        """All that differs in a case that Seine means to refuse, and refused."""
        for index, (cases, *_) in enumerate(self.rows):
            if index >= self.stricter and any(matches(case, one) for one in cases.split(" | ")) and wrong and refused(wrong, seine):
                self.used.add(index)
                return True
        return False

    def explains(self, case, name, envoy, seine):
        for index, (cases, names, theirs, ours, _) in enumerate(self.rows[:self.stricter]):
            if not any(matches(case, one) for one in cases.split(" | ")):
                continue
            if not any(matches(name, one) for one in names.split()):
                continue
            if fits(theirs, envoy) and fits(ours, seine):
                self.used.add(index)
                return True
        return False

    def unused(self, ran):
        """Rows about cases that ran and that explained nothing: the difference is gone, so must be the row."""
        return [row for index, row in enumerate(self.rows) if index not in self.used
                and any(matches(case, one) for case in ran for one in row[0].split(" | "))]


def escaped(name):
    """Square brackets are no globs here."""
    return name.replace("[", "(").replace("]", ")")


def matches(name, glob):
    return fnmatch.fnmatchcase(escaped(name), escaped(glob))


def fits(wanted, value):
    if wanted is Deliberate.ANY:
        return True
    if isinstance(wanted, re.Pattern):
        return value is not None and bool(wanted.fullmatch(str(value)))
    return wanted == value
