// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// Header fields in the order they came. Names are lower case (HTTP/2's form);
// HTTP/1 names are lowered when parsed and look-ups take lower-case names.
// Pseudo-headers are not in here. A message has few fields, so a look-up is a
// scan over contiguous bytes: all names and values lie in one arena.
class Headers {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  void add(std::string_view name, std::string_view value);
  void set(std::string_view name, std::string_view value);  // replaces all of that name by one
  bool remove(std::string_view name);                       // all of that name
  void clear();

  std::optional<std::string_view> get(std::string_view name) const;  // the first of that name
  std::string joined(std::string_view name) const;                   // all of that name, joined by ","
  bool contains(std::string_view name) const { return get(name).has_value(); }
  size_t count(std::string_view name) const;

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  Field operator[](size_t i) const { return view(fields_[i]); }
  size_t bytes() const { return live_bytes_; }  // names and values, for limits

  class Iterator {
   public:
    Iterator(const Headers& headers, size_t i) : headers_(headers), i_(i) {}
    Field operator*() const { return headers_[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return i_ != other.i_; }

   private:
    const Headers& headers_;
    size_t i_;
  };
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, fields_.size()}; }

 private:
  struct Entry {
    uint32_t name_at, name_size, value_at, value_size;  // into arena_
  };
  Field view(const Entry& e) const {
    return {std::string_view(arena_).substr(e.name_at, e.name_size),
            std::string_view(arena_).substr(e.value_at, e.value_size)};
  }
  std::string arena_;
  std::vector<Entry> fields_;
  size_t live_bytes_ = 0;
};

}  // namespace http
