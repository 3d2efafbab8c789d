// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "http/grpc.h"
#include "proxy/filter/grpc_web.h"

using fuzz::require;

namespace {

struct Reading {
  std::vector<std::string> messages;
  bool broken = false;
  std::string left;
};

// gRPC's length-prefixed messages, of at most 4096 bytes here.
Reading messages_of(std::string_view bytes, size_t step) {
  Reading out;
  for (size_t at = 0; at < bytes.size() && !out.broken; at += step) {
    out.left += bytes.substr(at, step);
    while (!out.broken) {
      auto message = http::grpc::take_message(out.left, 4096);
      out.broken = !message;
      if (!message || !*message) break;
      out.messages.push_back(std::move(**message));
    }
  }
  return out;
}

// gRPC-Web's text: base64, in pieces that may each be padded.
Reading text_of(std::string_view bytes, size_t step) {
  Reading out;
  net::Buffer group;
  std::string decoded;
  for (size_t at = 0; at < bytes.size() && !out.broken; at += step) {
    group.append(bytes.substr(at, step));
    out.broken = !proxy::take_base64(group, decoded);
  }
  out.messages.push_back(std::move(decoded));
  out.left = group.view();
  return out;
}

void require_same(const Reading& a, const Reading& b) {
  require(a.broken == b.broken);
  if (!a.broken) require(a.messages == b.messages && a.left == b.left);
}

}  // namespace

// A byte that says how the rest is cut. Messages and text mean the same however they come in; what was framed is
// read again, and a status' message survives its coding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes = fuzz::text_of(data + 1, size - 1);
  const size_t step = data[0] % 32 + 1;
  const Reading whole = messages_of(bytes, bytes.size() + 1);
  require_same(whole, messages_of(bytes, step));
  std::string again;
  for (const std::string& message : whole.messages) again += http::grpc::framed(message);
  if (!whole.broken) require(again + whole.left == bytes);

  const Reading text = text_of(bytes, bytes.size() + 1);
  require_same(text, text_of(bytes, step));
  if (!text.broken) require(text.left.size() < 4 && text.messages[0].size() <= bytes.size() / 4 * 3);

  const std::string coded = http::grpc::encode_message(bytes);
  for (const char c : coded) require(c >= 0x20 && c <= 0x7e);
  require(http::grpc::decode_message(coded) == bytes);
  http::grpc::decode_message(bytes);

  http::Headers trailers;
  trailers.add("grpc-message", coded);
  const std::string frame = proxy::trailers_frame(trailers);
  require(frame[0] == '\x80' && frame.ends_with("\r\n"));
  return 0;
}
