// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/json.h"
#include "base/yaml_scalar.h"

namespace base {
namespace {

bool printable_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; });
}

// Whether the text reads back as itself without quotes.
bool plain(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (std::string_view("!&*,-.:?[]{}#|>@`\"'%~=<").find(text.front()) != text.npos) {
    bool word_follows = text.size() > 1 && text[1] != ' ';
    bool harmless = text.front() == '-' || text.front() == '.' || text.front() == ':' || text.front() == '?' ||
                    text.front() == '~' || text.front() == '=' || text.front() == '<';
    if (!harmless || !word_follows) return false;
  }
  if (text.starts_with("---") || text.starts_with("...")) return false;
  if (text.find(": ") != text.npos || text.find(" #") != text.npos || text.find('\n') != text.npos) return false;
  auto value = plain_scalar(text);
  return value && value->is_string() && text != "<<";
}

// Digits and dashes that other YAML readers take for a date or a base-60 number.
bool looks_dated(std::string_view text) {
  return !text.empty() && text.front() >= '0' && text.front() <= '9' &&
         text.find_first_not_of("0123456789-:.TZ+_ ") == text.npos &&
         (text.find('-') != text.npos || text.find(':') != text.npos);
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

// As in JSON, which may hold DEL as it is.
std::string double_quoted(std::string_view text) {
  std::string out = Json(text).dump();
  for (size_t at = 0; (at = out.find('\x7f', at)) != out.npos;) out.replace(at, 1, "\\x7f");
  return out;
}

std::string one_line(std::string_view text) {
  auto value = plain_scalar(text);
  if (!value || !value->is_string() || looks_dated(text)) return double_quoted(text);
  if (!printable_text(text)) return double_quoted(text);
  return plain(text) ? std::string(text) : single_quoted(text);
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  // What follows "key:" or "-", ending with a line break.
  void value(const Json& json, size_t indent) {
    switch (json.type()) {
      case Json::value_t::object:
        if (json.empty()) return line(" {}");
        out_ += '\n';
        return members(json, indent);
      case Json::value_t::array:
        if (json.empty()) return line(" []");
        out_ += '\n';
        return elements(json, indent);
      case Json::value_t::string: {
        const auto& text = json.get_ref<const std::string&>();
        if (text.find('\n') != text.npos && literal_fits(text)) return literal(text, indent);
        return line(text.find('\n') == text.npos ? " " + one_line(text) : " " + double_quoted(text));
      }
      default:
        return line(" " + json.dump());
    }
  }

  void members(const Json& json, size_t indent, bool first_is_begun = false) {
    for (const auto& [key, member] : json.items()) {
      if (!std::exchange(first_is_begun, false)) out_.append(indent, ' ');
      out_ += key.find('\n') == key.npos ? one_line(key) : double_quoted(key);
      out_ += ':';
      value(member, member.is_array() ? indent : indent + 2);  // lists are not indented, as kubectl's
    }
  }

  void elements(const Json& json, size_t indent) {
    for (const Json& element : json) {
      out_.append(indent, ' ');
      out_ += '-';
      if (element.is_object() && !element.empty()) {
        out_ += ' ';
        members(element, indent + 2, true);
      } else if (element.is_array() && !element.empty()) {
        out_ += ' ';
        nested_elements(element, indent + 2);
      } else {
        value(element, indent + 2);
      }
    }
  }

 private:
  void nested_elements(const Json& json, size_t indent) {
    Writer inner;
    inner.elements(json, indent);
    out_ += inner.take().substr(indent);  // "- - a": the first element follows the outer dash
  }

  static bool literal_fits(const std::string& text) {
    return printable_text(text) && text.front() != ' ' && text.front() != '\n';
  }

  void literal(std::string_view text, size_t indent) {
    size_t last = text.find_last_not_of('\n');
    size_t breaks = text.size() - last - 1;
    out_ += breaks == 0 ? " |-\n" : breaks == 1 ? " |\n" : " |+\n";
    std::string_view body = text.substr(0, breaks == 0 ? text.size() : text.size() - 1);
    while (true) {
      size_t end = std::min(body.find('\n'), body.size());
      if (end > 0) out_.append(indent, ' ');
      out_ += body.substr(0, end);
      out_ += '\n';
      if (end == body.size()) return;
      body.remove_prefix(end + 1);
    }
  }

  void line(std::string_view text) {
    out_ += text;
    out_ += '\n';
  }

  std::string out_;
};

}  // namespace

std::string to_yaml(const Json& value) {
  Writer writer;
  if (value.is_object() && !value.empty()) {
    writer.members(value, 0);
    return writer.take();
  }
  if (value.is_array() && !value.empty()) {
    writer.elements(value, 0);
    return writer.take();
  }
  writer.value(value, 2);
  return writer.take().substr(1);
}

}  // namespace base
