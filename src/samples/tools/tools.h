// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace samples {

// Small stand-ins for what busybox has and the machine may lack, named as
// there. Each takes its words without its own name and returns its exit code.
int nslookup(const std::vector<std::string>& words);  // [-type=a|aaaa] NAME [SERVER]
int nc(const std::vector<std::string>& words);        // [-zv] [-w SECONDS] HOST PORT; -l -p PORT
int ping(const std::vector<std::string>& words);      // [-c COUNT] [-i SECONDS] [-W SECONDS] HOST

// What a DNS message answers (RFC 1035 section 4); nullopt: it is malformed.
struct DnsAnswer {
  struct Record {
    std::string name;
    std::string value;  // address, or the canonical name
    uint16_t type = 0;  // 1 A, 5 CNAME, 28 AAAA
  };
  int code = 0;  // 0 no error, 3 no such name
  std::vector<Record> records;
};
std::optional<DnsAnswer> parse_dns_answer(const std::vector<uint8_t>& message);

// Flags and words of a command line: flags_of("c:", {"-c3", "host"}) is
// {{'c', "3"}}, {"host"}; a letter before ':' takes a value. nullopt: an unknown flag.
struct CommandLine {
  struct Flag {
    char letter;
    std::string value;
  };
  std::vector<Flag> flags;
  std::vector<std::string> rest;

  bool has(char letter) const;
  std::string value(char letter, std::string otherwise) const;
};
std::optional<CommandLine> command_line(const char* known, const std::vector<std::string>& words);

}  // namespace samples
