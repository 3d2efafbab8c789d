// SPDX-License-Identifier: Apache-2.0
#include "http/hpack.h"

#include <gtest/gtest.h>

#include <random>

namespace http::hpack {
namespace {

std::string from_hex(std::string_view hex) {
  std::string out, digits;
  for (char c : hex)
    if (c != ' ') digits += c;
  for (size_t i = 0; i < digits.size(); i += 2) out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return out;
}

// "name: value\n" for each field, or "error".
std::string decode(Decoder& decoder, std::string_view block) {
  std::string out;
  decoder.begin(block);
  for (;;) {
    switch (decoder.next()) {
      case Decoder::Step::Field:
        out.append(decoder.name()).append(": ").append(decoder.value()).append("\n");
        break;
      case Decoder::Step::Done:
        return out;
      case Decoder::Step::Error:
        return "error";
    }
  }
}

// RFC 7541 appendices C.3 and C.4: the same requests without and with Huffman coding.
TEST(HpackDecoder, ReadsTheRequestsOfTheRfc) {
  for (auto blocks :
       {std::array{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
                   "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"},
        std::array{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
                   "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"}}) {
    Decoder decoder;
    EXPECT_EQ(decode(decoder, from_hex(blocks[0])),
              ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n");
    EXPECT_EQ(decoder.table().size(), 57u);
    EXPECT_EQ(decode(decoder, from_hex(blocks[1])),
              ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n");
    EXPECT_EQ(decoder.table().size(), 110u);
    EXPECT_EQ(decode(decoder, from_hex(blocks[2])),
              ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
              "custom-key: custom-value\n");
    EXPECT_EQ(decoder.table().size(), 164u);
    EXPECT_EQ(decoder.table()[0].name, "custom-key");
  }
}

// Appendix C.6: a table of 256 bytes evicts.
TEST(HpackDecoder, ReadsTheResponsesOfTheRfc) {
  Decoder decoder(256);
  EXPECT_EQ(decode(decoder, from_hex("4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6"
                                     "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3")),
            ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
            "location: https://www.example.com\n");
  EXPECT_EQ(decoder.table().size(), 222u);
  EXPECT_EQ(decode(decoder, from_hex("4883 640e ffc1 c0bf")),
            ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
            "location: https://www.example.com\n");
  EXPECT_EQ(decode(decoder, from_hex("88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab"
                                     "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f"
                                     "9587 3160 65c0 03ed 4ee5 b106 3d50 07")),
            ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
            "location: https://www.example.com\ncontent-encoding: gzip\n"
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n");
  EXPECT_EQ(decoder.table().size(), 215u);
  EXPECT_EQ(decoder.table().count(), 3u);
}

TEST(HpackDecoder, RefusesBrokenBlocks) {
  for (auto block : {
           "80",                     // index 0
           "be",                     // beyond the table
           "3fe2 1f",                // a size above the limit of 4096
           "82 20",                  // a size update after a field
           "ff ffff ffff 0f",        // an integer that overflows
           "ff",                     // an integer cut off
           "00",                     // a name cut off
           "00 05 61",               // a string longer than the block
           "00 01 61",               // no value
           "00 01 61 81 ff",         // padding of a whole byte
           "00 01 61 81 00",         // padding that is not ones
           "00 01 61 84 ffff ffff",  // EOS
           "0f 2f 01 61",            // a name beyond the table
       }) {
    Decoder decoder;
    EXPECT_EQ(decode(decoder, from_hex(block)), "error") << block;
  }
  Decoder small(4096, 3);
  EXPECT_EQ(decode(small, from_hex("00 01 61 04 6161 6161")), "error");
  EXPECT_EQ(decode(small, from_hex("20 3f 01 00 01 61 03 6161 61")), "a: aaa\n");
}

TEST(HpackDecoder, ANameMayComeFromTheEntryThatIsEvicted) {
  Decoder decoder(64);
  EXPECT_EQ(decode(decoder, from_hex("40 04 6e61 6d65 01 61")), "name: a\n");
  EXPECT_EQ(decode(decoder, from_hex("7e 1a") + std::string(26, 'v')), "name: " + std::string(26, 'v') + "\n");
  EXPECT_EQ(decoder.table().count(), 1u);
}

TEST(HpackHuffman, EveryByteComesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (size_t size = 0; size <= all.size(); ++size) {
    net::Buffer out;
    huffman_encode(out, all.substr(0, size));
    EXPECT_EQ(out.size(), huffman_size(all.substr(0, size)));
    std::string back;
    ASSERT_TRUE(huffman_decode(out.view(), 256, back)) << size;
    EXPECT_EQ(back, all.substr(0, size));
  }
}

TEST(HpackEncoder, WhatStaysIsSentAsOneByte) {
  Encoder encoder;
  Decoder decoder;
  size_t sizes[4];
  for (size_t& size : sizes) {
    net::Buffer out;
    encoder.begin(out);
    encoder.field(out, ":method", "GET");
    encoder.field(out, ":path", "/productpage");
    encoder.field(out, "user-agent", "curl/7.88.1");
    encoder.field(out, "x-tenant", "blue");
    encoder.field(out, "x-request-id", std::to_string(1'000'000 + (&size - sizes)));
    size = out.size();
    EXPECT_EQ(decode(decoder, out.view()),
              ":method: GET\n:path: /productpage\nuser-agent: curl/7.88.1\nx-tenant: blue\nx-request-id: " +
                  std::to_string(1'000'000 + (&size - sizes)) + "\n");
  }
  EXPECT_GT(sizes[0], sizes[1]);
  EXPECT_LE(sizes[2], 4 + 1 + 1 + 7u);  // four known fields, one literal with a known name
  EXPECT_EQ(sizes[2], sizes[3]);
}

TEST(HpackEncoder, CredentialsAreNeverIndexed) {
  Encoder encoder;
  for (int i = 0; i < 3; ++i) {
    net::Buffer out;
    encoder.field(out, "authorization", "Bearer abc");
    EXPECT_EQ(static_cast<uint8_t>(out.view()[0]) & 0xf0, 0x10);
  }
  EXPECT_EQ(encoder.table().count(), 0u);
}

TEST(HpackEncoder, AgreesWithTheDecoderWhateverComes) {
  std::mt19937 dice(7);
  Encoder encoder;
  Decoder decoder;
  auto word = [&](int kinds, size_t longest) {
    std::string text = "x" + std::to_string(dice() % kinds);
    return text + std::string(dice() % longest, static_cast<char>('a' + dice() % 26));
  };
  for (int block = 0; block < 3000; ++block) {
    if (block % 500 == 250) encoder.set_table_size(dice() % 4096);
    if (block % 700 == 0) encoder.set_table_size(0), encoder.set_table_size(2048);
    net::Buffer out;
    std::string expected;
    encoder.begin(out);
    for (int i = 0; i < 8; ++i) {
      std::string name = word(20, 3), value = word(40, dice() % 50 == 0 ? 2000 : 20);
      encoder.field(out, name, value);
      expected += name + ": " + value + "\n";
    }
    ASSERT_EQ(decode(decoder, out.view()), expected) << block;
    ASSERT_EQ(decoder.table().size(), encoder.table().size());
  }
}

}  // namespace
}  // namespace http::hpack
