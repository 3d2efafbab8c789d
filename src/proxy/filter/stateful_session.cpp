// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/stateful_session.h"

#include "base/strings.h"
#include "proxy/filter/cookie.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

struct Begun final : FilterState {
  std::string wanted;
  bool below = true;  // the cookie's path, before any rewrite
};

// The cookie's value is base64 of envoy.Cookie: 1 address, 2 expires (seconds since 1970).
std::string encode(std::string_view address, uint64_t expires) {
  std::string out = "\x0a";
  out += static_cast<char>(address.size());  // an address is short
  out += address;
  if (expires) {
    out += '\x10';
    for (; expires >= 0x80; expires >>= 7) out += static_cast<char>(expires | 0x80);
    out += static_cast<char>(expires);
  }
  return base::to_base64(out);
}

struct Kept {
  std::string address;
  uint64_t expires = 0;
};
std::optional<Kept> decode(std::string_view in) {
  Kept out;
  while (!in.empty()) {
    char tag = in.front();
    in.remove_prefix(1);
    if (tag == '\x0a') {
      if (in.empty() || in.size() < 1u + static_cast<unsigned char>(in[0])) return std::nullopt;
      size_t size = static_cast<unsigned char>(in[0]);
      out.address = in.substr(1, size);
      in.remove_prefix(1 + size);
    } else if (tag == '\x10') {
      int shift = 0;
      for (;; shift += 7) {
        if (in.empty() || shift > 63) return std::nullopt;
        auto byte = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        out.expires |= uint64_t{byte & 0x7fu} << shift;
        if (!(byte & 0x80)) break;
      }
    } else {
      return std::nullopt;
    }
  }
  return out;
}

uint64_t seconds(std::chrono::system_clock::time_point time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

// Is the request's path below the cookie's (RFC 6265, 5.1.4)?
bool below(std::string_view path, std::string_view cookie_path) {
  if (cookie_path.empty() || cookie_path == "/") return true;
  if (!path.starts_with(cookie_path)) return false;
  return path.size() == cookie_path.size() || cookie_path.ends_with('/') || path[cookie_path.size()] == '/';
}

}  // namespace

std::optional<std::string> SessionKeeping::wanted(const http::RequestHead& request,
                                                  std::chrono::system_clock::time_point now) const {
  if (!header.empty()) {
    auto value = request.headers.get(header);
    return value ? base::from_base64(*value) : std::nullopt;
  }
  if (!below(request.path_only(), path)) return std::nullopt;
  auto text = cookie_of(request.headers, cookie);
  auto bytes = text ? base::from_base64(*text) : std::nullopt;
  if (!bytes) return std::nullopt;
  auto kept = decode(*bytes);
  if (!kept) return bytes;  // as Envoy: what is no such message is the address itself, an older form
  if (kept->address.empty() || (kept->expires && kept->expires < seconds(now))) return std::nullopt;
  return std::move(kept->address);
}

void SessionKeeping::write(std::string_view address, std::chrono::system_clock::time_point now,
                           http::Headers& headers) const {
  if (!header.empty()) return headers.set(header, base::to_base64(address));
  uint64_t expires = ttl.count() > 0 ? seconds(now + ttl) : 0;
  std::string text = cookie + "=\"" + encode(address, expires) + "\"";
  if (ttl.count() > 0) text += "; Max-Age=" + std::to_string(ttl.count());
  if (!path.empty()) text += "; Path=" + path;
  headers.add("set-cookie", text + attributes + "; HttpOnly");
}

const SessionKeeping* StatefulSessionFilter::keeping_of(const Stream& stream) const {
  const auto* own = stream.policy<SessionKeeping>(*this);
  const SessionKeeping* keeping = own ? own : keeping_.get();
  return keeping && !keeping->off ? keeping : nullptr;
}

Verdict StatefulSessionFilter::on_request(Stream& stream) const {
  const SessionKeeping* keeping = keeping_of(stream);
  if (!keeping) return Continue{};
  Begun& session = stream.state<Begun>(*this);
  session.below = !keeping->header.empty() || below(stream.request.path_only(), keeping->path);
  if (auto wanted = keeping->wanted(stream.request, stream.worker().wall_clock())) {
    auto address = net::Address::parse_host_port(*wanted);
    session.wanted = address ? address->text() : *wanted;
    stream.prefer_host(address.value_or(net::Address()), keeping->strict);
  }
  return Continue{};
}

void StatefulSessionFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  const Begun* session = stream.find_state<Begun>(*this);
  if (!session || stream.replied() || stream.record.upstream_host.empty()) return;
  const SessionKeeping* keeping = keeping_of(stream);
  if (!keeping || stream.record.upstream_host == session->wanted) return;
  if (session->below) keeping->write(stream.record.upstream_host, stream.worker().wall_clock(), head.headers);
}

}  // namespace proxy
