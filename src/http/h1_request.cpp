// SPDX-License-Identifier: Apache-2.0
#include "http/h1_fields.h"
#include "http/syntax.h"

namespace http::h1 {

static constexpr size_t kLongestMethod = 32;

void RequestParser::next() {
  start();
  connect_ = false;
  expects_continue_ = false;
  upgrade_ = false;
  blank_line_seen_ = false;
}

Event RequestParser::parse(std::string_view& input) {
  return state_ == State::Head ? parse_head(input) : parse_body(input);
}

// Fills in scheme, authority and path. Head: it is valid.
Event RequestParser::read_target(std::string_view target) {
  head_.scheme.assign("http");
  head_.authority.clear();
  absolute_ = false;
  if (connect_) {
    size_t colon = target.rfind(':');
    if (!syntax::valid_authority(target) || colon == std::string_view::npos || colon + 1 == target.size() ||
        target.back() == ']')
      return fail(400, "CONNECT needs a host and a port");
    head_.authority.assign(target);
    head_.path.clear();
    return Event::Head;
  }
  if (target.front() == '/') {
    head_.path.assign(target);
    return Event::Head;
  }
  if (target == "*") {
    if (head_.method != "OPTIONS") return fail(400, "the target * is for OPTIONS only");
    head_.path.assign(target);
    return Event::Head;
  }
  if (target.size() > 7 && syntax::equal_lower(target.substr(0, 7), "http://")) {
    target.remove_prefix(7);
  } else if (target.size() > 8 && syntax::equal_lower(target.substr(0, 8), "https://")) {
    target.remove_prefix(8);
    head_.scheme.assign("https");
  } else {
    return fail(400, "an invalid request target");
  }
  absolute_ = true;
  size_t end = std::min(target.find_first_of("/?"), target.size());
  if (!syntax::valid_authority(target.substr(0, end))) return fail(400, "an invalid authority in the request target");
  head_.authority.assign(target.substr(0, end));
  target.remove_prefix(end);
  head_.path.clear();
  if (target.empty() && head_.method == "OPTIONS") {
    head_.path.assign("*");
    return Event::Head;
  }
  if (target.empty() || target.front() == '?') head_.path.assign("/");
  head_.path.append(target);
  return Event::Head;
}

Event RequestParser::parse_head(std::string_view& input) {
  if (!blank_line_seen_) {  // RFC 9112 section 2.2 asks for patience with one
    if (input.empty() || input == "\r") return Event::NeedMore;
    blank_line_seen_ = input.starts_with("\r\n");
    if (blank_line_seen_) input.remove_prefix(2);
  }
  if (input.empty()) return Event::NeedMore;
  if (!worth_parsing(input)) {
    size_t longest_line = kLongestMethod + limits_.target + 16;
    if (input.size() > longest_line && input.substr(0, longest_line).find('\n') == std::string_view::npos)
      return fail(414, "the request target is too long");
    return wait_for_more(input, limits_.head);
  }

  const char* p = input.data();
  const char* const end = p + input.size();
  const char* begin = p;
  while (p != end && syntax::token_lower(*p)) ++p;
  auto size = static_cast<size_t>(p - begin);
  if (size > kLongestMethod) return fail(501, "the method is too long");
  if (p == end) return wait_for_more(input, limits_.head);
  if (*p != ' ' || size == 0) return fail(400, "an invalid request line");
  head_.method.assign(begin, size);
  connect_ = head_.method == "CONNECT";

  begin = ++p;
  p = syntax::find_invisible(p, end);
  size = static_cast<size_t>(p - begin);
  if (size > limits_.target) return fail(414, "the request target is too long");
  if (p == end) return wait_for_more(input, limits_.head);
  if (*p != ' ' || size == 0) return fail(400, "an invalid character in the request target");
  std::string_view target(begin, size);
  if (target.find('#') != std::string_view::npos) return fail(400, "a fragment in the request target");
  ++p;

  std::string_view rest(p, static_cast<size_t>(end - p));
  static constexpr std::string_view kVersion = "HTTP/1.";
  if (rest.size() < kVersion.size() + 3) {  // "HTTP/1.1" CR LF
    size_t known = std::min(rest.size(), kVersion.size());
    if (rest.substr(0, known) != kVersion.substr(0, known)) {
      foreign_ = true;
      return fail(400, "an invalid protocol version");
    }
    if (rest.find('\n') != std::string_view::npos) return fail(400, "LF without CR");
    return wait_for_more(input, limits_.head);
  }
  if (!rest.starts_with(kVersion)) {
    if (rest.starts_with("HTTP/")) return fail(505, "not HTTP/1.0 or HTTP/1.1");
    foreign_ = true;
    return fail(400, "an invalid protocol version");
  }
  char minor = rest[kVersion.size()];
  if (rest[8] != '\r' || rest[9] != '\n') return fail(400, "the request line does not end with CR LF");
  if (minor != '0' && minor != '1') return fail(minor >= '2' && minor <= '9' ? 505 : 400, "not HTTP/1.0 or HTTP/1.1");
  minor_version_ = static_cast<uint8_t>(minor - '0');
  p += 10;

  Fields known;
  head_.headers.clear();
  connection_names_fields_ = false;
  p = parse_fields(p, end, head_.headers, known);
  if (!p) return state_ == State::Failed ? Event::Error : wait_for_more(input, limits_.head);
  auto used = static_cast<size_t>(p - input.data());
  if (used > limits_.head) return fail(431, "the header fields are too large");

  head_.protocol.clear();
  if (Event event = read_target(target); event != Event::Head) return event;
  if (!known.host_seen) {
    if (minor_version_ == 1) return fail(400, "no Host");
  } else if (!syntax::valid_authority(known.host)) {
    return fail(400, "an invalid Host");
  } else if (head_.authority.empty()) {  // else the target's own wins, RFC 9112 section 3.2.2
    head_.authority.assign(known.host);
  }

  if (known.chunked) {
    body_ = Body::chunked();
    state_ = State::ChunkSize;
  } else if (known.length_seen) {
    body_ = Body::length(known.length);
    left_ = known.length;
    state_ = left_ ? State::Fixed : State::Ending;
  } else {
    state_ = State::Ending;
  }
  if (connect_ && !body_.empty()) return fail(400, "CONNECT with a body");
  keep_alive_ = !known.says_close && (minor_version_ == 1 || known.says_keep_alive) && !connect_;
  expects_continue_ = known.expect_continue && minor_version_ == 1 && !body_.empty();
  upgrade_ = known.upgrade_seen && known.says_upgrade && minor_version_ == 1 && body_.empty() && !connect_ &&
             !known.upgrades_to_h2c();
  seen_ = 0;
  input.remove_prefix(used);
  return Event::Head;
}

}  // namespace http::h1
