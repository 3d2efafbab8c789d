// SPDX-License-Identifier: Apache-2.0
#include "capture/rules.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "net/address.h"

namespace capture {
namespace {

base::Result<std::vector<uint16_t>> ports_of(std::string_view name, std::string_view text) {
  std::vector<uint16_t> out;
  for (std::string_view word : base::split(text, ',')) {
    word = base::trim(word);
    if (word.empty()) continue;
    auto port = base::parse_number<uint16_t>(word);
    if (!port || !*port)
      return base::fail(base::ErrorKind::Invalid, std::string(name) + ": \"" + std::string(word) + "\" is not a port");
    out.push_back(*port);
  }
  return out;
}

base::Result<std::vector<std::string>> cidrs_of(std::string_view name, std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view word : base::split(text, ',')) {
    word = base::trim(word);
    if (word.empty()) continue;
    auto parts = base::cut(word, '/');
    auto address = net::Address::parse(parts ? parts->first : word, 0);
    auto bits = parts ? base::parse_number<uint32_t>(parts->second) : std::optional<uint32_t>(32);
    if (!address || !bits || *bits > (address->family() == AF_INET ? 32u : 128u))
      return base::fail(base::ErrorKind::Invalid, std::string(name) + ": \"" + std::string(word) +
                                                      "\" is not an address range such as 10.0.0.0/8");
    out.emplace_back(word);
  }
  return out;
}

std::string set_of(const std::vector<uint16_t>& ports) {
  std::string out = "{ ";
  for (size_t i = 0; i < ports.size(); ++i) out += (i ? ", " : "") + std::to_string(ports[i]);
  return out + " }";
}

std::string family_of(const std::string& cidr) { return cidr.find(':') == std::string::npos ? "ip" : "ip6"; }

}  // namespace

base::Result<Rules> parse_rules(const std::vector<std::string>& arguments) {
  Rules rules;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i], value;
    if (size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return base::fail(base::ErrorKind::Invalid, name + " needs a value");
    }
    auto number = [&]() -> base::Result<uint32_t> {
      auto parsed = base::parse_number<uint32_t>(value);
      if (!parsed) return base::fail(base::ErrorKind::Invalid, name + ": \"" + value + "\" is not a number");
      return *parsed;
    };
    auto port = [&]() -> base::Result<uint16_t> {
      auto ports = TRY(ports_of(name, value));
      if (ports.size() != 1) return base::fail(base::ErrorKind::Invalid, name + " takes one port");
      return ports[0];
    };
    if (name == "--outbound-port") {
      rules.outbound_port = TRY(port());
    } else if (name == "--inbound-port") {
      rules.inbound_port = TRY(port());
    } else if (name == "--proxy-uid") {
      rules.proxy_uid = TRY(number());
    } else if (name == "--proxy-gid") {
      rules.proxy_gid = TRY(number());
    } else if (name == "--include-inbound-ports") {
      rules.all_inbound = value == "*";
      if (!rules.all_inbound) rules.include_inbound_ports = TRY(ports_of(name, value));
    } else if (name == "--exclude-inbound-ports") {
      rules.exclude_inbound_ports = TRY(ports_of(name, value));
    } else if (name == "--include-outbound-cidrs") {
      rules.all_outbound = value == "*";
      if (!rules.all_outbound) rules.include_outbound_cidrs = TRY(cidrs_of(name, value));
    } else if (name == "--exclude-outbound-cidrs") {
      rules.exclude_outbound_cidrs = TRY(cidrs_of(name, value));
    } else if (name == "--include-outbound-ports") {
      rules.include_outbound_ports = TRY(ports_of(name, value));
    } else if (name == "--exclude-outbound-ports") {
      rules.exclude_outbound_ports = TRY(ports_of(name, value));
    } else {
      return base::fail(base::ErrorKind::Invalid, "capture: unknown option " + name);
    }
  }
  return rules;
}

std::string nft_script(const Rules& rules) {
  const std::string in = "redirect to :" + std::to_string(rules.inbound_port);
  const std::string out = "redirect to :" + std::to_string(rules.outbound_port);
  // Adding before deleting makes the deletion succeed where there was none.
  std::string text = "table inet seine-capture\ndelete table inet seine-capture\ntable inet seine-capture {\n";
  text += "  chain inbound {\n    type nat hook prerouting priority -100; policy accept;\n";
  text += "    iifname \"lo\" return\n    tcp dport 15008 return\n";
  if (!rules.exclude_inbound_ports.empty())
    text += "    tcp dport " + set_of(rules.exclude_inbound_ports) + " return\n";
  if (rules.all_inbound) {
    text += "    meta l4proto tcp " + in + "\n";
  } else if (!rules.include_inbound_ports.empty()) {
    text += "    tcp dport " + set_of(rules.include_inbound_ports) + " " + in + "\n";
  }
  text += "  }\n  chain outbound {\n    type nat hook output priority -100; policy accept;\n";
  if (!rules.exclude_outbound_ports.empty())
    text += "    tcp dport " + set_of(rules.exclude_outbound_ports) + " return\n";
  // The proxy hands requests to its application from these addresses.
  text += "    oifname \"lo\" ip saddr 127.0.0.6 return\n    oifname \"lo\" ip6 saddr ::6 return\n";
  for (const std::string& who :
       {"skuid " + std::to_string(rules.proxy_uid), "skgid " + std::to_string(rules.proxy_gid)}) {
    // The application calls itself through a Service: by the proxy, out and in again.
    text += "    meta " + who + " oifname \"lo\" ip daddr != 127.0.0.1 tcp dport != 15008 " + in + "\n";
    text += "    meta " + who + " oifname \"lo\" ip6 daddr != ::1 tcp dport != 15008 " + in + "\n";
  }
  text += "    meta skuid " + std::to_string(rules.proxy_uid) + " return\n";
  text += "    meta skgid " + std::to_string(rules.proxy_gid) + " return\n";
  text += "    oifname \"lo\" return\n    ip daddr 127.0.0.0/8 return\n    ip6 daddr ::1 return\n";
  for (const std::string& cidr : rules.exclude_outbound_cidrs)
    text += "    " + family_of(cidr) + " daddr " + cidr + " return\n";
  if (!rules.include_outbound_ports.empty())
    text += "    tcp dport " + set_of(rules.include_outbound_ports) + " " + out + "\n";
  if (rules.all_outbound) {
    text += "    meta l4proto tcp " + out + "\n";
  } else {
    for (const std::string& cidr : rules.include_outbound_cidrs)
      text += "    " + family_of(cidr) + " daddr " + cidr + " meta l4proto tcp " + out + "\n";
  }
  return text + "  }\n}\n";
}

base::Result<void> apply(const Rules& rules) {
  const std::string script = nft_script(rules);
  int to_child[2], from_child[2];
  if (pipe(to_child) != 0) return std::unexpected(base::system_error("pipe", errno));
  if (pipe(from_child) != 0) {
    int error = errno;
    close(to_child[0]), close(to_child[1]);
    return std::unexpected(base::system_error("pipe", error));
  }
  pid_t child = fork();
  if (child < 0) return std::unexpected(base::system_error("fork", errno));
  if (child == 0) {
    dup2(to_child[0], 0);
    dup2(from_child[1], 1);
    dup2(from_child[1], 2);
    for (int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(fd);
    setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
    execlp("nft", "nft", "-f", "-", static_cast<char*>(nullptr));
    dprintf(2, "nft: not found; install nftables\n");
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  std::string_view left = script;  // far smaller than a pipe's buffer
  while (!left.empty()) {
    ssize_t n = write(to_child[1], left.data(), left.size());
    if (n <= 0) break;
    left.remove_prefix(static_cast<size_t>(n));
  }
  close(to_child[1]);
  std::string said;
  char chunk[4096];
  for (ssize_t n; (n = read(from_child[0], chunk, sizeof chunk)) > 0;) said.append(chunk, static_cast<size_t>(n));
  close(from_child[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return base::fail(base::ErrorKind::Internal, "the capture rules were refused: " + said);
}

}  // namespace capture
