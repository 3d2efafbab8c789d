// SPDX-License-Identifier: Apache-2.0
#include "http/h1.h"

#include <algorithm>
#include <cstring>

#include "http/h1_fields.h"
#include "http/syntax.h"

namespace http::h1 {

static constexpr size_t kLongestName = 256;
static constexpr size_t kLongestChunkLine = 1024;
static constexpr size_t kChunkExtensions = 16 * 1024;  // in one message

void MessageParser::start() {
  state_ = State::Head;
  body_ = {};
  keep_alive_ = true;
  connection_names_fields_ = false;
  minor_version_ = 1;
  seen_ = 0;
  chunk_extra_ = 0;
  left_ = 0;
  data_ = {};
  if (!trailers_.empty()) trailers_.clear();
}

Event MessageParser::fail(int status, std::string_view reason) {
  state_ = State::Failed;
  keep_alive_ = false;
  error_status_ = status;
  error_ = reason;
  return Event::Error;
}

const char* MessageParser::reject(int status, std::string_view reason) {
  fail(status, reason);
  return nullptr;
}

// After a first attempt ran out of bytes: is an empty line among the new ones?
// So that bytes that trickle in cost one look each, not one parse of the whole.
bool MessageParser::worth_parsing(std::string_view input) {
  if (seen_ == 0) return true;
  size_t at = seen_ > 2 ? seen_ - 2 : 0;
  while ((at = input.find('\n', at)) != std::string_view::npos) {
    std::string_view rest = input.substr(++at);
    if (rest.starts_with('\n') || rest.starts_with("\r\n")) return true;
  }
  return false;
}

Event MessageParser::wait_for_more(std::string_view input, size_t limit) {
  if (input.size() > limit) return fail(431, "the header fields are too large");
  seen_ = input.size();
  return Event::NeedMore;
}

bool MessageParser::Fields::upgrades_to_h2c() const {
  for (size_t i = 0; i + 3 <= upgrade.size(); ++i)
    if (syntax::equal_lower(upgrade.substr(i, 3), "h2c")) return true;
  return false;
}

void MessageParser::note_connection(std::string_view value, Fields& known) {
  while (!value.empty()) {
    size_t comma = value.find(',');
    std::string_view option = value.substr(0, comma);
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    while (!option.empty() && (option.front() == ' ' || option.front() == '\t')) option.remove_prefix(1);
    while (!option.empty() && (option.back() == ' ' || option.back() == '\t')) option.remove_suffix(1);
    if (option.empty()) continue;
    if (syntax::equal_lower(option, "close")) {
      known.says_close = true;
    } else if (syntax::equal_lower(option, "keep-alive")) {
      known.says_keep_alive = true;
    } else if (syntax::equal_lower(option, "upgrade")) {
      known.says_upgrade = true;
    } else {
      connection_names_fields_ = true;
    }
  }
}

// Looks at one field; false where it breaks the message.
bool MessageParser::note_field(std::string_view name, std::string_view value, Fields& known) {
  switch (name.size()) {
    case 4:
      if (name != "host") return true;
      if (known.is_trailer) return reject(400, "Host among the trailers");
      if (known.host_seen) return reject(400, "more than one Host");
      known.host_seen = true;
      known.host = value;
      return true;
    case 6:
      if (name != "expect") return true;
      if (!syntax::equal_lower(value, "100-continue")) return reject(417, "an expectation other than 100-continue");
      known.expect_continue = true;
      return true;
    case 7:
      if (name != "upgrade") return true;
      if (known.upgrade_seen) return reject(400, "more than one Upgrade");
      known.upgrade_seen = true;
      known.upgrade = value;
      return true;
    case 10:
      if (name == "connection") note_connection(value, known);
      return true;
    case 14:
      if (name != "content-length") return true;
      if (known.is_trailer) return reject(400, "Content-Length among the trailers");
      if (known.length_seen) return reject(400, "more than one Content-Length");
      if (known.chunked) return reject(400, "both Content-Length and Transfer-Encoding");
      if (!syntax::parse_length(value, known.length)) return reject(400, "Content-Length is not a number");
      known.length_seen = true;
      return true;
    case 17:
      if (name != "transfer-encoding") return true;
      if (known.is_trailer) return reject(400, "Transfer-Encoding among the trailers");
      if (known.chunked) return reject(400, "more than one Transfer-Encoding");
      if (known.length_seen) return reject(400, "both Content-Length and Transfer-Encoding");
      if (minor_version_ == 0) return reject(400, "Transfer-Encoding in HTTP/1.0");
      if (!syntax::equal_lower(value, "chunked")) return reject(501, "a transfer coding other than chunked");
      known.chunked = true;
      return true;
    default:
      return true;
  }
}

// Reads field lines up to the empty line. Returns the byte after it, or nullptr
// where the input ends before or the message is broken (then state_ is Failed).
const char* MessageParser::parse_fields(const char* p, const char* end, Headers& out, Fields& known) {
  char name[kLongestName];
  for (size_t count = 0;; ++count) {
    if (p == end) return nullptr;
    if (*p == '\r') {
      if (++p == end) return nullptr;
      return *p == '\n' ? p + 1 : reject(400, "CR without LF");
    }
    if (count == limits_.fields) return reject(431, "too many header fields");

    size_t size = 0;
    for (char c; p != end && (c = syntax::token_lower(*p)); ++p) {
      if (size == kLongestName) return reject(431, "a header field's name is too long");
      name[size++] = c;
    }
    if (p == end) return nullptr;
    if (*p != ':') {
      if (*p == '\n') return reject(400, "LF without CR");
      if (size == 0 && (*p == ' ' || *p == '\t')) return reject(400, "a folded header field");
      return reject(400, "an invalid character in a header field's name");
    }
    if (size == 0) return reject(400, "a header field without a name");
    ++p;

    while (p != end && (*p == ' ' || *p == '\t')) ++p;
    const char* begin = p;
    p = syntax::find_control(p, end);
    if (p == end) return nullptr;
    if (*p != '\r') {
      return reject(400, *p == '\n' ? "LF without CR" : "a control character in a header field");
    }
    const char* value_end = p;
    if (++p == end) return nullptr;
    if (*p != '\n') return reject(400, "CR without LF");
    ++p;
    while (value_end != begin && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;

    std::string_view field_name(name, size), value(begin, static_cast<size_t>(value_end - begin));
    if (!note_field(field_name, value, known)) return nullptr;
    if (size != 4 || field_name != "host") out.add(field_name, value);
  }
}

Event MessageParser::parse_body(std::string_view& input) {
  for (;;) {
    switch (state_) {
      case State::Fixed:
      case State::ChunkData: {
        if (input.empty()) return Event::NeedMore;
        size_t size = static_cast<size_t>(std::min<uint64_t>(left_, input.size()));
        data_ = input.substr(0, size);
        input.remove_prefix(size);
        left_ -= size;
        if (left_ == 0) state_ = state_ == State::Fixed ? State::Ending : State::ChunkEnd;
        return Event::Data;
      }
      case State::UntilClose:
        if (input.empty()) return Event::NeedMore;
        data_ = input;
        input.remove_prefix(input.size());
        return Event::Data;
      case State::ChunkEnd:
        if (input.empty()) return Event::NeedMore;
        if (input[0] != '\r') return fail(400, "a chunk is longer than its size");
        if (input.size() < 2) return Event::NeedMore;
        if (input[1] != '\n') return fail(400, "CR without LF");
        input.remove_prefix(2);
        state_ = State::ChunkSize;
        [[fallthrough]];
      case State::ChunkSize:
        if (Event event = parse_chunk_size(input); event != Event::Data) return event;
        break;
      case State::Trailers:
        return parse_trailers(input);
      case State::Ending:
        state_ = State::Done;
        return Event::Complete;
      case State::Done:
        return Event::Complete;
      case State::Head:
      case State::Failed:
        return Event::Error;
    }
  }
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// *( ";" name [ "=" ( token / quoted-string ) ] ), no white space between.
static bool valid_chunk_extensions(std::string_view text) {
  size_t i = 0;
  auto token = [&] {
    size_t begin = i;
    while (i < text.size() && syntax::token_lower(text[i])) ++i;
    return i != begin;
  };
  while (i < text.size()) {
    if (text[i++] != ';' || !token()) return false;
    if (i == text.size() || text[i] != '=') continue;
    if (++i == text.size()) return false;
    if (text[i] != '"') {
      if (!token()) return false;
      continue;
    }
    for (++i; i < text.size() && text[i] != '"'; ++i)
      if (text[i] == '\\' && ++i == text.size()) return false;
    if (i++ == text.size()) return false;
  }
  return true;
}

// Data: go on with the next state.
Event MessageParser::parse_chunk_size(std::string_view& input) {
  uint64_t size = 0;
  size_t i = 0;
  for (int digit; i < input.size() && (digit = hex_value(input[i])) >= 0; ++i) {
    if (i == 15) return fail(400, "a chunk's size is too large");
    size = size << 4 | static_cast<uint64_t>(digit);
  }
  if (i == input.size()) return Event::NeedMore;
  if (i == 0) return fail(400, "a chunk without a size");
  const char* begin = input.data() + i;
  const char* end = input.data() + input.size();
  const char* stop = syntax::find_control(begin, end);
  auto extra = static_cast<size_t>(stop - begin);
  if (extra > kLongestChunkLine) return fail(400, "a chunk extension is too long");
  if (extra > 0 && *begin != ';') return fail(400, "an invalid character in a chunk's size");
  if (stop == end) return Event::NeedMore;
  if (*stop != '\r') return fail(400, "an invalid character after a chunk's size");
  if (stop + 1 == end) return Event::NeedMore;
  if (stop[1] != '\n') return fail(400, "CR without LF");
  if (!valid_chunk_extensions({begin, extra})) return fail(400, "an invalid chunk extension");
  chunk_extra_ += extra;
  if (chunk_extra_ > kChunkExtensions) return fail(400, "too many chunk extensions");
  input.remove_prefix(i + extra + 2);
  left_ = size;
  seen_ = 0;
  state_ = size == 0 ? State::Trailers : State::ChunkData;
  return Event::Data;
}

Event MessageParser::parse_trailers(std::string_view& input) {
  if (!worth_parsing(input) && !input.starts_with("\r\n")) return wait_for_more(input, limits_.head);
  if (!trailers_.empty()) trailers_.clear();
  Fields known;
  known.is_trailer = true;
  const char* begin = input.data();
  const char* rest = parse_fields(begin, begin + input.size(), trailers_, known);
  if (!rest) return state_ == State::Failed ? Event::Error : wait_for_more(input, limits_.head);
  auto used = static_cast<size_t>(rest - begin);
  if (used > limits_.head) return fail(431, "the trailers are too large");
  input.remove_prefix(used);
  state_ = State::Done;
  seen_ = 0;
  return Event::Complete;
}

void remove_named_by_connection(Headers& headers) {
  std::string names = headers.joined("connection");
  headers.remove("connection");
  std::string_view rest = names;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string name;
    for (char c : rest.substr(0, comma))
      if (char lower = syntax::token_lower(c)) name += lower;
    // Whether the field of that name counts is its reader's to say.
    if (!name.empty() && name != "close" && name != "upgrade") headers.remove(name);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

}  // namespace http::h1
