// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace localkube::dns {

// The part of RFC 1035 that a small authoritative server needs.

enum class Type : uint16_t { A = 1, Cname = 5, Soa = 6, Aaaa = 28, Srv = 33, Any = 255 };
enum class Code : uint8_t {
  Ok = 0,
  FormatError = 1,
  ServerFailure = 2,
  NoSuchName = 3,
  NotImplemented = 4,
  Refused = 5
};

struct Query {
  uint16_t id = 0;
  bool recursion_desired = false;
  std::string name;  // lower case, without the last dot
  Type type = Type::A;
  uint16_t qclass = 1;
  std::string question;    // as it came, to be repeated
  size_t udp_limit = 512;  // what the asker takes over UDP (EDNS)
};
// nullopt: not a query at all, to be dropped.
std::optional<Query> parse_query(std::string_view bytes);

struct Record {
  std::string name;
  Type type = Type::A;
  std::string data;       // A: dotted address; CNAME: name
  uint16_t priority = 0;  // SRV
  uint16_t weight = 0;
  uint16_t port = 0;
};
struct Reply {
  Code code = Code::Ok;
  bool authoritative = true;
  std::vector<Record> answers;
};
// At most `limit` bytes: answers that do not fit are left out and the reply says so.
std::string serialize(const Query& query, const Reply& reply, size_t limit);

}  // namespace localkube::dns
