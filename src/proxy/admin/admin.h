// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "http/server.h"

namespace proxy {

class Process;

// Envoy's admin interface, as far as istioctl, dashboards and people use it.
// What changes something needs POST. Main thread.
class Admin {
 public:
  explicit Admin(Process& process);
  base::Result<net::Address> listen(const net::Address& address);

 private:
  static void change(Process& process, http::Exchange& exchange, std::string_view path);
  static net::Task<void> serve(Process& process, std::shared_ptr<http::Exchange> exchange);
  http::Server server_;
};

// A loopback or Unix address.
bool is_of_this_machine(const net::Address& address);

}  // namespace proxy
