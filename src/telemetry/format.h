// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "telemetry/operator.h"
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
  // Line breaks and escapes in values become spaces; the format's own stay.
  void append_line(const Record& record, std::string& out, Missing missing) const;
  // The value as JSON text: numbers stay numbers where the format is one operator alone; null where missing.
  void append_json(const Record& record, std::string& out) const;
  bool constant() const;  // has no operator
  bool empty() const { return pieces_.empty(); }

 private:
  std::vector<Operator> pieces_;
};

// One line a record: a text format, or JSON with a format for each string in it.
class LineFormat {
 public:
  enum class Empty { Shown, Left };  // what is missing: "-" and null, or nothing at all

  static base::Result<LineFormat> text(std::string_view format,
                                       Empty empty = Empty::Shown);  // the line's end is part of the format
  static base::Result<LineFormat> json(const base::Json& object, Empty empty = Empty::Shown);
  static LineFormat standard();  // Istio's default text line
  static LineFormat envoy();     // Envoy's own default text line

  void append(const Record& record, std::string& out) const;
  // The same, and no value breaks the line: a peer must not be able to forge one.
  void append_line(const Record& record, std::string& out) const;

 private:
  // A value of the JSON: a format, an object, an array, or what is written as it is.
  struct Node {
    enum class Kind : uint8_t { Format, Object, Array, Constant } kind = Kind::Constant;
    std::string key;  // as JSON text with its colon; empty in arrays
    Format format;
    std::string constant;
    std::vector<Node> children;
  };
  static base::Result<Node> node_of(const base::Json& value);
  void append_json(const Node& node, const Record& record, std::string& out) const;

  Format text_;
  Node root_;
  bool json_ = false;
  Empty empty_ = Empty::Shown;
};

}  // namespace telemetry
