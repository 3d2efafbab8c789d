// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "base/json.h"
#include "base/yaml_scalar.h"

namespace base {
namespace {

// What aliases may add to one stream, in values: enough for any manifest, too
// little for a "billion laughs".
constexpr size_t kMostAliasedValues = 100'000;

// The length of the UTF-8 sequence that the text begins with, 0 where it begins with none.
size_t sequence_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // longer than need be
  if (first == 0xed && byte(1) > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;  // beyond Unicode
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// YAML has no control characters but tab and line breaks.
bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

std::string key_text(const Json& key) { return key.is_string() ? key.get<std::string>() : key.dump(); }

// Turns yaml-cpp's events into JSON values. The first problem stops the parser
// by an exception of our own, caught where the parser is called.
class Documents : public YAML::EventHandler {
 public:
  struct Stop {
    YAML::Mark mark;
    std::string why;
  };

  std::vector<Json> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp does not move past a token that begins no value (a lone comma): it would go on for ever.
    if (mark.pos == std::exchange(started_, mark.pos)) throw Stop{mark, "nothing that could begin a value"};
    anchors_.clear();
    document_ = Json();
  }
  void OnDocumentEnd() override {
    if (!document_.is_null()) documents_.push_back(std::move(document_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, anchor, {nullptr, 1}); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Stop{mark, "an alias inside the value that it stands for"};
    aliased_ += found->second.count;
    if (aliased_ > kMostAliasedValues) throw Stop{mark, "aliases expand to too many values"};
    add(mark, 0, found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (!is_utf8(text)) throw Stop{mark, "the escapes \\_ and \\N are not read here; write the character itself"};
    if (wants_key() && tag == "?" && text == "<<") return take_key(mark, "<<", Key::Merge);
    add(mark, anchor, {scalar(mark, tag, text), 1});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  enum class Key { None, Plain, Merge };
  struct Node {
    Json value;
    size_t count = 1;  // values in it, itself included
  };
  struct Level {
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    Node node;
    Key has = Key::None;  // of a map: the key that waits for its value
    std::string key;
    Json merged = Json::object();  // what "<<" brings; explicit keys win
  };

  static Json scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    std::string_view type = tag;
    if (type == "!" || type == "") return text;
    if (type != "?") {
      if (!type.starts_with(kCore)) throw Stop{mark, fmt::format("unknown tag \"{}\"", tag)};
      type.remove_prefix(kCore.size());
      if (type == "str" || type == "binary") return text;
    }
    auto value = plain_scalar(text);
    if (!value) throw Stop{mark, fmt::format("the number {} cannot be written in JSON", text)};
    return *std::move(value);
  }

  bool wants_key() const {
    return !levels_.empty() && levels_.back().node.value.is_object() && levels_.back().has == Key::None;
  }

  void take_key(const YAML::Mark& mark, std::string key, Key kind) {
    Level& level = levels_.back();
    if (kind == Key::Plain && level.node.value.contains(key))
      throw Stop{mark, fmt::format("the key \"{}\" is there twice", key)};
    level.key = std::move(key);
    level.has = kind;
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Node node) {
    if (anchor) anchors_[anchor] = node;
    if (levels_.empty()) {
      document_ = std::move(node.value);
      return;
    }
    if (wants_key()) {
      if (node.value.is_structured() || node.value.is_null()) throw Stop{mark, "a key must be a scalar"};
      return take_key(mark, key_text(node.value), Key::Plain);
    }
    Level& level = levels_.back();
    level.node.count += node.count;
    if (level.node.value.is_array()) {
      level.node.value.push_back(std::move(node.value));
    } else if (std::exchange(level.has, Key::None) == Key::Merge) {
      merge(mark, level.merged, node.value);
    } else {
      level.node.value[level.key] = std::move(node.value);
    }
  }

  static void merge(const YAML::Mark& mark, Json& into, const Json& from) {
    if (from.is_array()) {
      for (const Json& each : from) merge(mark, into, each);
    } else if (from.is_object()) {
      for (const auto& [key, value] : from.items()) into.emplace(key, value);  // the first one wins
    } else {
      throw Stop{mark, "<< takes a map or a list of maps"};
    }
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Json empty) {
    if (wants_key()) throw Stop{mark, "a key must be a scalar"};
    if (levels_.size() >= kMaxDocumentDepth)
      throw Stop{mark, fmt::format("nested deeper than {} levels", kMaxDocumentDepth)};
    Level level;
    level.mark = mark;
    level.anchor = anchor;
    level.node.value = std::move(empty);
    levels_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    for (auto& [key, value] : level.merged.items()) level.node.value.emplace(key, std::move(value));
    add(level.mark, level.anchor, std::move(level.node));
  }

  std::vector<Json> documents_;
  Json document_;
  int started_ = -1;  // where the last document began
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t aliased_ = 0;
};

std::unexpected<Error> problem(const YAML::Mark& mark, std::string_view why) {
  if (mark.is_null()) return fail(ErrorKind::Invalid, std::string(why));
  return fail(ErrorKind::Invalid, fmt::format("line {}, column {}: {}", mark.line + 1, mark.column + 1, why));
}

// yaml-cpp passes bytes on as they are, and reads UTF-16 too.
Result<void> check_characters(std::string_view text) {
  YAML::Mark mark;
  for (size_t at = 0; at < text.size();) {
    size_t length = sequence_length(text.substr(at));
    if (length == 0 || is_control(text[at])) return problem(mark, "not UTF-8, or a control character");
    mark.column = text[at] == '\n' ? 0 : mark.column + 1;
    mark.line += text[at] == '\n';
    at += length;
  }
  return {};
}

}  // namespace

Result<std::vector<Json>> parse_yaml(std::string_view text) {
  TRY(check_characters(text));
  std::istringstream stream{std::string(text)};
  Documents documents;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(documents)) {
    }
  } catch (const Documents::Stop& stop) {
    return problem(stop.mark, stop.why);
  } catch (const YAML::Exception& error) {
    return problem(error.mark, error.msg);
  }
  return documents.take();
}

}  // namespace base
