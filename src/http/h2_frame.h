// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "http/h2.h"
#include "net/buffer.h"

namespace http::h2 {

inline constexpr size_t kFrameHeader = 9;
inline constexpr uint32_t kDefaultWindow = 65'535;
inline constexpr uint32_t kDefaultFrame = 16'384;
inline constexpr uint32_t kLargestFrame = (1u << 24) - 1;
inline constexpr int64_t kLargestWindow = (int64_t{1} << 31) - 1;
inline constexpr StreamId kLastId = (1u << 31) - 1;

enum class FrameType : uint8_t {
  Data,
  Headers,
  Priority,
  RstStream,
  Settings,
  PushPromise,
  Ping,
  Goaway,
  WindowUpdate,
  Continuation,
};

namespace flag {
inline constexpr uint8_t kEndStream = 0x1, kAck = 0x1, kEndHeaders = 0x4, kPadded = 0x8, kPriority = 0x20;
}

enum class Setting : uint16_t {
  HeaderTableSize = 1,
  EnablePush,
  MaxConcurrentStreams,
  InitialWindowSize,
  MaxFrameSize,
  MaxHeaderListSize,
  EnableConnectProtocol = 8,
};

struct Frame {
  FrameType type;
  uint8_t flags;
  StreamId id;
  std::string_view payload;
  bool has(uint8_t flag) const { return flags & flag; }
};

inline uint32_t read_u32(const char* p) {
  auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(p[i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}
inline char* put_u32(char* p, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *p++ = static_cast<char>(value >> shift);
  return p;
}
inline char* put_frame_header(char* p, size_t length, FrameType type, uint8_t flags, StreamId id) {
  put_u32(p, static_cast<uint32_t>(length << 8));
  p[3] = static_cast<char>(type);
  p[4] = static_cast<char>(flags);
  return put_u32(p + 5, id);
}
// A frame whose payload is a few 32-bit numbers.
template <typename... Numbers>
void write_numbers(net::Buffer& out, FrameType type, uint8_t flags, StreamId id, Numbers... numbers) {
  constexpr size_t kPayload = 4 * sizeof...(numbers);
  [[maybe_unused]] char* p = put_frame_header(out.prepare(kFrameHeader + kPayload), kPayload, type, flags, id);
  ((p = put_u32(p, static_cast<uint32_t>(numbers))), ...);
  out.commit(kFrameHeader + kPayload);
}

}  // namespace http::h2
