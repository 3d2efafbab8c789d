// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/path.h"

#include <algorithm>
#include <vector>

namespace proxy {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// The byte of two hexadecimal digits; -1 where they are none.
int byte_of(char high, char low) { return hex(high) < 0 || hex(low) < 0 ? -1 : hex(high) * 16 + hex(low); }

// A dot segment goes with its parameters ("..;a=b"), for servers that drop those later and then climb. As Envoy, but
// after bytes were decoded: a second look finds nothing more.
std::string_view without_parameters(std::string_view segment) {
  return segment.starts_with(".;") ? "." : segment.starts_with("..;") ? ".." : segment;
}

void merge_slashes_of(std::string& path) {
  path.erase(std::unique(path.begin(), path.end(), [](char a, char b) { return a == '/' && b == '/'; }), path.end());
}

// Nothing in it that normalisation could change; the usual case.
bool is_plain(std::string_view path) {
  char before = 0;
  for (char c : path) {
    if (c == '%' || c == '\\' || (before == '/' && (c == '.' || c == '/'))) return false;
    before = c;
  }
  return true;
}

}  // namespace

bool has_escaped_slash(std::string_view path) {
  path = path.substr(0, path.find('?'));
  for (size_t at = path.find('%'); at != path.npos && at + 2 < path.size(); at = path.find('%', at + 1)) {
    const int code = byte_of(path[at + 1], path[at + 2]);
    if (code == '/' || code == '\\') return true;
  }
  return false;
}

std::string unescape_slashes(std::string_view path) {
  std::string out;
  size_t query = std::min(path.find('?'), path.size());
  for (size_t i = 0; i < query; ++i) {
    const int code = path[i] == '%' && i + 2 < query ? byte_of(path[i + 1], path[i + 2]) : -1;
    if (code == '/' || code == '\\') {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out += path.substr(query);
}

bool normalize_path(std::string& path, bool normalize, bool merge_slashes) {
  if (path == "*") return true;  // OPTIONS
  if (!path.starts_with('/') || path.find('#') != std::string::npos) return false;
  std::string_view whole = path;
  size_t query_at = std::min(whole.find('?'), whole.size());
  std::string_view only = whole.substr(0, query_at), query = whole.substr(query_at);
  if (is_plain(only)) return true;

  std::string decoded;
  decoded.reserve(only.size());
  for (size_t i = 0; i < only.size(); ++i) {
    char c = only[i];
    if (normalize && c == '\\') c = '/';
    if (normalize && c == '%') {
      const int code = i + 2 < only.size() ? byte_of(only[i + 1], only[i + 2]) : -1;
      if (code <= 0) return false;
      const char value = static_cast<char>(code);
      if (unreserved(value)) {
        decoded += value;
      } else {
        decoded += only.substr(i, 3);
      }
      i += 2;
      continue;
    }
    decoded += c;
  }
  if (!normalize) {
    if (merge_slashes) merge_slashes_of(decoded);
    path = decoded + std::string(query);
    return true;
  }

  std::string out;
  std::string_view rest = decoded;
  while (!rest.empty()) {  // one segment with its slash before it at a time
    size_t next = std::min(rest.find('/', 1), rest.size());
    std::string_view segment = without_parameters(rest.substr(1, next - 1));
    bool last = next == rest.size();
    if (segment == ".") {
      if (last) out += '/';
    } else if (segment == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
      if (last) out += '/';
    } else {
      out += '/';
      out += segment;
    }
    rest.remove_prefix(next);
  }
  if (out.empty()) out = "/";
  if (merge_slashes) merge_slashes_of(out);
  path = out + std::string(query);
  return true;
}

}  // namespace proxy
