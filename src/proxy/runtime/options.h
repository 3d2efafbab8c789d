// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/runtime/bootstrap.h"
#include "proxy/runtime/handover.h"
#include "proxy/runtime/process.h"

namespace proxy {

// The command line of a stand-alone proxy, with Envoy's words.
struct Options {
  enum class Mode : uint8_t { Serve, Validate } mode = Mode::Serve;
  ProcessOptions process;
  std::string config_yaml;                                  // over the file, field by field, where both are given
  std::string log_path;                                     // empty: standard error
  std::string admin_address_path;                           // a file that is told where the admin port listens
  std::string service_cluster, service_node, service_zone;  // of the node, where the bootstrap says nothing
  UnknownFields unknown = UnknownFields::Refuse;
  std::optional<Handover::Options> handover = Handover::Options{};  // none: --disable-hot-restart
  std::vector<std::string> unheeded;                                // flags of Envoy's that do nothing here
  bool help = false, version = false;

  static base::Result<Options> parse(const std::vector<std::string>& arguments);
  static std::string_view help_text();
};

}  // namespace proxy
