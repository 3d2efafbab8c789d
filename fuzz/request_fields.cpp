// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "base/strings.h"
#include "fuzz/quiet.h"
#include "fuzz/require.h"
#include "http/message.h"
#include "proxy/filter/cookie.h"
#include "proxy/filter/stateful_session.h"
#include "proxy/stream/path.h"
#include "proxy/stream/peer.h"

using fuzz::require;

namespace {

// A path that was made plain is plain: a second proxy, or a policy that looks again, reads the same.
void check_path(std::string_view text, bool normalize, bool merge) {
  std::string path(text);
  if (!proxy::normalize_path(path, normalize, merge)) return;
  std::string again = path;
  require(proxy::normalize_path(again, normalize, merge) && again == path);
  if (!normalize || path == "*") return;
  const std::string_view only = std::string_view(path).substr(0, path.find('?'));
  require(only.starts_with('/') && only.find('\\') == only.npos);
  require(only.find("/../") == only.npos && !only.ends_with("/.."));
  require(only.find("/./") == only.npos && !only.ends_with("/."));
  if (merge) require(only.find("//") == only.npos);
}

// Only %2F and %5C are taken for slashes.
void check_escaped_slashes(std::string_view text) {
  const std::string_view only = text.substr(0, text.find('?'));
  std::string lower = base::to_lower(only);
  const bool escaped = lower.find("%2f") != lower.npos || lower.find("%5c") != lower.npos;
  require(proxy::has_escaped_slash(text) == escaped);
  const std::string plain = proxy::unescape_slashes(text);
  if (!escaped) require(plain == text);
  require(plain.ends_with(text.substr(only.size())));
}

void check_cookie(std::string_view text) {
  http::Headers headers;
  headers.add("cookie", text);
  const size_t equals = text.find('=');
  const std::string_view name = base::trim(text.substr(0, equals));
  auto value = proxy::cookie_of(headers, name);
  if (value) require(text.find(*value) != text.npos);
  headers.add("cookie", "last=1");
  require(proxy::cookie_of(headers, "last").has_value());
}

// What a peer says of itself, said again, is the same.
void check_peer(std::string_view text) {
  auto peer = proxy::decode_peer(text);
  if (!peer) return;
  auto again = proxy::decode_peer(proxy::encode_peer(*peer));
  if (!again) return;  // longer than what is taken
  require(again->name == peer->name && again->ns == peer->ns && again->app == peer->app &&
          again->version == peer->version && again->canonical_service == peer->canonical_service &&
          again->canonical_revision == peer->canonical_revision && again->cluster == peer->cluster);
}

// The endpoint that a session's cookie names is named again by the cookie that it is answered with.
void check_session(std::string_view text) {
  proxy::SessionKeeping keeping;
  keeping.cookie = "s";
  http::RequestHead request;
  request.path = "/";
  request.headers.add("cookie", "s=" + std::string(text));
  const auto now = std::chrono::system_clock::time_point(std::chrono::hours(24 * 365 * 50));
  auto wanted = keeping.wanted(request, now);
  constexpr size_t kLongestAddress = 127;  // a Unix socket's path is shorter
  if (!wanted || wanted->size() > kLongestAddress) return;
  http::Headers answer;
  keeping.write(*wanted, now, answer);
  const std::string cookie(*answer.get("set-cookie"));
  request.headers.set("cookie", cookie.substr(0, cookie.find(';')));
  require(keeping.wanted(request, now) == wanted);
}

}  // namespace

// A byte of settings, then a value that a stranger's request carries.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view text = fuzz::text_of(data + 1, size - 1);
  check_path(text, data[0] & 1, data[0] & 2);
  check_escaped_slashes(text);
  check_cookie(text);
  check_peer(text);
  check_session(text);
  http::query_parameters(text, "a");
  return 0;
}
