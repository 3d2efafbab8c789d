// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/dns_message.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/strings.h"

namespace localkube::dns {

static constexpr size_t kHeader = 12;
static constexpr uint32_t kTtl = 5;  // seconds, as cluster DNS servers give
static constexpr uint16_t kOptType = 41;

static uint16_t u16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

static void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

static void put32(std::string& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xFFFF);
}

static void put_name(std::string& out, std::string_view name) {
  for (std::string_view label : base::split(name, '.')) {
    if (label.empty() || label.size() > 63) continue;
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
}

// The size an OPT record in the additional section allows (RFC 6891).
static size_t edns_limit(std::string_view bytes, size_t at) {
  bool root = at + 11 <= bytes.size() && bytes[at] == 0;
  if (!root || u16(bytes, at + 1) != kOptType) return 512;
  return std::clamp<size_t>(u16(bytes, at + 3), 512, 4096);
}

std::optional<Query> parse_query(std::string_view bytes) {
  if (bytes.size() < kHeader || static_cast<uint8_t>(bytes[2]) & 0x80) return std::nullopt;
  if (u16(bytes, 4) != 1) return std::nullopt;  // one question, as everybody asks
  Query query{.id = u16(bytes, 0), .recursion_desired = (bytes[2] & 1) != 0};
  size_t at = kHeader;
  while (at < bytes.size() && bytes[at] != 0) {
    size_t length = static_cast<uint8_t>(bytes[at]);
    if (length > 63 || at + 1 + length >= bytes.size()) return std::nullopt;  // no pointers in a question
    if (!query.name.empty()) query.name += '.';
    query.name += base::to_lower(bytes.substr(at + 1, length));
    at += 1 + length;
  }
  if (at + 5 > bytes.size() || query.name.size() > 253) return std::nullopt;
  query.type = static_cast<Type>(u16(bytes, at + 1));
  query.qclass = u16(bytes, at + 3);
  at += 5;
  query.question = bytes.substr(kHeader, at - kHeader);
  if (u16(bytes, 6) == 0 && u16(bytes, 8) == 0 && u16(bytes, 10) > 0) query.udp_limit = edns_limit(bytes, at);
  return query;
}

static std::string data_of(const Record& record) {
  std::string data;
  if (record.type == Type::A) {
    in_addr address{};
    inet_pton(AF_INET, record.data.c_str(), &address);
    data.assign(reinterpret_cast<const char*>(&address), sizeof address);
  } else if (record.type == Type::Srv) {
    put16(data, record.priority);
    put16(data, record.weight);
    put16(data, record.port);
    put_name(data, record.data);
  } else {
    put_name(data, record.data);
  }
  return data;
}

std::string serialize(const Query& query, const Reply& reply, size_t limit) {
  std::string body = query.question;
  uint16_t count = 0;
  bool cut = false;
  for (const Record& record : reply.answers) {
    std::string one;
    put_name(one, record.name);
    put16(one, static_cast<unsigned>(record.type));
    put16(one, 1);
    put32(one, kTtl);
    std::string data = data_of(record);
    put16(one, static_cast<unsigned>(data.size()));
    one += data;
    if (kHeader + body.size() + one.size() > limit) {
      cut = true;
      break;
    }
    body += one;
    count++;
  }
  std::string out;
  put16(out, query.id);
  put16(out, 0x8000u | (reply.authoritative ? 0x0400u : 0u) | (cut ? 0x0200u : 0u) |
                 (query.recursion_desired ? 0x0100u : 0u) | 0x0080u | static_cast<unsigned>(reply.code));
  put16(out, 1);
  put16(out, count);
  put16(out, 0);
  put16(out, 0);
  return out + body;
}

}  // namespace localkube::dns
