// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/finding.h"
#include "config/specs.h"

namespace config {

// Where a rule stands while it reads a document: "spec.http[0].route[1]".
class Path {
 public:
  explicit Path(std::string text) : text_(std::move(text)) {}
  Path operator/(std::string_view field) const { return Path(text_ + "." + std::string(field)); }
  Path operator[](int index) const { return Path(text_ + "[" + std::to_string(index) + "]"); }
  Path operator()(std::string_view key) const { return Path(text_ + "[\"" + std::string(key) + "\"]"); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// What the rules found in one object, in the order in which they looked.
class Report {
 public:
  explicit Report(objects::Ref object) : object_(std::move(object)) {}

  void error(std::string_view code, const Path& path, std::string message, std::string hint = "");
  void warn(std::string_view code, const Path& path, std::string message, std::string hint = "");
  // A field that is understood but does not act yet.
  void not_acting(const Path& path, std::string_view what);

  // Whether one more regular expression of that size is within what one object may have.
  bool may_compile(size_t size);

  const objects::Ref& object() const { return object_; }
  std::vector<Finding> take() { return std::move(findings_); }

 private:
  void note(Severity severity, std::string_view code, const Path& path, std::string message, std::string hint);

  objects::Ref object_;
  std::vector<Finding> findings_;
  size_t errors_ = 0, warnings_ = 0;
  size_t patterns_ = 0;  // bytes of expressions so far
};

inline std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

// Rules that several kinds share.
void check_port(Report& report, const Path& path, uint32_t number);
// A DNS name, or one whose first label is '*'.
bool check_domain(Report& report, const Path& path, std::string_view domain);
bool check_domain_or_address(Report& report, const Path& path, std::string_view host);
bool is_address(std::string_view text);
bool is_dns_label(std::string_view label);  // in either case
bool is_cidr(std::string_view text);
void check_address_or_cidr(Report& report, const Path& path, std::string_view text);
void check_duration(Report& report, const Path& path, const google::protobuf::Duration& duration);
void check_percent(Report& report, const Path& path, double percent);
void check_regex(Report& report, const Path& path, const std::string& pattern);
void check_string_match(Report& report, const Path& path, const networking::StringMatch& match);
void check_labels(Report& report, const Path& path, const google::protobuf::Map<std::string, std::string>& labels);
void check_header_name(Report& report, const Path& path, std::string_view name);
void check_one_line(Report& report, const Path& path, std::string_view text);
void check_header_value(Report& report, const Path& path, const std::string& value);  // a format: %DOWNSTREAM_...%
void check_export_to(Report& report, const Path& path, const google::protobuf::RepeatedPtrField<std::string>& export_to,
                     std::string_view ns);

// One function a kind.
void check(Report& report, const VirtualService& config);
void check(Report& report, const DestinationRule& config);
void check(Report& report, const Gateway& config);
void check(Report& report, const ServiceEntry& config);
void check(Report& report, const Sidecar& config);
void check(Report& report, const WorkloadEntry& config);
void check(Report& report, const WorkloadGroup& config);
void check(Report& report, const AuthorizationPolicy& config);
void check(Report& report, const PeerAuthentication& config);
void check(Report& report, const RequestAuthentication& config);
void check(Report& report, const Telemetry& config);

}  // namespace config
