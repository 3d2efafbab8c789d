#!/bin/bash
# run_h2spec.sh BIN_DIR [RUNS]: h2spec, strict, RUNS times (1) in clear text and over TLS, against seine-proxy and
# against the server that the control plane is made of (BIN_DIR/h2_server). Fails unless every case passes. H2SPEC names
# a program to use; else the one that h2spec/go.mod pins (the newest that Go's module index offers, 146 cases) is built
# once into the cache.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
bin=$1 runs=${2:-1}
here=$(cd "$(dirname "$0")" && pwd)
pins=$(cat "$here/h2spec/go.mod" "$here/h2spec/go.sum" | sha256sum | cut -c1-12)
h2spec=${H2SPEC:-${XDG_CACHE_HOME:-$HOME/.cache}/seine/h2spec-$pins}
if [ ! -x "$h2spec" ]; then
  mkdir -p "$(dirname "$h2spec")"
  (cd "$here/h2spec" && GOFLAGS=-buildvcs=false go build -o "$h2spec" github.com/summerwind/h2spec/cmd/h2spec)
fi

work=$(mktemp -d)
servers=()
stop() {
  for pid in ${servers[@]+"${servers[@]}"}; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

written() { # FILE: waits until something stands in it
  for _ in $(seq 100); do [ -s "$1" ] && return; sleep 0.05; done
}

start_server() { # MODE [CERTIFICATE KEY]
  "$bin/h2_server" "${@:2}" >"$work/server.$1" &
  servers+=($!)
}

listener() { # NAME CODEC [TRANSPORT_SOCKET]
  cat <<Y
  - name: $1
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: $1
          codec_type: $2
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: server}}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
${3:-}
Y
}

# In front of the server, whose answers come when a request is whole, as h2spec wants them.
start_proxy() {
  local options=envoy.extensions.upstreams.http.v3.HttpProtocolOptions
  local tls="      transport_socket:
        name: tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {filename: $work/cert.pem}, private_key: {filename: $work/key.pem}}]}"
  { echo "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:"; listener h2c HTTP2; listener tls AUTO "$tls"; echo "  clusters:
  - name: server
    typed_extension_protocol_options: {$options: {\"@type\": type.googleapis.com/$options, explicit_http_config: {http2_protocol_options: {}}}}
    load_assignment: {cluster_name: server, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $(cat "$work/server.h2c")}}}}]}]}"; } >"$work/proxy.yaml"
  "$bin/seine-proxy" -c "$work/proxy.yaml" --concurrency 1 --disable-hot-restart --admin-address-path "$work/admin" -l warn &
  servers+=($!)
  written "$work/admin"
  for mode in h2c tls; do
    curl -sf "http://$(cat "$work/admin")/listeners" | sed -n "s/^$mode::.*:\([0-9]*\)$/\1/p" >"$work/proxy.$mode"
  done
}

start_server h2c
start_server tls "$work/cert.pem" "$work/key.pem"
written "$work/server.h2c"
written "$work/server.tls"
start_proxy
failed=0
for subject in proxy server; do
  for mode in h2c tls; do
    flags=()
    [ $mode = h2c ] || flags=(-t -k)
    for _ in $(seq "$runs"); do
      "$h2spec" ${flags[@]+"${flags[@]}"} -S -h 127.0.0.1 -p "$(cat "$work/$subject.$mode")" -o 2 >"$work/log" 2>&1 || true
      score=$(grep -E '^[0-9]+ tests, ' "$work/log" || echo "h2spec did not finish")
      echo "h2spec strict, $subject, $mode: $score"
      total=${score%% tests*} passed=$(sed -n 's/.*, \([0-9]*\) passed.*/\1/p' <<<"$score")
      if [ -z "$passed" ] || [ "$total" != "$passed" ] || [ "$total" -lt 146 ]; then
        failed=1
        sed -n '/^Failures/,$p' "$work/log"
      fi
    done
  done
done
exit $failed
