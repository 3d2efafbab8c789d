// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <resolv.h>

#include <netdb.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "samples/tools/tools.h"

namespace samples {
namespace {

constexpr int kNoSuchName = 3;

uint16_t number_at(const std::vector<uint8_t>& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// The name there, and how many bytes it takes; -1: malformed.
int expand_name(const std::vector<uint8_t>& message, size_t at, std::string& name) {
  char text[1025];
  if (at > message.size()) return -1;
  int length = dn_expand(message.data(), message.data() + message.size(), message.data() + at, text, sizeof text);
  if (length >= 0) name = text;
  return length;
}

std::string address_text(int family, const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(family, bytes, text, sizeof text) ? text : "";
}

std::string server_text(const sockaddr_in& server) {
  return address_text(AF_INET, reinterpret_cast<const uint8_t*>(&server.sin_addr));
}

}  // namespace

std::optional<DnsAnswer> parse_dns_answer(const std::vector<uint8_t>& message) {
  constexpr size_t kHead = 12;
  if (message.size() < kHead) return std::nullopt;
  DnsAnswer out{.code = message[3] & 0xF, .records = {}};
  size_t at = kHead;
  std::string name;
  for (int i = number_at(message, 4); i > 0; --i) {
    int length = expand_name(message, at, name);
    if (length < 0) return std::nullopt;
    at += static_cast<size_t>(length) + 4;
  }
  for (int i = number_at(message, 6); i > 0; --i) {
    DnsAnswer::Record record;
    int length = expand_name(message, at, record.name);
    if (length < 0 || at + static_cast<size_t>(length) + 10 > message.size()) return std::nullopt;
    at += static_cast<size_t>(length);
    record.type = number_at(message, at);
    size_t size = number_at(message, at + 8), data = at + 10;
    if (data + size > message.size()) return std::nullopt;
    at = data + size;
    if (record.type == ns_t_a && size == 4)
      record.value = address_text(AF_INET, &message[data]);
    else if (record.type == ns_t_aaaa && size == 16)
      record.value = address_text(AF_INET6, &message[data]);
    else if (record.type != ns_t_cname || expand_name(message, data, record.value) < 0)
      continue;
    out.records.push_back(std::move(record));
  }
  return out;
}

int nslookup(const std::vector<std::string>& words) {
  std::vector<int> types = {ns_t_a, ns_t_aaaa};
  std::vector<std::string> rest;
  for (const std::string& word : words) {
    if (!word.starts_with('-')) {
      rest.push_back(word);
      continue;
    }
    size_t equals = word.find('=');
    std::string type = equals == word.npos ? "" : word.substr(equals + 1);
    bool known = word.starts_with("-type=") || word.starts_with("-query=") || word.starts_with("-q=");
    if (known && strcasecmp(type.c_str(), "a") == 0)
      types = {ns_t_a};
    else if (known && strcasecmp(type.c_str(), "aaaa") == 0)
      types = {ns_t_aaaa};
    else
      return std::fprintf(stderr, "nslookup: %s is not known to this stand-in; it takes -type=a and -type=aaaa\n",
                          word.c_str()),
             1;
  }
  if (rest.empty() || rest.size() > 2) return std::fprintf(stderr, "usage: nslookup [-type=a|aaaa] NAME [SERVER]\n"), 1;

  struct __res_state state{};
  if (res_ninit(&state) != 0) return std::fprintf(stderr, "nslookup: /etc/resolv.conf cannot be read\n"), 1;
  if (rest.size() == 2) {
    sockaddr_in server{.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {}, .sin_zero = {}};
    if (inet_pton(AF_INET, rest[1].c_str(), &server.sin_addr) != 1)
      return std::fprintf(stderr, "nslookup: write the server as an IPv4 address, not %s\n", rest[1].c_str()), 1;
    state.nscount = 1;
    state.nsaddr_list[0] = server;
  }
  std::string server = server_text(state.nsaddr_list[0]);
  std::printf("Server:\t\t%s\nAddress:\t%s:%d\n\n", server.c_str(), server.c_str(),
              ntohs(state.nsaddr_list[0].sin_port));
  bool found = false, absent = true;
  for (int type : types) {
    std::vector<uint8_t> message(65536);
    int size = res_nsearch(&state, rest[0].c_str(), ns_c_in, type, message.data(), static_cast<int>(message.size()));
    if (size < 0) {
      absent = absent && (state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA);
      continue;
    }
    message.resize(std::min(message.size(), static_cast<size_t>(size)));
    auto answer = parse_dns_answer(message);
    if (!answer) return std::fprintf(stderr, "nslookup: the answer of %s is malformed\n", server.c_str()), 1;
    absent = absent && (answer->code == 0 || answer->code == kNoSuchName);
    for (const DnsAnswer::Record& record : answer->records) {
      found = true;
      if (record.type == ns_t_cname)
        std::printf("%s\tcanonical name = %s\n", record.name.c_str(), record.value.c_str());
      else
        std::printf("Name:\t%s\nAddress: %s\n", record.name.c_str(), record.value.c_str());
    }
  }
  res_nclose(&state);
  if (found) return std::printf("\n"), 0;
  std::printf(
      absent ? "** server can't find %s: NXDOMAIN\n\n" : ";; no answer for %s: the server could not be asked\n\n",
      rest[0].c_str());
  return 1;
}

}  // namespace samples
