// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "telemetry/record.h"

namespace telemetry {

// A text with Envoy's command operators (%REQ(:PATH)%, %RESPONSE_FLAGS%, ...),
// compiled once and rendered for many records. An unknown operator is an error,
// as in Envoy. What a record lacks prints "-", or nothing where it says so.
class Format {
 public:
  enum class Missing { Dash, Nothing };

  static base::Result<Format> parse(std::string_view text);

  void append(const Record& record, std::string& out, Missing missing = Missing::Dash) const;
  // The value as JSON: numbers stay numbers where the format is one operator alone; null where missing.
  base::Json json(const Record& record) const;
  bool constant() const;  // has no operator
  bool empty() const { return pieces_.empty(); }

 private:
  enum class Op : uint8_t;
  struct Piece {
    Op op{};
    std::string text;               // the literal, the header's name or the time format
    std::string alternative;        // REQ(A?B)
    std::vector<std::string> path;  // DYNAMIC_METADATA(text:path:path)
    size_t most = 0;                // 0: any length
  };
  static base::Result<Piece> parse_operator(std::string_view text);
  static bool append_value(const Piece& piece, const Record& record, std::string& out);
  std::vector<Piece> pieces_;
};

// One line a record: a text format, or JSON with a format per key.
class LineFormat {
 public:
  static base::Result<LineFormat> text(std::string_view format);  // the line's end is part of the format
  static base::Result<LineFormat> json(const base::Json& object);
  static LineFormat standard();  // Istio's default text line

  void append(const Record& record, std::string& out) const;

 private:
  struct Node {
    std::string key;
    Format format;
    std::vector<Node> children;
    bool object = false;
  };
  static base::Result<std::vector<Node>> nodes_of(const base::Json& object);
  static base::Json render(const std::vector<Node>& nodes, const Record& record);

  Format text_;
  std::vector<Node> nodes_;
  bool json_ = false;
};

}  // namespace telemetry
