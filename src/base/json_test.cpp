// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gmock/gmock.h>

namespace base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string problem(const auto& result) { return result ? "no problem" : result.error().message; }

Json yaml(std::string_view text) {
  auto documents = parse_yaml(text);
  if (!documents) return Json("problem: " + documents.error().message);
  return documents->empty() ? Json() : documents->front();
}

TEST(ParseJson, ReadsEveryKindOfValue) {
  auto value = parse_json(R"({"a":[1,-2,3.5,true,null,"\u00e9"],"b":{"c":{}}})");
  ASSERT_TRUE(value) << problem(value);
  EXPECT_EQ(value->dump(), R"({"a":[1,-2,3.5,true,null,"é"],"b":{"c":{}}})");
}

TEST(ParseJson, NamesLineAndColumnOfAMistake) {
  EXPECT_THAT(problem(parse_json("{\n  \"a\": x\n}")), HasSubstr("line 2, column 8"));
  EXPECT_THAT(problem(parse_json("{\"a\":")), HasSubstr("unexpected end of input"));
}

TEST(ParseJson, RefusesTrailingBytesAndBrokenUtf8) {
  EXPECT_FALSE(parse_json("{} x"));
  EXPECT_FALSE(parse_json("\"\xff\""));
  EXPECT_FALSE(parse_json(""));
}

TEST(ParseJson, RefusesNestingBeyondTheLimit) {
  EXPECT_TRUE(parse_json(std::string(kMaxDocumentDepth, '[') + std::string(kMaxDocumentDepth, ']')));
  EXPECT_THAT(problem(parse_json(std::string(kMaxDocumentDepth + 1, '['))), HasSubstr("nested deeper"));
}

TEST(ParseJson, TellsRepeatedKeysByTheirPath) {
  constexpr std::string_view kText = R"({"m":{"name":"a","name":"b"},"l":[{},{"x":1,"x":2}]})";
  auto document = parse_json_document(kText);
  ASSERT_TRUE(document) << problem(document);
  EXPECT_THAT(document->duplicates, ElementsAre("m.name", "l[1].x"));
  EXPECT_EQ(document->value["m"]["name"], "b");
  EXPECT_THAT(problem(parse_json(kText, Duplicates::Refuse)), HasSubstr("\"m.name\" is there twice"));
}

TEST(ParseJson, WhatFollowsTheTextIsNotHiddenBehindANul) {
  EXPECT_FALSE(parse_json(std::string_view("{}\0{\"a\":", 7)));
  EXPECT_FALSE(parse_json_document(std::string_view("{}\n\0", 4)));
}

TEST(ParseYaml, ReadsPlainScalarsAsKubectlDoes) {
  EXPECT_EQ(yaml("[yes, On, n, ~, '', 0o17, 010, 0x1f, 1_000, 1.0, 1.5, 1e3, -7, 1.2.3, 12:30, 2020-01-02]").dump(),
            R"([true,true,false,null,"",15,8,31,1000,1,1.5,1000,-7,"1.2.3","12:30","2020-01-02"])");
}

TEST(ParseYaml, KeepsQuotedScalarsStrings) {
  EXPECT_EQ(yaml("a: 'true'\nb: \"8080\"\nc: !!str 5\n").dump(), R"({"a":"true","b":"8080","c":"5"})");
}

TEST(ParseYaml, SplitsAStreamAndLeavesOutEmptyDocuments) {
  auto documents = parse_yaml("---\n# nothing\n---\na: 1\n---\nb: 2\n");
  ASSERT_TRUE(documents) << problem(documents);
  EXPECT_EQ(documents->size(), 2u);
}

TEST(ParseYaml, MergesMapsAndLetsExplicitKeysWin) {
  EXPECT_EQ(yaml("base: &b {v: 1, w: 2}\nuse:\n  <<: *b\n  w: 3\n")["use"].dump(), R"({"v":1,"w":3})");
}

TEST(ParseYaml, TurnsScalarKeysIntoText) { EXPECT_EQ(yaml("8080: a\ntrue: b\n").dump(), R"({"8080":"a","true":"b"})"); }

TEST(ParseYaml, NamesLineAndColumnOfAMistake) {
  EXPECT_THAT(problem(parse_yaml("a: 1\na: 2\n")), HasSubstr("line 2, column 1: the key \"a\" is there twice"));
  EXPECT_THAT(problem(parse_yaml("a: [1\n")), HasSubstr("line "));
}

TEST(ParseYaml, RefusesBrokenUtf8AndControlCharacters) {
  for (const char* text : {"a: \xff", "a: \xc0\x80", "a: \xed\xa0\x80", "a: b\x01", "\xfe\xff", "a: \"\\_\""})
    EXPECT_FALSE(parse_yaml(text)) << text;
  EXPECT_THAT(problem(parse_yaml("a: 1\nb: \x02")), HasSubstr("line 2, column 4"));
  EXPECT_EQ(yaml("a: \u00e9\U0001f600\tb").dump(), "{\"a\":\"\u00e9\U0001f600\\tb\"}");
}

TEST(ParseYaml, EndsWhereNoValueBegins) {
  for (const char* text : {",", "a: 1\n---\n, x", "]", "}"}) EXPECT_FALSE(parse_yaml(text)) << text;
}

TEST(ParseYaml, RefusesABillionLaughs) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j ? ", " : "") + before;
    text += "]\n";
  }
  EXPECT_THAT(problem(parse_yaml(text)), HasSubstr("too many values"));
}

TEST(ParseYaml, RefusesNestingBeyondTheLimit) {
  EXPECT_THAT(problem(parse_yaml(std::string(200, '[') + std::string(200, ']'))), HasSubstr("nested deeper"));
  EXPECT_FALSE(parse_yaml(std::string(100'000, '[')));
}

TEST(ToYaml, PrintsAsKubectlDoes) {
  auto value = parse_json(
      R"({"a":[{"name":"x","v":["1",2]},[true,"true"]],"b":{},"c":[],"d":"two\nlines\n","e":"a: b","f":"","g":null,
          "h":"*","i":"it's","j":"0x10","k":"2020-01-02","l":"no end\nof line","m":"tab\tx"})");
  ASSERT_TRUE(value) << problem(value);
  EXPECT_EQ(to_yaml(*value), R"yaml(a:
- name: x
  v:
  - "1"
  - 2
- - true
  - "true"
b: {}
c: []
d: |
  two
  lines
e: 'a: b'
f: ""
g: null
h: '*'
i: it's
j: "0x10"
k: "2020-01-02"
l: |-
  no end
  of line
m: "tab\tx"
)yaml");
}

TEST(ToYaml, ReadsBackAsTheSameValue) {
  auto value = parse_json(
      R"([["- x","#a","a #b","a:","-","?","[","{x}","&a","!t","%d","@","`"," a","a ","~","null","\n","\n a\n","a\n\n"],
          {"y":1,"":2,"a b":{"c":[[]]}},1.5,-3,"é","<<","\u0001","a\u007fb","1_0",".5","+1"])");
  ASSERT_TRUE(value) << problem(value);
  EXPECT_EQ(yaml(to_yaml(*value)).dump(), value->dump());
}

}  // namespace
}  // namespace base
