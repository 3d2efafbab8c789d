// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/jwks_cache.h"

#include "base/log.h"
#include "proxy/runtime/worker.h"

namespace proxy {

const identity::Jwks* JwksCache::keys(const RemoteKeys& source) const {
  if (!keys_) return nullptr;
  // In the background they are replaced when others came; until then the last ones count, as in Envoy.
  return source.background || worker_.loop().now() < until_ ? &*keys_ : nullptr;
}

void JwksCache::wait(const RemoteKeys& source, KeysWaiter& waiter) {
  waiters_.push_back(waiter);
  if (!call_.busy()) fetch(source);
}

void JwksCache::fetch(const RemoteKeys& source) {
  if (&source != &source_) source_ = source;
  http::Request request;
  request.authority = source_.authority;
  request.path = source_.path;
  call_.send(source_.target, request, [this](SideAnswer& answer) { fetched(answer); });
}

void JwksCache::fetched(SideAnswer& answer) {
  bool good = false;
  if (answer.arrived && answer.status == 200) {
    auto parsed = identity::Jwks::parse(answer.body);
    good = parsed.has_value();
    if (good)
      keys_ = std::move(*parsed);
    else
      base::log::warn("keys from {}{}: {}", source_.authority, source_.path, parsed.error().message);
  } else {
    base::log::warn("keys from {}{}: {}", source_.authority, source_.path,
                    answer.arrived ? "status " + std::to_string(answer.status) : "no answer");
  }
  worker_.count(good ? source_.fetched : source_.failed);
  if (good) until_ = worker_.loop().now() + source_.keep;
  if (source_.background) timer_.arm(good ? source_.keep : source_.retry_after);
  List<KeysWaiter, AwaitsKeys> told;  // who asks again while they are told waits for the next fetch
  while (!waiters_.empty()) told.push_back(waiters_.front());
  while (!told.empty()) {
    KeysWaiter& waiter = told.front();
    waiter.leave();
    waiter.ready();
  }
}

}  // namespace proxy
