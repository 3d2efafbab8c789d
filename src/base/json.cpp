// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

namespace base {
namespace {

// Where the lexer is, for messages.
struct Position {
  const char* at;
  size_t line = 1;
  size_t column = 0;  // of the byte read last
};

// Feeds the lexer one byte at a time and keeps the position, which its
// callbacks do not tell.
class Bytes {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Bytes(const char* at, Position* position) : at_(at), position_(position) {}

  const char& operator*() const { return *at_; }
  Bytes& operator++() {
    if (*at_ == '\n') {
      ++position_->line;
      position_->column = 0;
    } else {
      ++position_->column;
    }
    position_->at = ++at_;
    return *this;
  }
  Bytes operator++(int) {
    Bytes before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Bytes& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  Position* position_;
};

// Builds the document; knows the depth and the path it is at.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(const Position& position, Duplicates duplicates) : position_(position), refuse_(duplicates) {}

  Json take_root() { return std::move(root_); }
  std::vector<std::string> take_duplicates() { return std::move(duplicates_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    Level& level = levels_.back();
    level.key = std::move(value);
    if (!level.value->contains(level.key)) return true;
    duplicates_.push_back(path());
    if (refuse_ == Duplicates::Allow) return true;
    return stop(fmt::format("the key \"{}\" is there twice", duplicates_.back()));
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." : the part after the position
    std::string_view text = error.what();
    for (std::string_view mark : {": syntax error ", ": "})
      if (size_t at = text.find(mark); at != text.npos) {
        text.remove_prefix(at + mark.size());
        break;
      }
    return stop(std::string(text));
  }

 private:
  struct Level {
    Json* value;
    std::string key;  // the member being read, in an object
  };

  bool stop(std::string why) {
    if (problem_.empty()) problem_ = fmt::format("line {}, column {}: {}", position_.line, position_.column, why);
    return false;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  Json* place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.value->is_array()) {
      level.value->push_back(std::move(value));
      return &level.value->back();
    }
    Json& member = (*level.value)[level.key];
    member = std::move(value);
    return &member;
  }

  bool open(Json empty) {
    if (levels_.size() >= kMaxDocumentDepth)
      return stop(fmt::format("nested deeper than {} levels", kMaxDocumentDepth));
    levels_.push_back({place(std::move(empty)), {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string path() const {
    std::string out;
    for (const Level& level : levels_) {
      if (level.value->is_array()) {
        out += fmt::format("[{}]", level.value->size() - 1);
      } else {
        if (!out.empty()) out += '.';
        out += level.key;
      }
    }
    return out;
  }

  const Position& position_;
  const Duplicates refuse_;
  Json root_;
  std::vector<Level> levels_;  // pointers stay good: only the innermost value grows
  std::vector<std::string> duplicates_;
  std::string problem_;
};

Result<JsonDocument> parse(std::string_view text, Duplicates duplicates) {
  // Escaped in strings and nowhere else (RFC 8259 section 7); the parser would take it for the end.
  if (text.find('\0') != text.npos) return fail(ErrorKind::Invalid, "JSON: a NUL byte");
  Position position{.at = text.data()};
  Builder builder(position, duplicates);
  Bytes begin(text.data(), &position);
  Bytes end(text.data() + text.size(), &position);
  if (!Json::sax_parse(begin, end, &builder)) return fail(ErrorKind::Invalid, builder.problem());
  return JsonDocument{builder.take_root(), builder.take_duplicates()};
}

}  // namespace

Result<Json> parse_json(std::string_view text, Duplicates duplicates) { return TRY(parse(text, duplicates)).value; }

Result<JsonDocument> parse_json_document(std::string_view text) { return parse(text, Duplicates::Allow); }

}  // namespace base
