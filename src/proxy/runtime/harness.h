// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/server.h"
#include "proxy/runtime/process.h"

// A whole proxy on real sockets of this machine, for tests.
namespace proxy::testing {

// An upstream that says what it got: "GET /path host=... body=N", with the
// request's headers as "echo-NAME". Paths change its manners: "/status/503",
// "/fail-first/KEY" (503 the first time), "/close" (hangs up), "/redirect/URL" (302 there, or where the header
// redirect-to says), "/big" (5 MB), "/slow" (never).
class Backend {
 public:
  explicit Backend(net::Loop& loop);
  uint16_t port() const { return address_.port(); }
  int requests = 0;
  std::string last;  // what it answered last

 private:
  static net::Task<void> serve(Backend& self, std::shared_ptr<http::Exchange> exchange);
  net::Loop& loop_;
  std::map<std::string, int> seen_;
  http::Server server_;
  net::Address address_;
};

// Runs a bootstrap; "@main" in its text is a listener port that is picked, "@backend" the backend's port.
class Proxy {
 public:
  Proxy(net::Loop& loop, std::string bootstrap, uint16_t backend = 0, ProcessOptions options = {});
  uint16_t port(const std::string& listener = "main") const;
  Process& process() { return *process_; }

 private:
  std::unique_ptr<Process> process_;
};

// The usual bootstrap: one listener "main" with these routes (YAML list items) and these clusters; `filters` are the
// HTTP filters before the router, in YAML's flow style, one a line: fault and cors where it is empty.
std::string bootstrap_of(const std::string& routes, const std::string& clusters, const std::string& http_options = "",
                         const std::string& filters = "");
std::string cluster_of(const std::string& name, const std::string& port, const std::string& more = "");
// The cluster "c" with these ports of `host`.
std::string cluster_at(const std::vector<std::string>& ports, const std::string& more,
                       const std::string& type = "STATIC", const std::string& host = "127.0.0.1");

// One exchange from a fresh client.
http::Response fetch(net::Loop& loop, uint16_t port, http::Request request,
                     http::Version version = http::Version::Http1);
http::Response get(net::Loop& loop, uint16_t port, const std::string& path,
                   http::Version version = http::Version::Http1);
std::string bytes(size_t size);
// What it counts and measures, by Envoy's names.
std::map<std::string, double> counted(Proxy& proxy);
// Bytes there, and all that comes back until the peer closes.
std::string raw(net::Loop& loop, uint16_t port, std::string bytes);

}  // namespace proxy::testing
