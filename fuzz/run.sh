#!/bin/bash
# fuzz/run.sh [SECONDS [NAME...]]: builds the fuzz targets and runs each for SECONDS (30).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build/fuzz
seconds=${1:-30}
shift || true
mkdir -p "$build"
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-clang++-19}" >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
ninja -C "$build" --quiet

failed=0
for program in "$build"/bin/fuzz_*; do
  name=${program##*/fuzz_}
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  corpus=$build/corpus/$name known=$here/corpus/$name
  mkdir -p "$corpus" "$build/found"
  inputs=("$corpus")
  [ -d "$known" ] && inputs+=("$known")
  if "$program" -max_total_time="$seconds" -max_len=8192 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$build/found/$name-" "${inputs[@]}" >"$build/$name.log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
    echo "$name: $runs runs, nothing found"
  else
    failed=1
    echo "$name: FAILED, see $build/$name.log"
    tail -30 "$build/$name.log"
  fi
done
exit $failed
