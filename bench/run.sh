#!/usr/bin/env bash
# Side-by-side CPU per request, or "cluster": start-up and size of the one-machine cluster; see README.md. Extra words go to
# compare.py or cluster.py.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
bin=${SEINE_BIN:-../build/release/bin}
if [ "${1:-}" = cluster ]; then shift; exec python3 cluster.py --bin "$bin" "$@"; fi
out=${SEINE_BENCH_HELPERS:-../build/bench}
mkdir -p "$out"
for program in relay backend bulk; do cc -O2 -o "$out/$program" "$program.c"; done
exec python3 compare.py --bin "$bin" --helpers "$out" "$@"
