// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/pings.h"

#include "proxy/runtime/worker.h"

namespace proxy {

Pings::Pings(Worker& worker, http::h2::Session& session, const Http2Options& options, std::function<void()> sent,
             std::function<void()> lost)
    : worker_(worker),
      session_(session),
      options_(options),
      sent_(std::move(sent)),
      lost_(std::move(lost)),
      timer_(worker.loop(), [this] { on_timer(); }) {
  rest();
}

void Pings::rest() {
  const auto interval = options_.ping_interval;
  if (!interval.count()) return timer_.cancel();
  const auto most = static_cast<uint64_t>(static_cast<double>(interval.count()) * options_.ping_jitter);
  timer_.arm(interval + std::chrono::milliseconds(most ? worker_.dice().next() % most : 0));
}

void Pings::ping() {
  if (out_) return;
  out_ = true;
  session_.ping(++last_);
  timer_.arm(options_.ping_timeout);
  sent_();
}

void Pings::on_timer() {
  if (!out_) return ping();
  lost_();
}

void Pings::on_ack(uint64_t payload) {
  if (!out_ || payload != last_) return;
  out_ = false;
  rest();
}

}  // namespace proxy
