// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/json.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "translate/listener.h"

namespace translate {
namespace {

using FileAccessLog = envoy::extensions::access_loggers::file::v3::FileAccessLog;

// The access log of a mesh with these settings; empty: none.
FileAccessLog log_of(const base::Json& mesh_settings) {
  mesh::Inputs inputs;
  inputs.put(objects::Object({{"apiVersion", "v1"},
                              {"kind", "ConfigMap"},
                              {"metadata", {{"name", "istio"}, {"namespace", "istio-system"}}},
                              {"data", {{"mesh", base::to_yaml(mesh_settings)}}}}));
  mesh::View view(mesh::Snapshot::build(inputs, nullptr),
                  *mesh::parse_proxy("sidecar~10.9.9.9~one.default~default.svc.cluster.local", base::Json::object()));
  google::protobuf::RepeatedPtrField<accesslog_v3::AccessLog> logs;
  add_access_log(&logs, view);
  FileAccessLog out;
  EXPECT_TRUE(logs.empty() || logs[0].typed_config().UnpackTo(&out));
  return out;
}

TEST(AccessLog, IsWrittenWhereTheMeshSaysInLinesOfItsFormat) {
  EXPECT_EQ(log_of(base::Json::object()).path(), "");
  FileAccessLog plain = log_of({{"accessLogFile", "/dev/stdout"}, {"accessLogFormat", "%RESPONSE_CODE%"}});
  EXPECT_EQ(plain.path(), "/dev/stdout");
  EXPECT_EQ(plain.log_format().text_format_source().inline_string(), "%RESPONSE_CODE%\n");
}

TEST(AccessLog, InJsonHasTheFieldsOfItsFormat) {
  base::Json settings = {{"accessLogFile", "/dev/stdout"}, {"accessLogEncoding", "JSON"}};
  EXPECT_TRUE(log_of(settings).log_format().json_format().fields().contains("response_code"));
  settings["accessLogFormat"] = R"({"code": "%RESPONSE_CODE%"})";
  auto fields = log_of(settings).log_format().json_format().fields();
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.at("code").string_value(), "%RESPONSE_CODE%");
}

}  // namespace
}  // namespace translate
