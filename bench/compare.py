#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per request of proxies side by side: one worker on core 0, load and backend on core 1, alternating rounds,
medians. CPU is the scheduler's own account of all the proxy's threads (/proc/PID/task/*/schedstat)."""
import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from peers import PEERS, Setup, Tools, free_port, make_certificates


@dataclasses.dataclass
class Axis:
    title: str
    load: str                 # wrk, h2load, bulk
    words: tuple = ()         # for the load
    size: int = 100           # bytes of the response's body
    unit: str = "request"
    without: tuple = ()       # peers that cannot
    setup: dict = dataclasses.field(default_factory=dict)


PIPELINE = "init = function(args) local r = {} for i = 1, 16 do r[i] = wrk.format() end whole = table.concat(r) end request = function() return whole end\n"
CLOSE = ("-H", "Connection: close")
MANY = ("-c", "8", "-m", "8")

AXES = {
    "h1-1": Axis("HTTP/1.1, 100 B, 1 connection", "wrk", ("-c1",)),
    "h1": Axis("HTTP/1.1, 100 B, 64 connections", "wrk", ("-c64",)),
    "h1-1k": Axis("HTTP/1.1, 1 KB, 64 connections", "wrk", ("-c64",), size=1024),
    "h1-64k": Axis("HTTP/1.1, 64 KB, 64 connections", "wrk", ("-c64",), size=65536),
    "h1-pipe": Axis("HTTP/1.1, 16 pipelined, 8 connections", "wrk", ("-c8", "-s", "PIPELINE")),
    "h1-new": Axis("HTTP/1.1, a connection a request", "wrk", ("-c16", *CLOSE)),
    "tls": Axis("TLS, HTTP/1.1, 100 B, 64 connections", "wrk", ("-c64",), setup={"tls": True}),
    "tls-64k": Axis("TLS, HTTP/1.1, 64 KB, 64 connections", "wrk", ("-c64",), size=65536, setup={"tls": True}),
    "tls-new": Axis("TLS handshake a request", "wrk", ("-c16", *CLOSE), setup={"tls": True}),
    "h2-h1": Axis("HTTP/2 to HTTP/1.1, 8 x 8", "h2load", MANY, without=("direct", "relay", "nginx")),
    "h2s-h1": Axis("HTTP/2 over TLS to HTTP/1.1, 8 x 8", "h2load", MANY, setup={"tls": True}),
    "h2-h2": Axis("HTTP/2 to HTTP/2, 8 x 8", "h2load", MANY, setup={"h2_backend": True}),
    "h2s-h2": Axis("HTTP/2 over TLS to HTTP/2, 8 x 8", "h2load", MANY, setup={"tls": True, "h2_backend": True}),
    "grpc": Axis("gRPC unary, 8 x 8", "h2load", (*MANY, "-d", "CALL", "-H", "content-type: application/grpc", "-H", "te: trailers"),
                 setup={"h2_backend": True, "grpc": True}),
    "pair-h1": Axis("two proxies, mTLS, HTTP/1.1 between", "wrk", ("-c64",), setup={"pair": "h1"}),
    "pair-h2": Axis("two proxies, mTLS, HTTP/2 between", "wrk", ("-c64",), setup={"pair": "h2"}),
    "pair": Axis("two proxies, mTLS, as each does it best", "wrk", ("-c64",), setup={"pair": "seine"}),
    "pair-new": Axis("two proxies, mTLS handshake a request", "wrk", ("-c16",), setup={"pair": "h1", "reuse": False}),
    "tcp": Axis("TCP bulk, 4 connections", "bulk", ("4",), unit="MB", setup={"tcp": True}),
}


class Bench:
    def __init__(self, given):
        self.given = given
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.tools = Tools(self.folder, pathlib.Path(given.helpers).resolve(), pathlib.Path(given.bin).resolve(), given.envoy or "", given.before or "")
        make_certificates(self.folder)
        (self.folder / "pipeline.lua").write_text(PIPELINE)
        (self.folder / "call").write_bytes(b"\0\0\0\0\x64" + b"x" * 100)
        self.running = []
        self.before_others = ["chrt", "--rr", "1"] if given.realtime else ["nice", "-n", str(given.nice)] if given.nice else []

    def start(self, core, command):
        process = subprocess.Popen([*self.before_others, "taskset", "-c", str(core), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def stop(self, processes):
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.running.remove(process)

    def close(self):
        self.stop(list(self.running))
        shutil.rmtree(self.folder, ignore_errors=True)

    def backend(self, axis):
        port = free_port()
        if axis.load == "bulk":
            command = [self.tools.helpers / "bulk", "serve", port]
        elif axis.setup.get("h2_backend"):
            root = self.folder / f"root-{axis.size}"
            root.mkdir(exist_ok=True)
            (root / "index.html").write_bytes(b"x" * axis.size)
            trailer = ["--trailer", "grpc-status: 0"] if axis.setup.get("grpc") else []
            command = ["nghttpd", "--no-tls", *trailer, "-d", root, port]
        else:
            command = [self.tools.helpers / "backend", port, axis.size]
        return port, self.start(1, command)

    def peers(self, names, setup):
        for name in names:
            if name in ("envoy", "before") and not getattr(self.tools, name):
                continue
            made = PEERS[name](self.tools, setup)
            if made:
                port, commands = made
                yield name, port, [self.start(0, command) for command in commands]

    def load(self, axis, port):
        """One run; how many requests (or megabytes) were served, and what went wrong."""
        seconds, scheme = self.given.seconds, "https" if axis.setup.get("tls") else "http"
        words = [w.replace("PIPELINE", str(self.folder / "pipeline.lua")).replace("CALL", str(self.folder / "call")) for w in axis.words]
        run = lambda *command: subprocess.run([*self.before_others, "taskset", "-c", "1", *map(str, command)], capture_output=True, text=True).stdout
        if axis.load == "bulk":
            out = run(self.tools.helpers / "bulk", "take", port, seconds, *words)
            found, bad = re.search(r"(\d+) megabytes", out), None
        elif axis.load == "h2load":
            out = run("h2load", "-t1", "-D", seconds, *words, f"{scheme}://127.0.0.1:{port}/index.html")
            found, bad = re.search(r"(\d+) succeeded", out), re.search(r"([1-9]\d*) failed|([1-9]\d*) errored", out)
        else:
            out = run("wrk", "-t1", f"-d{seconds}s", *words, f"{scheme}://127.0.0.1:{port}/")
            found = re.search(r"(\d+) requests in", out)
            bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", out)
        return int(found.group(1)) if found else 0, bad.group(0) if bad else ""

    def measure(self, axis, port, processes):
        before, began = cpu(processes), time.monotonic()
        count, bad = self.load(axis, port)
        spent = cpu(processes) - before
        return spent / 1000 / max(count, 1), count / (time.monotonic() - began), bad

    def run_axis(self, names, axis):
        backend, behind = self.backend(axis)
        best = axis.setup.get("pair") == "seine"
        setups = {}
        for name in names:  # "as each does it best": Seine its own way, the others both of theirs
            if name in axis.without:
                continue
            for pair in (["seine"] if name in ("seine", "before") else ["h1", "h2"]) if best else [axis.setup.get("pair", "")]:
                setups[f"{name} {pair}" if best else name] = (name, Setup(backend, **{**axis.setup, "pair": pair}))
        started = []
        for shown, (name, setup) in setups.items():
            started += [(shown, port, processes) for _, port, processes in self.peers([name], setup)]
        try:
            for _, port, _ in started:
                wait_for(port)
            time.sleep(0.3)
            results = {name: [] for name, _, _ in started}
            for name, port, processes in started:
                self.load(dataclasses.replace(axis), port)
            for _ in range(self.given.rounds):
                for name, port, processes in started:
                    results[name].append(self.measure(axis, port, processes))
            return results
        finally:
            self.stop([behind, *(p for _, _, processes in started for p in processes)])

    def first_answer(self, name, clusters):
        """Seconds from the start of the process to the first routed answer, and its memory then and there (KB)."""
        backend, behind = self.backend(AXES["h1"])
        wait_for(backend)
        try:
            made = PEERS[name](self.tools, Setup(backend, clusters=clusters))
            if not made or not made[1]:
                return None
            began = time.monotonic()
            process = self.start(0, made[1][0])
            while not answers(made[0]):
                if time.monotonic() - began > 20:
                    return None
                time.sleep(0.0003)
            took = time.monotonic() - began
            time.sleep(2)  # it tidies up a second later
            pss, rss = memory(process)
            self.stop([process])
            return took, pss, rss
        finally:
            self.stop([behind])

    def tail(self, names, rate, seconds):
        """Open loop: latency (us) of requests that are sent on time, whatever the proxy does."""
        axis, out = AXES["h1"], {}
        backend, behind = self.backend(axis)
        started = list(self.peers(names, Setup(backend)))
        try:
            for _, port, _ in started:
                wait_for(port)
            for name, port, _ in [*started, *started]:
                log = self.folder / f"latency-{name}"
                log.unlink(missing_ok=True)
                subprocess.run([*self.before_others, "taskset", "-c", "1", "h2load", "--h1", "-t1", "-c16", f"--rps={rate // 16}", "-D", str(seconds),
                                f"--log-file={log}", f"http://127.0.0.1:{port}/"], capture_output=True)
                times = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
                if times:
                    at = lambda q: times[min(len(times) - 1, int(len(times) * q))]
                    out.setdefault(name, []).append((at(0.5), at(0.99), at(0.999), len(times) / seconds))
            return out
        finally:
            self.stop([behind, *(p for _, _, processes in started for p in processes)])


def family(pid):
    out = [pid]
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        out += family(int(child))
    return out


def cpu(processes):
    return sum(int(task.joinpath("schedstat").read_text().split()[0])
               for process in processes for one in family(process.pid) for task in pathlib.Path(f"/proc/{one}/task").iterdir())


def memory(process):
    pss = rss = 0
    for one in family(process.pid):
        text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        pss += int(re.search(r"Pss:\s+(\d+)", text).group(1))
        rss += int(re.search(r"Rss:\s+(\d+)", text).group(1))
    return pss, rss


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def wait_for(port):
    for _ in range(1000):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"nothing listens on port {port}")


def median(values):
    return statistics.median(values)


def print_axis(axis, results, rounds):
    print(f"\n{axis.title}")
    print(f"  {'proxy':<12}{'us CPU/' + axis.unit:>16}{'x haproxy':>11}{axis.unit + 's/s':>12}  errors")
    bases = [median(r[0] for r in rs) for name, rs in results.items() if name.startswith("haproxy")]
    for name, rs in results.items():
        per = median(r[0] for r in rs)
        ratio = f"{per / min(bases):.2f}" if bases and per else "-"
        print(f"  {name:<12}{per:>16.2f}{ratio:>11}{median(r[1] for r in rs):>12.0f}  " + "; ".join(sorted({r[2] for r in rs if r[2]})), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True, help="folder of seine-proxy")
    arguments.add_argument("--helpers", required=True, help="folder of relay, backend and bulk")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--nice", type=int, default=0)
    arguments.add_argument("--realtime", action="store_true", help="run before everything else that the machine does")
    arguments.add_argument("--axes", nargs="*", default=["h1"], help="all, memory, tail, or of: " + " ".join(AXES))
    arguments.add_argument("--only", nargs="*", default=list(PEERS), help="of: " + " ".join(PEERS))
    arguments.add_argument("--envoy", help="an envoy binary, to join the round")
    arguments.add_argument("--before", help="another seine-proxy, to compare builds")
    arguments.add_argument("--json", help="a file for the figures")
    given = arguments.parse_args()
    bench, figures = Bench(given), {}
    wanted = [*AXES, "memory", "tail"] if given.axes == ["all"] else given.axes
    proxies = [name for name in given.only if name in ("haproxy", "seine", "before", "envoy") and getattr(given, name, True)]
    try:
        for name in wanted:
            if name == "memory":
                print(f"\nstart to first routed answer, and idle memory\n  {'proxy':<12}{'clusters':>10}{'ms':>9}{'PSS MB':>9}{'RSS MB':>9}")
                for proxy in proxies:
                    for clusters in (0, 1000):
                        runs = [r for r in (bench.first_answer(proxy, clusters) for _ in range(given.rounds)) if r]
                        row = [median(r[i] for r in runs) for i in range(3)]
                        figures[f"memory {proxy} {clusters}"] = row
                        print(f"  {proxy:<12}{clusters:>10}{row[0] * 1000:>9.1f}{row[1] / 1024:>9.1f}{row[2] / 1024:>9.1f}", flush=True)
            elif name == "tail":
                rate = 16 * (int(figures.get("h1", {}).get("haproxy", [(0, 16000)])[0][1]) // 32)
                print(f"\nopen loop, {rate} requests/s\n  {'proxy':<12}{'p50 us':>9}{'p99':>9}{'p99.9':>9}{'sent/s':>9}")
                for proxy, runs in bench.tail([n for n in given.only if n != "direct"], rate, 5).items():
                    row = [median(r[i] for r in runs) for i in range(4)]
                    figures[f"tail {proxy}"] = row
                    print(f"  {proxy:<12}" + "".join(f"{v:>9.0f}" for v in row), flush=True)
            else:
                figures[name] = bench.run_axis(given.only, AXES[name])
                print_axis(AXES[name], figures[name], given.rounds)
    finally:
        bench.close()
        if given.json:
            pathlib.Path(given.json).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
