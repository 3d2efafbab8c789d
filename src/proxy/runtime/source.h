// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "envoy/config/core/v3/config_source.pb.h"

namespace proxy {

// The kinds of resources that xDS carries and this proxy knows.
enum class Kind : uint8_t { Listener, Cluster, RouteTable, Endpoints, Secret, VirtualHost };
inline constexpr size_t kResourceKinds = 6;

std::string_view url_of(Kind kind);  // "type.googleapis.com/envoy.config.listener.v3.Listener"

// Where resources are to be had: a ConfigSource, checked.
struct Source {
  enum class Type : uint8_t { Ads, Grpc, File };
  Type type = Type::Ads;
  bool delta = false;                                           // Grpc
  std::string cluster;                                          // Grpc: the one that serves it
  std::vector<std::pair<std::string, std::string>> metadata{};  // Grpc: of each call
  std::string path, directory;                                  // File: it, and where moves are watched for
  std::chrono::milliseconds initial_fetch{15'000};  // after so long what waits for it goes on without; 0: never

  // None set, and `self`, is ADS. REST, google_grpc and sources that are ADS in disguise are refused by name.
  static base::Result<Source> parse(const envoy::config::core::v3::ConfigSource& from);
  static base::Result<Source> parse(const envoy::config::core::v3::ApiConfigSource& from);
  std::string key() const;  // equal for those that one stream, or one file, can serve
};

}  // namespace proxy
