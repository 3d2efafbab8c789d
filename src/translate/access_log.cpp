// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/core/v3/substitution_format_string.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "translate/listener.h"

namespace translate {
namespace {

using accesslog_v3::AccessLog;
using FileAccessLog = envoy::extensions::access_loggers::file::v3::FileAccessLog;

constexpr const char* kText =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

struct Field {
  const char* name;
  const char* value;
};
constexpr Field kFields[] = {
    {"start_time", "%START_TIME%"},
    {"route_name", "%ROUTE_NAME%"},
    {"method", "%REQ(:METHOD)%"},
    {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    {"protocol", "%PROTOCOL%"},
    {"response_code", "%RESPONSE_CODE%"},
    {"response_flags", "%RESPONSE_FLAGS%"},
    {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
    {"duration", "%DURATION%"},
    {"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
    {"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
    {"user_agent", "%REQ(USER-AGENT)%"},
    {"request_id", "%REQ(X-REQUEST-ID)%"},
    {"authority", "%REQ(:AUTHORITY)%"},
    {"upstream_host", "%UPSTREAM_HOST%"},
    {"upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"},
    {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
    {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
    {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
    {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
};

// Where access logs go, and whether at all.
struct Choice {
  bool on = false;
  std::string path;
};

// The nearest Telemetry that speaks of access logs decides; else the mesh's file.
Choice choice_of(const mesh::View& view) {
  const mesh::MeshConfig& mesh = view.mesh();
  Choice out{!mesh.access_log_file.empty(), mesh.access_log_file.empty() ? "/dev/stdout" : mesh.access_log_file};
  for (const auto& telemetry : view.telemetries())
    for (const auto& logging : telemetry->spec.access_logging()) {
      bool named = logging.providers().empty();
      for (const auto& provider : logging.providers()) named |= provider.name() == "envoy";
      if (named) out.on = !(logging.has_disabled() && logging.disabled().value());
    }
  return out;
}

AccessLog log_to(const std::string& path, const mesh::MeshConfig& mesh) {
  FileAccessLog file;
  file.set_path(path);
  if (mesh.access_log_json) {
    auto& fields = *file.mutable_log_format()->mutable_json_format();
    if (auto chosen = base::parse_json(mesh.access_log_format); chosen && chosen->is_object()) {
      for (const auto& [name, value] : chosen->items())
        set_text(fields, name.c_str(), value.is_string() ? value.get<std::string>() : value.dump());
    } else {
      for (const Field& field : kFields) set_text(fields, field.name, field.value);
    }
  } else {
    std::string format = mesh.access_log_format.empty() ? kText : mesh.access_log_format;
    if (!format.ends_with('\n')) format += '\n';  // as Istio, which says so of the setting
    file.mutable_log_format()->mutable_text_format_source()->set_inline_string(format);
  }
  AccessLog log;
  log.set_name("envoy.access_loggers.file");
  pack(file, log.mutable_typed_config());
  return log;
}

}  // namespace

void add_access_log(google::protobuf::RepeatedPtrField<AccessLog>* logs, const mesh::View& view) {
  if (Choice choice = choice_of(view); choice.on) *logs->Add() = log_to(choice.path, view.mesh());
}

void add_listener_access_log(Listener& listener, const mesh::View& view) {
  Choice choice = choice_of(view);
  if (!choice.on) return;
  auto* log = listener.add_access_log();
  *log = log_to(choice.path, view.mesh());
  log->mutable_filter()->mutable_response_flag_filter()->add_flags("NR");
}

}  // namespace translate
