// SPDX-License-Identifier: Apache-2.0
#include "objects/proto_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/strings.h"

namespace objects {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// "500ms", "1m30s" as nanoseconds; nullopt where it is not of Go's form.
static std::optional<int64_t> go_duration(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                                            {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    size_t end = std::min(text.find_first_of("0123456789.", digits), text.size());
    auto unit =
        std::ranges::find(kUnits, text.substr(digits, end - digits), [](const auto& known) { return known.first; });
    double amount = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + digits, amount);
    if (unit == std::end(kUnits) || error != std::errc{} || stop != text.data() + digits) return std::nullopt;
    total += amount * unit->second;
    text.remove_prefix(end);
  }
  if (total > 9e18) return std::nullopt;
  return static_cast<int64_t>(negative ? -std::llround(total) : std::llround(total));
}

// Seconds past what Go's nanoseconds can count are protobuf's to judge.
static bool is_duration(const base::Json& value) {
  if (!value.is_string()) return value.is_null();
  const auto& text = value.get_ref<const std::string&>();
  return go_duration(text) || text.find_first_not_of("-0123456789.") == text.size() - 1;
}

static std::string enum_fault(const base::Json& value, const FieldDescriptor& field, const std::string& at) {
  const google::protobuf::EnumDescriptor& known = *field.enum_type();
  if (!value.is_string() || known.full_name() == "google.protobuf.NullValue") return {};
  const auto& text = value.get_ref<const std::string&>();
  if (known.FindValueByName(text) || base::parse_number<int32_t>(text)) return {};
  std::string names;
  for (int i = 0; i < known.value_count(); ++i) names += (i == 0 ? "" : ", ") + known.value(i)->name();
  return at + ": " + value.dump() + " is not one of " + names;
}

// protobuf's own parser says what is wrong but not where, nor what is allowed.
// The common slips are looked for first: unknown fields, durations, enum values.
static std::string fault_in(const base::Json& json, const Descriptor& type, const std::string& path) {
  if (type.full_name() == "google.protobuf.Duration" && !is_duration(json))
    return path + ": " + json.dump() + " is not a duration; \"5s\", \"500ms\" and \"1m30s\" are";
  // Well-known types have JSON forms of their own (Struct, Duration, wrappers, Any).
  if (!json.is_object() || type.well_known_type() != Descriptor::WELLKNOWNTYPE_UNSPECIFIED) return {};
  for (const auto& [key, value] : json.items()) {
    const FieldDescriptor* field = type.FindFieldByCamelcaseName(key);
    for (int i = 0; !field && i < type.field_count(); ++i)
      if (type.field(i)->json_name() == key || type.field(i)->name() == key) field = type.field(i);
    std::string at = path.empty() ? key : path + "." + key;
    if (!field) return "unknown field \"" + at + "\"";
    const FieldDescriptor* inner = field->is_map() ? field->message_type()->FindFieldByNumber(2) : field;
    auto check = [&](const base::Json& one, const std::string& where) -> std::string {
      if (inner->type() == FieldDescriptor::TYPE_ENUM) return enum_fault(one, *inner, where);
      if (inner->type() == FieldDescriptor::TYPE_MESSAGE) return fault_in(one, *inner->message_type(), where);
      return {};
    };
    std::string fault;
    if (field->is_map()) {
      if (!value.is_object()) continue;
      for (const auto& [entry, item] : value.items())
        if (fault = check(item, at + "[" + entry + "]"); !fault.empty()) return fault;
    } else if (field->is_repeated()) {
      if (!value.is_array()) continue;
      for (size_t i = 0; i < value.size(); ++i)
        if (fault = check(value[i], at + "[" + std::to_string(i) + "]"); !fault.empty()) return fault;
    } else if (fault = check(value, at); !fault.empty()) {
      return fault;
    }
  }
  return {};
}

// Istio's users write durations as Go does; protobuf's JSON knows seconds only.
static void rewrite_durations(base::Json& json, const Descriptor& type) {
  if (type.full_name() == "google.protobuf.Duration") {
    if (!json.is_string()) return;
    auto nanoseconds = go_duration(json.get_ref<const std::string&>());
    if (!nanoseconds) return;
    char text[48];
    std::snprintf(text, sizeof text, "%s%lld.%09llds", *nanoseconds < 0 ? "-" : "",
                  std::abs(*nanoseconds / 1'000'000'000LL), std::abs(*nanoseconds % 1'000'000'000LL));
    json = text;
    return;
  }
  if (!json.is_object() || type.well_known_type() != Descriptor::WELLKNOWNTYPE_UNSPECIFIED) return;
  for (auto& [key, value] : json.items()) {
    const FieldDescriptor* field = type.FindFieldByCamelcaseName(key);
    for (int i = 0; !field && i < type.field_count(); ++i)
      if (type.field(i)->json_name() == key || type.field(i)->name() == key) field = type.field(i);
    if (!field || field->type() != FieldDescriptor::TYPE_MESSAGE) continue;
    const Descriptor* inner = field->message_type();
    if (field->is_map()) {
      const FieldDescriptor* item = inner->FindFieldByNumber(2);
      if (item->type() == FieldDescriptor::TYPE_MESSAGE && value.is_object())
        for (auto& [name, entry] : value.items()) rewrite_durations(entry, *item->message_type());
    } else if (field->is_repeated()) {
      if (value.is_array())
        for (base::Json& item : value) rewrite_durations(item, *inner);
    } else {
      rewrite_durations(value, *inner);
    }
  }
}

base::Result<void> from_json(const base::Json& json, google::protobuf::Message& message) {
  if (std::string fault = fault_in(json, *message.GetDescriptor(), ""); !fault.empty())
    return base::fail(base::ErrorKind::Invalid, std::move(fault));
  message.Clear();
  base::Json plain = json;
  rewrite_durations(plain, *message.GetDescriptor());
  auto status = google::protobuf::util::JsonStringToMessage(plain.dump(), &message);
  if (!status.ok()) return base::fail(base::ErrorKind::Invalid, std::string(status.message()));
  return {};
}

base::Json to_json(const google::protobuf::Message& message) {
  std::string text;
  auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (!status.ok()) return base::Json::object();
  auto parsed = base::parse_json(text);
  return parsed ? std::move(*parsed) : base::Json::object();
}

}  // namespace objects
