#!/bin/bash
# fuzz/run.sh [SECONDS [NAME...]]: builds the fuzz targets, replays what is kept of each and runs it for SECONDS (30).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build/fuzz
seconds=${1:-30}
shift || true
mkdir -p "$build/found"
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-clang++-19}" >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
NINJA_STATUS='[%f/%t %es] ' ninja -C "$build" --quiet

say_failed() { # NAME
  echo "$1: FAILED, see $build/$1.log"
  tail -30 "$build/$1.log"
}

# One target: every kept input once, then SECONDS of new ones. What is learnt stays in the build tree.
run_one() { # NAME
  local name=$1 program=$build/bin/fuzz_$1 corpus=$build/corpus/$1 kept=()
  mkdir -p "$corpus"
  for file in "$here/corpus/$name"/*; do [ -f "$file" ] && kept+=("$file"); done
  if [ ${#kept[@]} = 0 ]; then echo "$name: FAILED, nothing is kept in fuzz/corpus/$name"; return 1; fi
  "$program" "${kept[@]}" >"$build/$name.log" 2>&1 || { say_failed "$name"; return 1; }
  "$program" -max_total_time="$seconds" -max_len=8192 -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$build/found/$name-" "$corpus" "$here/corpus/$name" >"$build/$name.log" 2>&1 || { say_failed "$name"; return 1; }
  local runs; runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
  echo "$name: ${#kept[@]} kept inputs, $runs runs, nothing found"
}

names=()
for source in "$here"/*.cpp; do
  name=$(basename "$source" .cpp)
  if [ $# = 0 ] || [[ " $* " == *" $name "* ]]; then names+=("$name"); fi
done
[ ${#names[@]} -gt 0 ] || { echo "there is no target named $*"; exit 1; }

passed=0 failed=0 running=()
settle() { # the oldest of those that run
  if wait "${running[0]}"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  running=("${running[@]:1}")
}
for name in "${names[@]}"; do
  [ ${#running[@]} -lt "$(nproc)" ] || settle
  run_one "$name" &
  running+=($!)
done
while [ ${#running[@]} -gt 0 ]; do settle; done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
