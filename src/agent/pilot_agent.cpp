// SPDX-License-Identifier: Apache-2.0
#include "agent/pilot_agent.h"

#include <cstdio>

#include "base/strings.h"
#include "http/client.h"
#include "net/loop.h"

namespace agent {
namespace {

using base::ErrorKind;

constexpr const char* kUsage =
    "usage: pilot-agent request METHOD PATH [--debug-port PORT]\n"
    "       pilot-agent wait [--timeoutSeconds SECONDS] [--url URL]\n"
    "       pilot-agent version";

base::Error invalid(std::string message) { return {.kind = ErrorKind::Invalid, .message = std::move(message)}; }

base::Result<void> take_url(PilotAgentOrder& order, std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::unexpected(invalid("--url " + std::string(url) + " is not http://..."));
  url.remove_prefix(kScheme.size());
  size_t slash = std::min(url.find('/'), url.size());
  auto parts = base::cut(url.substr(0, slash), ':');
  auto port = base::parse_number<uint16_t>(parts ? parts->second : "80");
  if (!port) return std::unexpected(invalid("--url names no port"));
  order.host = parts ? parts->first : url.substr(0, slash);
  if (order.host == "localhost") order.host = "127.0.0.1";
  order.port = *port;
  order.path = slash == url.size() ? "/" : std::string(url.substr(slash));
  return {};
}

base::Result<void> take_flag(PilotAgentOrder& order, std::string_view name, const std::string& value) {
  if (name == "--debug-port" && order.verb == PilotAgentOrder::Verb::Request) {
    auto port = base::parse_number<uint16_t>(value);
    if (!port) return std::unexpected(invalid("--debug-port " + value + " is no port"));
    order.port = *port;
  } else if (name == "--timeoutSeconds" && order.verb == PilotAgentOrder::Verb::Wait) {
    auto seconds = base::parse_number<int>(value);
    if (!seconds || *seconds < 0) return std::unexpected(invalid("--timeoutSeconds " + value + " is no number"));
    order.timeout_seconds = *seconds;
  } else if (name == "--url" && order.verb == PilotAgentOrder::Verb::Wait) {
    return take_url(order, value);
  } else {
    return std::unexpected(invalid("unknown flag: " + std::string(name) + "\n" + kUsage));
  }
  return {};
}

net::Task<base::Result<http::Response>> ask(net::Loop& loop, PilotAgentOrder order) {
  http::ClientOptions options{.host = order.host, .port = order.port};
  http::Client client(loop, std::move(options));
  http::Request request;
  request.method = order.method;
  request.path = order.path;
  request.authority = "localhost";
  auto response = co_await client.fetch(std::move(request));
  co_return response;
}

net::Task<base::Result<void>> wait_until_ready(net::Loop& loop, PilotAgentOrder order) {
  auto limit = net::Clock::now() + std::chrono::seconds(order.timeout_seconds);
  for (;;) {
    auto response = co_await ask(loop, order);
    if (response && response->status == 200) co_return base::Result<void>();
    if (net::Clock::now() >= limit)
      co_return base::fail(ErrorKind::Timeout, "the proxy is not ready after " + std::to_string(order.timeout_seconds) +
                                                   " s: " + (response ? response->body : response.error().message));
    co_await net::sleep(loop, std::chrono::milliseconds(100));
  }
}

int failed(const std::string& why) {
  std::fprintf(stderr, "Error: %s\n", why.c_str());
  return 1;
}

}  // namespace

base::Result<PilotAgentOrder> pilot_agent_order(const std::vector<std::string>& words) {
  PilotAgentOrder order;
  std::string verb = words.empty() ? "" : words[0];
  if (verb == "wait") {
    order.verb = PilotAgentOrder::Verb::Wait;
    order.port = 15021;
    order.path = "/healthz/ready";
  } else if (verb == "request") {
    order.verb = PilotAgentOrder::Verb::Request;
  } else if (verb != "version") {
    return std::unexpected(
        invalid((verb.empty() ? "" : "\"" + verb + "\" is no command of this pilot-agent\n") + std::string(kUsage)));
  }
  std::vector<std::string> rest;
  for (size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) {
      rest.push_back(words[i]);
      continue;
    }
    auto pair = base::cut(words[i], '=');
    if (!pair && i + 1 == words.size()) return std::unexpected(invalid("flag needs an argument: " + words[i]));
    std::string name(pair ? pair->first : words[i]), value(pair ? std::string(pair->second) : words[++i]);
    TRY(take_flag(order, name, value));
  }
  bool request = order.verb == PilotAgentOrder::Verb::Request;
  if (rest.size() != (request ? 2u : 0u)) return std::unexpected(invalid(kUsage));
  if (!request) return order;
  order.method = rest[0];
  order.path = rest[1].starts_with('/') ? rest[1] : "/" + rest[1];
  return order;
}

int run_pilot_agent(const std::vector<std::string>& words) {
  auto order = pilot_agent_order(words);
  if (!order) return failed(order.error().message);
  if (order->verb == PilotAgentOrder::Verb::Version) {
    std::printf("%s\n", SEINE_VERSION);
    return 0;
  }
  net::Loop loop;
  if (order->verb == PilotAgentOrder::Verb::Wait) {
    auto ready = net::run_to_end(loop, wait_until_ready(loop, *order));
    return ready ? 0 : failed(ready.error().message);
  }
  auto response = net::run_to_end(loop, ask(loop, *order));
  if (!response) return failed(response.error().message);
  std::fwrite(response->body.data(), 1, response->body.size(), stdout);
  return response->status < 400 ? 0 : failed("the proxy answered with status " + std::to_string(response->status));
}

}  // namespace agent
