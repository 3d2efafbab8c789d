// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/compressor.h"

#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

// All of it, a little at a time; nothing where it fails.
std::optional<std::string> decoded(BodyDecoder& decoder, std::string_view in, bool end, size_t most = 10'000) {
  net::Buffer out;
  for (;;) {
    const size_t before = out.size();
    auto step = decoder.feed(in, out, most, end);
    EXPECT_LT(out.size() - before, most + 5000);
    if (step == BodyDecoder::Step::Bad) return std::nullopt;
    if (step == BodyDecoder::Step::Done) return std::string(out.view());
  }
}

TEST(Codecs, EachEncodingComesBackWhateverThePieces) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  for (Encoding encoding : {Encoding::Gzip, Encoding::Brotli, Encoding::Zstd}) {
    auto encoder = make_encoder({.encoding = encoding, .window_bits = encoding == Encoding::Brotli ? 18 : 12});
    net::Buffer packed;
    std::string plain;
    for (size_t at = 0; at < text.size(); at += 10'000)
      ASSERT_TRUE(encoder->feed(std::string_view(text).substr(at, 10'000), packed, at + 10'000 >= text.size()));
    EXPECT_LT(packed.size(), text.size() / 2);
    auto decoder = make_decoder({.encoding = encoding});
    std::string bytes(packed.view());
    for (size_t at = 0; at < bytes.size(); at += 777) {
      auto piece = decoded(*decoder, std::string_view(bytes).substr(at, 777), at + 777 >= bytes.size());
      ASSERT_TRUE(piece) << name(encoding);
      plain += *piece;
    }
    EXPECT_EQ(plain, text) << name(encoding);
    std::string_view half = std::string_view(bytes).substr(0, bytes.size() / 2);
    EXPECT_FALSE(decoded(*make_decoder({.encoding = encoding}), half, true)) << name(encoding);
    EXPECT_FALSE(decoded(*make_decoder({.encoding = encoding}), "this is not compressed at all", true))
        << name(encoding);
    EXPECT_EQ(decoded(*make_decoder({.encoding = encoding}), "", true), "") << name(encoding);
    EXPECT_EQ(decoded(*make_decoder({.encoding = encoding}), bytes, true), text) << name(encoding);
    if (encoding == Encoding::Brotli) {
      EXPECT_FALSE(decoded(*make_decoder({.encoding = encoding}), bytes + "x", true)) << "it has one end";
    } else {
      EXPECT_EQ(decoded(*make_decoder({.encoding = encoding}), bytes + bytes, true), text + text) << name(encoding);
    }
  }
}

TEST(Codecs, ABombIsAnError) {
  std::string zeros(20'000'000, '\0');
  for (Encoding encoding : {Encoding::Gzip, Encoding::Brotli, Encoding::Zstd}) {
    auto encoder = make_encoder({.encoding = encoding, .window_bits = encoding == Encoding::Brotli ? 18 : 15});
    net::Buffer packed, plain;
    ASSERT_TRUE(encoder->feed(zeros, packed, true));
    auto decoder = make_decoder({.encoding = encoding, .most_ratio = 10});
    std::string_view in = packed.view();
    EXPECT_EQ(decoder->feed(in, plain, 10'000'000, true), BodyDecoder::Step::Bad) << name(encoding);
    EXPECT_LT(plain.size(), 1'000'000u);
  }
}

// Each measured with Envoy 1.40.
TEST(AcceptEncoding, WeightsDecideAndThenTheClientsOrder) {
  using Chain = std::vector<std::pair<Encoding, bool>>;
  const Chain both{{Encoding::Gzip, false}, {Encoding::Brotli, false}};
  EXPECT_EQ(choose_encoding("gzip, br", both), Encoding::Gzip);
  EXPECT_EQ(choose_encoding("br, gzip", both), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("br;q=0.5,gzip;q=0.5", both), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("gzip;q=0.5, br", both), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("*", both), Encoding::Gzip) << "the first of the chain";
  EXPECT_EQ(choose_encoding("gzip;q=0.5, *", both), Encoding::Gzip);
  EXPECT_EQ(choose_encoding("gzip;q=0, *", both), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("*, *;q=0", both), Encoding::Gzip);
  EXPECT_EQ(choose_encoding("identity, gzip", both), std::nullopt);
  EXPECT_EQ(choose_encoding("gzip, identity", both), Encoding::Gzip);
  EXPECT_EQ(choose_encoding("identity, gzip;q=0.3", both), std::nullopt);
  EXPECT_EQ(choose_encoding("gzip;q=0,gzip", both), std::nullopt);
  EXPECT_EQ(choose_encoding("gzip;q=1;x=y, br;q=0.1", both), Encoding::Brotli) << "that is no weight";
  EXPECT_EQ(choose_encoding("gzip;x=y", both), Encoding::Gzip);
  EXPECT_EQ(choose_encoding("gzip;q=-1", both), std::nullopt);
  EXPECT_EQ(choose_encoding("GZIP", both), std::nullopt);
  EXPECT_EQ(choose_encoding("deflate", both), std::nullopt);
  EXPECT_EQ(choose_encoding("", both), std::nullopt);
  const Chain brotli_first{{Encoding::Gzip, false}, {Encoding::Brotli, true}};
  EXPECT_EQ(choose_encoding("gzip, br", brotli_first), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("identity, br", brotli_first), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("*", brotli_first), Encoding::Gzip);
  const Chain both_first{{Encoding::Gzip, true}, {Encoding::Brotli, true}};
  EXPECT_EQ(choose_encoding("gzip, br", both_first), Encoding::Brotli);
  EXPECT_EQ(choose_encoding("br, gzip", both_first), Encoding::Gzip);
}

class CompressionOnSockets : public ::testing::Test {
 protected:
  static std::string compressor(const std::string& library, const std::string& more = "") {
    return "{name: c-" + library +
           ", typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor, "
           "compressor_library: "
           "{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.compression." +
           library + "}}" + more + "}}\n";
  }
  static std::string decompressor(const std::string& library, const std::string& more = "") {
    return "{name: d, typed_config: {\"@type\": "
           "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor, decompressor_library: "
           "{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.compression." +
           library + "}}" + more + "}}\n";
  }
  std::string bootstrap(const std::string& filters) {
    return bootstrap_of(
        "              - {match: {prefix: /direct}, direct_response: {status: 200, body: {inline_string: \"" +
            std::string(400, 'd') +
            "\"}}}\n"
            "              - {match: {prefix: /}, route: {cluster: backend}}\n",
        cluster_of("backend", "@backend"), "", filters);
  }
  http::Response ask(uint16_t port, const std::string& path, const std::string& accept,
                     http::Version version = http::Version::Http1) {
    http::Request request;
    request.path = path;
    if (!accept.empty()) request.headers.add("accept-encoding", accept);
    return fetch(loop_, port, std::move(request), version);
  }
  std::string unpack(Encoding encoding, const std::string& body) {
    auto out = decoded(*make_decoder({.encoding = encoding, .most_ratio = 10'000}), body, true);
    EXPECT_TRUE(out);
    return out.value_or("");
  }
  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(CompressionOnSockets, ResponsesAreCompressedForThoseWhoAskForIt) {
  Proxy proxy(loop_, bootstrap(compressor("gzip.compressor.v3.Gzip") + compressor("brotli.compressor.v3.Brotli")),
              backend_.port());
  for (auto version : {http::Version::Http1, http::Version::Http2}) {
    auto gzip = ask(proxy.port(), "/big", "gzip", version);
    EXPECT_EQ(gzip.headers.get("content-encoding"), "gzip");
    EXPECT_EQ(gzip.headers.get("vary"), "Accept-Encoding");
    EXPECT_EQ(unpack(Encoding::Gzip, gzip.body).size(), 5'000'000u);
  }
  auto brotli = ask(proxy.port(), "/direct", "br, gzip;q=0.9");
  EXPECT_EQ(brotli.headers.get("content-encoding"), "br");
  EXPECT_EQ(unpack(Encoding::Brotli, brotli.body), std::string(400, 'd'));
  auto plain = ask(proxy.port(), "/direct", "");
  EXPECT_FALSE(plain.headers.contains("content-encoding"));
  EXPECT_EQ(plain.headers.get("vary"), "Accept-Encoding");
  EXPECT_EQ(plain.body.size(), 400u);
  auto unchanged = ask(proxy.port(), "/status/304", "gzip");
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_EQ(unchanged.headers.get("vary").value_or(""), "Accept-Encoding");
}

TEST_F(CompressionOnSockets, RequestsAreDecompressedAndBombsRefused) {
  Proxy proxy(loop_, bootstrap(decompressor("gzip.decompressor.v3.Gzip")), backend_.port());
  auto send = [&](std::string body) {
    http::Request request;
    request.method = "POST";
    request.headers.add("content-encoding", "gzip");
    request.body = std::move(body);
    return fetch(loop_, proxy.port(), std::move(request));
  };
  net::Buffer packed, bomb;
  make_encoder({})->feed(bytes(3000), packed, true);
  auto answer = send(std::string(packed.view()));
  EXPECT_TRUE(answer.body.ends_with("body=3000")) << answer.body;
  EXPECT_FALSE(answer.headers.contains("echo-content-encoding"));
  EXPECT_EQ(answer.headers.get("echo-accept-encoding"), "gzip");
  make_encoder({.window_bits = 15})->feed(std::string(30'000'000, '\0'), bomb, true);
  EXPECT_EQ(send(std::string(bomb.view())).status, 400);
}

// What a body becomes waits, packed, for a peer that takes none of it; and all of it comes once it does.
TEST_F(CompressionOnSockets, ABodyIsUnpackedAsItsReceiverTakesIt) {
  std::string plain;
  uint32_t dice = 1;  // no pattern that would pack better than the decompressor lets pass
  for (int i = 0; i < 300'000; ++i) {
    dice = dice * 1664525 + 1013904223;
    plain += std::string(60, static_cast<char>('a' + (dice >> 24) % 26));
  }
  net::Buffer packed;
  make_encoder({.window_bits = 15})->feed(plain, packed, true);
  Proxy proxy(loop_, bootstrap(decompressor("gzip.decompressor.v3.Gzip")), backend_.port());
  for (auto version : {http::Version::Http1, http::Version::Http2}) {
    http::Request request;
    request.method = "POST";
    request.headers.add("content-encoding", "gzip");
    request.body = std::string(packed.view());
    auto answer = fetch(loop_, proxy.port(), std::move(request), version);
    EXPECT_TRUE(answer.body.ends_with("body=" + std::to_string(plain.size()))) << answer.body;
  }
}

}  // namespace
}  // namespace proxy
