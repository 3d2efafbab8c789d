#!/bin/bash
# run_h2spec.sh BIN_DIR: h2spec, strict, against BIN_DIR/h2_server in clear text
# and over TLS. Fails unless every case passes. H2SPEC names a program to use;
# else the one that h2spec/go.mod pins (the newest that Go's module index offers,
# 146 cases) is built once into the cache.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
pins=$(cat "$here/h2spec/go.mod" "$here/h2spec/go.sum" | sha256sum | cut -c1-12)
h2spec=${H2SPEC:-${XDG_CACHE_HOME:-$HOME/.cache}/seine/h2spec-$pins}
if [ ! -x "$h2spec" ]; then
  mkdir -p "$(dirname "$h2spec")"
  (cd "$here/h2spec" && GOFLAGS=-buildvcs=false go build -o "$h2spec" github.com/summerwind/h2spec/cmd/h2spec)
fi

work=$(mktemp -d)
server=
stop() {
  [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
  server=
}
trap 'stop; rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

failed=0
for mode in h2c tls; do
  arguments=() flags=()
  if [ $mode = tls ]; then arguments=("$work/cert.pem" "$work/key.pem") flags=(-t -k); fi
  "$bin/h2_server" ${arguments[@]+"${arguments[@]}"} >"$work/$mode.port" &
  server=$!
  for _ in $(seq 100); do [ -s "$work/$mode.port" ] && break; sleep 0.05; done
  "$h2spec" ${flags[@]+"${flags[@]}"} -S -h 127.0.0.1 -p "$(cat "$work/$mode.port")" -o 2 >"$work/$mode.log" 2>&1 || true
  stop
  score=$(grep -E '^[0-9]+ tests, ' "$work/$mode.log" || echo "h2spec did not finish")
  echo "h2spec strict, $mode: $score"
  total=${score%% tests*} passed=$(sed -n 's/.*, \([0-9]*\) passed.*/\1/p' <<<"$score")
  if [ -z "$passed" ] || [ "$total" != "$passed" ] || [ "$total" -lt 146 ]; then
    failed=1
    sed -n '/^Failures/,$p' "$work/$mode.log"
  fi
done
exit $failed
