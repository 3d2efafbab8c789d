// SPDX-License-Identifier: Apache-2.0
#include "telemetry/format.h"

namespace telemetry {

base::Result<Format> Format::parse(std::string_view text) {
  Format out;
  std::string literal;
  auto flush = [&] {
    if (literal.empty()) return;
    Operator piece;
    piece.kind = Operator::Kind::Literal;
    piece.text = std::move(literal);
    out.pieces_.push_back(std::move(piece));
    literal.clear();
  };
  while (!text.empty()) {
    size_t percent = text.find('%');
    literal += text.substr(0, percent);
    if (percent == text.npos) break;
    text.remove_prefix(percent + 1);
    if (text.starts_with('%')) {  // "%%" is one percent sign
      literal += '%';
      text.remove_prefix(1);
      continue;
    }
    size_t end = text.find('%');
    if (size_t open = text.find('('); open != text.npos && open < end) {  // a time format holds percent signs
      size_t close = text.find(')', open);
      end = close == text.npos ? text.npos : text.find('%', close);
    }
    if (end == text.npos) return base::fail(base::ErrorKind::Invalid, "a format operator lacks its closing %");
    flush();
    out.pieces_.push_back(TRY(Operator::parse(text.substr(0, end))));
    text.remove_prefix(end + 1);
  }
  flush();
  return out;
}

bool Format::constant() const {
  for (const Operator& piece : pieces_)
    if (piece.kind != Operator::Kind::Literal) return false;
  return true;
}

void Format::append(const Record& record, std::string& out, Missing missing) const {
  for (const Operator& piece : pieces_)
    if (!piece.append(record, out) && missing == Missing::Dash) out += '-';
}

void Format::append_line(const Record& record, std::string& out, Missing missing) const {
  for (const Operator& piece : pieces_) {
    const size_t before = out.size();
    if (!piece.append(record, out) && missing == Missing::Dash) out += '-';
    if (piece.kind == Operator::Kind::Literal) continue;
    for (size_t i = before; i < out.size(); ++i)
      if (out[i] == '\n' || out[i] == '\r' || out[i] == '\x1b') out[i] = ' ';
  }
}

void Format::append_json(const Record& record, std::string& out) const {
  if (pieces_.size() == 1) return pieces_[0].append_json(record, out);
  std::string text;
  append(record, text);
  append_json_string(text, out);
}

base::Result<LineFormat> LineFormat::text(std::string_view format, Empty empty) {
  LineFormat out;
  out.text_ = TRY(Format::parse(format));
  out.empty_ = empty;
  return out;
}

LineFormat LineFormat::standard() {
  auto parsed = text(
      "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
      "%RESPONSE_FLAGS% "
      "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" "
      "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
      "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
      "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "
      "%ROUTE_NAME%\n");
  return std::move(*parsed);
}

LineFormat LineFormat::envoy() {
  auto parsed = text(
      "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
      "%RESPONSE_FLAGS% "
      "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
      "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n");
  return std::move(*parsed);
}

base::Result<LineFormat::Node> LineFormat::node_of(const base::Json& value) {
  Node out;
  if (value.is_object()) {
    out.kind = Node::Kind::Object;
    for (const auto& [key, part] : value.items()) {
      out.children.push_back(TRY(node_of(part)));
      append_json_string(key, out.children.back().key);
      out.children.back().key += ':';
    }
  } else if (value.is_array()) {
    out.kind = Node::Kind::Array;
    for (const auto& part : value) out.children.push_back(TRY(node_of(part)));
  } else if (value.is_string()) {
    out.kind = Node::Kind::Format;
    out.format = TRY(Format::parse(value.get<std::string>()));
    if (out.format.empty() || out.format.constant()) {
      out.kind = Node::Kind::Constant;
      std::string text;
      out.format.append({}, text);
      append_json_string(text, out.constant);
    }
  } else {
    out.constant = value.dump();
  }
  return out;
}

base::Result<LineFormat> LineFormat::json(const base::Json& object, Empty empty) {
  LineFormat out;
  out.json_ = true;
  out.root_ = TRY(node_of(object));
  out.empty_ = empty;
  return out;
}

void LineFormat::append_json(const Node& node, const Record& record, std::string& out) const {
  if (node.kind == Node::Kind::Constant) return void(out += node.constant);
  if (node.kind == Node::Kind::Format) return node.format.append_json(record, out);
  bool object = node.kind == Node::Kind::Object;
  out += object ? '{' : '[';
  bool first = true;
  for (const Node& child : node.children) {
    size_t before = out.size();
    if (!first) out += ',';
    out += child.key;
    size_t value = out.size();
    append_json(child, record, out);
    if (empty_ == Empty::Left && object && std::string_view(out).substr(value) == "null")
      out.resize(before);
    else
      first = false;
  }
  out += object ? '}' : ']';
}

void LineFormat::append(const Record& record, std::string& out) const {
  if (!json_)
    return text_.append(record, out, empty_ == Empty::Left ? Format::Missing::Nothing : Format::Missing::Dash);
  append_json(root_, record, out);
  out += '\n';
}

void LineFormat::append_line(const Record& record, std::string& out) const {
  if (json_) return append(record, out);
  text_.append_line(record, out, empty_ == Empty::Left ? Format::Missing::Nothing : Format::Missing::Dash);
}

}  // namespace telemetry
