// SPDX-License-Identifier: Apache-2.0
#include "samples/access_line.h"

#include <gtest/gtest.h>

namespace samples {
namespace {

TEST(AccessLine, IsNginxsAndEscapesWhatAFieldMayNotHold) {
  http::RequestHead request;
  request.path = "/a?b=\"c";
  request.headers.add("user-agent", "curl/8\n");
  std::string line = access_line(request, "HTTP/1.1", "10.10.0.9", 404, 12, 0);
  EXPECT_TRUE(line.starts_with("10.10.0.9 - - [")) << line;
  EXPECT_TRUE(line.contains("/1970:") || line.contains("/1969:")) << line;
  EXPECT_TRUE(line.ends_with(R"(] "GET /a?b=\x22c HTTP/1.1" 404 12 "-" "curl/8\x0A" "-")")) << line;
}

}  // namespace
}  // namespace samples
