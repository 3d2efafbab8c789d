// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/forms.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/util/json_util.h>

#include <memory>

#include "proxy/admin/redact.h"

namespace proxy {

using base::Json;

std::string time_text(std::chrono::system_clock::time_point at) {
  time_t seconds = std::chrono::system_clock::to_time_t(at);
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() % 1000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40], out[48];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  if (millis)
    snprintf(out, sizeof out, "%s.%03dZ", text, static_cast<int>(millis));
  else
    snprintf(out, sizeof out, "%sZ", text);
  return out;
}

Json json_of(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  std::unique_ptr<google::protobuf::Message> shown(message.New());
  shown->CopyFrom(message);
  redact(*shown);
  if (!google::protobuf::util::MessageToJsonString(*shown, &text, options).ok()) return nullptr;
  auto parsed = base::parse_json(text);
  return parsed ? *parsed : Json(nullptr);
}

Json json_of(const std::string& type_url, const std::string& body) {
  google::protobuf::Any any;
  any.set_type_url(type_url);
  any.set_value(body);
  Json out = json_of(any);
  if (!out.is_null()) return out;
  return Json{{"@type", type_url}};
}

}  // namespace proxy
