// SPDX-License-Identifier: Apache-2.0
#include "samples/tools/tools.h"

#include <gtest/gtest.h>

namespace samples {

TEST(CommandLine, TakesFlagsTogetherAndValuesApart) {
  auto line = command_line("zvw:", {"-zv", "-w", "3", "host", "80"});
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->has('z') && line->has('v'));
  EXPECT_EQ(line->value('w', ""), "3");
  EXPECT_EQ(line->rest, (std::vector<std::string>{"host", "80"}));
  EXPECT_EQ(command_line("c:", {"-c5", "h"})->value('c', ""), "5");
  EXPECT_FALSE(command_line("c:", {"-x"}));
  EXPECT_FALSE(command_line("c:", {"-c"}));
}

TEST(DnsAnswer, TellsAddressesAndCanonicalNames) {
  std::vector<uint8_t> message = {0,    1,   0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0,  // head: 1 question, 2 answers
                                  1,    'a', 0,    0,    1, 0, 1,                 // a A IN
                                  0xC0, 12,  0,    5,    0, 1, 0, 0, 0, 1, 0, 3, 1, 'b', 0,  // a CNAME b
                                  1,    'b', 0,    0,    1, 0, 1, 0, 0, 0, 1, 0, 4, 10,  0, 0, 7};
  auto answer = parse_dns_answer(message);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->records.size(), 2u);
  EXPECT_EQ(answer->records[0].name, "a");
  EXPECT_EQ(answer->records[0].value, "b");
  EXPECT_EQ(answer->records[1].value, "10.0.0.7");
  for (size_t size = 0; size < message.size(); ++size)
    EXPECT_FALSE(parse_dns_answer(std::vector<uint8_t>(message.begin(), message.begin() + static_cast<long>(size))));
}

TEST(Nc, TellsThatNobodyListens) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(nc({"-z", "-w", "1", "127.0.0.1", "1"}), 1);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("Connection refused"), std::string::npos);
}

}  // namespace samples
