#!/usr/bin/env bash
# Side-by-side CPU per request; see README.md. Extra words go to compare.py.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
out=${SEINE_BENCH_HELPERS:-../build/bench}
mkdir -p "$out"
for program in relay backend bulk; do cc -O2 -o "$out/$program" "$program.c"; done
exec python3 compare.py --bin "${SEINE_BIN:-../build/release/bin}" --helpers "$out" "$@"
