// SPDX-License-Identifier: Apache-2.0
#include "objects/proto_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/api.pb.h>

#include "objects/openapi.h"

namespace objects {
namespace {

using ::testing::HasSubstr;

base::Json json(std::string_view text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : base::Json();
}

TEST(ProtoJson, ReadsBothSpellingsAndWritesLowerCamelCase) {
  google::protobuf::Api api;
  auto read =
      from_json(json(R"({"name":"a","source_context":{"fileName":"f"},"methods":[{"requestTypeUrl":"u"}]})"), api);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(api.methods(0).request_type_url(), "u");
  EXPECT_EQ(to_json(api), json(R"({"name":"a","sourceContext":{"fileName":"f"},"methods":[{"requestTypeUrl":"u"}]})"));
}

TEST(ProtoJson, NamesThePathOfAnUnknownField) {
  google::protobuf::Api api;
  auto read = from_json(json(R"({"methods":[{},{"requestTypeUlr":"u"}]})"), api);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "unknown field \"methods[1].requestTypeUlr\"");
}

TEST(ProtoJson, RefusesAWrongType) {
  google::protobuf::Api api;
  auto read = from_json(json(R"({"methods":[{"requestStreaming":"maybe"}]})"), api);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("maybe"));
}

TEST(ProtoJson, NamesWhatAnEnumAllows) {
  google::protobuf::Api api;
  auto read = from_json(json(R"({"methods":[{"syntax":"SYNTAX_PROTO4"}]})"), api);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("methods[0].syntax: \"SYNTAX_PROTO4\" is not one of SYNTAX_PROTO2, "));
  EXPECT_TRUE(from_json(json(R"({"methods":[{"syntax":"SYNTAX_PROTO3"},{"syntax":1}]})"), api));
}

TEST(StructuralSchema, DescribesAMessageInItsJsonForm) {
  base::Json schema = structural_schema(*google::protobuf::Method::descriptor());
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["properties"]["requestStreaming"], json(R"({"type":"boolean"})"));
  EXPECT_EQ(schema["properties"]["options"]["type"], "array");
  EXPECT_EQ(schema["properties"]["syntax"]["enum"][1], "SYNTAX_PROTO3");
}

}  // namespace
}  // namespace objects
