// SPDX-License-Identifier: Apache-2.0
#include "http/h1_fields.h"
#include "http/syntax.h"

namespace http::h1 {

static constexpr uint8_t kMostInterims = 16;

void ResponseParser::next(Answers answers) {
  start();
  answers_ = answers;
  switched_ = false;
  interims_ = 0;
}

Event ResponseParser::parse(std::string_view& input) {
  Event event = state_ == State::Head ? parse_head(input) : parse_body(input);
  if (event == Event::Error) error_status_ = 502;
  return event;
}

Event ResponseParser::finish() {
  switch (state_) {
    case State::UntilClose:
    case State::Ending:
    case State::Done:
      state_ = State::Done;
      return Event::Complete;
    case State::Head:
      if (seen_ == 0 && interims_ == 0) return Event::NeedMore;
      [[fallthrough]];
    default:
      return fail(502, "the connection ended within a response");
  }
}

Event ResponseParser::parse_head(std::string_view& input) {
  if (input.empty()) return Event::NeedMore;
  if (!worth_parsing(input)) return wait_for_more(input, limits_.head);

  static constexpr std::string_view kVersion = "HTTP/1.";
  static constexpr size_t kShortest = sizeof("HTTP/1.1 200\r\n") - 1;
  size_t known_size = std::min(input.size(), kVersion.size());
  if (input.substr(0, known_size) != kVersion.substr(0, known_size)) return fail(502, "not an HTTP/1 response");
  if (input.size() < kShortest) return wait_for_more(input, limits_.head);
  char minor = input[7];
  if ((minor != '0' && minor != '1') || input[8] != ' ') return fail(502, "not HTTP/1.0 or HTTP/1.1");
  minor_version_ = static_cast<uint8_t>(minor - '0');
  auto digit = [&](size_t at) { return static_cast<unsigned>(input[at] - '0'); };
  if (digit(9) - 1 > 8 || digit(10) > 9 || digit(11) > 9) return fail(502, "an invalid status code");
  head_.status = static_cast<int>(digit(9) * 100 + digit(10) * 10 + digit(11));

  const char* p = input.data() + 12;
  const char* const end = input.data() + input.size();
  if (*p != ' ' && *p != '\r') return fail(502, "an invalid status line");
  p = syntax::find_control(p, end);
  if (p == end || (*p == '\r' && p + 1 == end)) return wait_for_more(input, limits_.head);
  if (*p != '\r' || p[1] != '\n') return fail(502, "the status line does not end with CR LF");
  p += 2;

  Fields known;
  head_.headers.clear();
  connection_names_fields_ = false;
  p = parse_fields(p, end, head_.headers, known);
  if (!p) return state_ == State::Failed ? Event::Error : wait_for_more(input, limits_.head);
  auto used = static_cast<size_t>(p - input.data());
  if (used > limits_.head) return fail(502, "the header fields are too large");
  seen_ = 0;
  input.remove_prefix(used);

  int status = head_.status;
  if (status < 200 && status != 101) {
    if (++interims_ > kMostInterims) return fail(502, "too many interim responses");
    return Event::Interim;
  }
  keep_alive_ = !known.says_close && (minor_version_ == 1 || known.says_keep_alive);
  bool framed = known.chunked || (known.length_seen && known.length > 0);
  if (known.chunked) {
    body_ = Body::chunked();
    state_ = State::ChunkSize;
  } else if (known.length_seen) {
    body_ = Body::length(known.length);
    left_ = known.length;
    state_ = left_ ? State::Fixed : State::Ending;
  } else {
    body_ = Body::until_close();
    state_ = State::UntilClose;
  }
  switched_ = status == 101 || (answers_ == Answers::Connect && status < 300);
  if (switched_ || status == 204) {
    if (framed) keep_alive_ = false;  // it says that bytes follow, and they must not
    body_ = Body::none();
    state_ = State::Ending;
  } else if (answers_ == Answers::Head || status == 304) {
    if (body_.kind == Body::Kind::UntilClose) body_ = Body::none();
    state_ = State::Ending;
  } else if (state_ == State::UntilClose) {
    keep_alive_ = false;
  }
  return Event::Head;
}

}  // namespace http::h1
