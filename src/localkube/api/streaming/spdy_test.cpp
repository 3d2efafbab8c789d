// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/streaming/spdy.h"

#include <gtest/gtest.h>

namespace localkube::spdy {
namespace {

TEST(SpdyCodec, HeadersSurviveACompressionThatLastsOverFrames) {
  Codec client, server;
  std::map<std::string, std::string> first = {{"streamtype", "error"}, {"port", "80"}, {"requestid", "0"}};
  std::map<std::string, std::string> second = {{"streamtype", "data"}, {"port", "80"}, {"requestid", "0"}};
  std::string bytes = client.syn_stream(1, first, true);
  bytes += client.syn_stream(3, second, false);
  for (char byte : bytes) server.feed(std::string_view(&byte, 1));  // frames may come in any pieces
  auto a = server.next();
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(*a);
  EXPECT_EQ((*a)->type, Frame::Type::SynStream);
  EXPECT_EQ((*a)->stream, 1u);
  EXPECT_TRUE((*a)->fin);
  EXPECT_EQ((*a)->headers, first);
  auto b = server.next();
  ASSERT_TRUE(b && *b);
  EXPECT_EQ((*b)->headers, second);
  auto end = server.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(SpdyCodec, DataAndPingsAreReadWhole) {
  Codec codec;
  codec.feed(Codec::data(5, "hello", true) + Codec::ping("1234"));
  auto data = codec.next();
  ASSERT_TRUE(data && *data);
  EXPECT_EQ((*data)->payload, "hello");
  EXPECT_TRUE((*data)->fin);
  auto ping = codec.next();
  ASSERT_TRUE(ping && *ping);
  EXPECT_EQ((*ping)->type, Frame::Type::Ping);
  EXPECT_EQ((*ping)->payload, "1234");
}

TEST(SpdyCodec, AnotherVersionAndRubbishInHeadersAreErrors) {
  Codec version;
  version.feed(std::string("\x80\x02\x00\x01\x00\x00\x00\x00", 8));
  EXPECT_FALSE(version.next());
  Codec rubbish;
  rubbish.feed(std::string("\x80\x03\x00\x01\x00\x00\x00\x0e", 8) + std::string(14, 'x'));
  EXPECT_FALSE(rubbish.next());
}

}  // namespace
}  // namespace localkube::spdy
