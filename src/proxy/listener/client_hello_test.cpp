// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener/client_hello.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace proxy {
namespace {

std::string hello_of(const char* server_name, const std::string& wire_protocols) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  if (server_name) SSL_set_tlsext_host_name(ssl, server_name);
  if (!wire_protocols.empty())
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire_protocols.data()),
                        static_cast<unsigned>(wire_protocols.size()));
  SSL_set_connect_state(ssl);
  SSL_do_handshake(ssl);
  char* data = nullptr;
  long size = BIO_get_mem_data(out, &data);
  std::string bytes(data, static_cast<size_t>(size));
  SSL_free(ssl);
  SSL_CTX_free(context);
  return bytes;
}

TEST(ClientHello, SaysTheNameAndTheProtocolsOfARealClient) {
  std::string bytes = hello_of("Web.Example.com", std::string("\x05istio\x02h2"));
  ClientHello hello;
  ASSERT_EQ(ClientHello::parse(bytes, hello), Look::Yes);
  EXPECT_EQ(hello.server_name, "web.example.com");
  EXPECT_EQ(hello.protocols, (std::vector<std::string>{"istio", "h2"}));
}

TEST(ClientHello, EveryCutShortOneNeedsMore) {
  std::string bytes = hello_of("a.b", "");
  for (size_t size = 0; size < bytes.size(); ++size) {
    ClientHello hello;
    EXPECT_EQ(ClientHello::parse(std::string_view(bytes).substr(0, size), hello), Look::NeedMore) << size;
  }
}

TEST(ClientHello, WhatIsSpreadOverTwoRecordsIsPutTogether) {
  std::string bytes = hello_of("a.b", "");
  std::string body = bytes.substr(5);
  auto record = [](std::string_view part) {
    return std::string("\x16\x03\x01", 3) + static_cast<char>(part.size() >> 8) + static_cast<char>(part.size() & 255) +
           std::string(part);
  };
  ClientHello hello;
  EXPECT_EQ(ClientHello::parse(record(body.substr(0, 40)) + record(body.substr(40)), hello), Look::Yes);
  EXPECT_EQ(hello.server_name, "a.b");
}

TEST(ClientHello, OtherBytesAreNone) {
  ClientHello hello;
  EXPECT_EQ(ClientHello::parse("GET / HTTP/1.1\r\n", hello), Look::No);
  EXPECT_EQ(ClientHello::parse(std::string("\x16\x03\x01\x00\x05\x02zzzz", 10), hello), Look::No);
}

TEST(LookForHttp, TellsVersionsFromOtherProtocols) {
  std::string_view protocol;
  EXPECT_EQ(look_for_http("GET /x HTTP/1.1\r\n", protocol), Look::Yes);
  EXPECT_EQ(protocol, "http/1.1");
  EXPECT_EQ(look_for_http("GET /x HTTP/1.0\n", protocol), Look::Yes);
  EXPECT_EQ(protocol, "http/1.0");
  EXPECT_EQ(look_for_http("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", protocol), Look::Yes);
  EXPECT_EQ(protocol, "h2c");
  EXPECT_EQ(look_for_http("PRI * HT", protocol), Look::NeedMore);
  EXPECT_EQ(look_for_http("GE", protocol), Look::NeedMore);
  EXPECT_EQ(look_for_http("SSH-2.0-x\r\n", protocol), Look::No);
  EXPECT_EQ(look_for_http("\x03redis", protocol), Look::No);
  EXPECT_EQ(look_for_http("HELO mail\r\n", protocol), Look::No);
}

}  // namespace
}  // namespace proxy
