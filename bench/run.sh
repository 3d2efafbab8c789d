#!/usr/bin/env bash
# Side-by-side CPU per request, "cluster": start-up and size of the one-machine cluster, or "capture": connections through
# nftables; see README.md. Extra words go to compare.py, cluster.py or capture.py.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
bin=${SEINE_BIN:-../build/release/bin}
if [ "${1:-}" = cluster ]; then shift; exec python3 cluster.py --bin "$bin" "$@"; fi
out=${SEINE_BENCH_HELPERS:-../build/bench}
mkdir -p "$out"
for program in relay backend bulk; do cc -O2 -o "$out/$program" "$program.c"; done
script=compare.py
if [ "${1:-}" = capture ]; then shift; script=capture.py; fi
exec python3 "$script" --bin "$bin" --helpers "$out" "$@"
