// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/listener/session.h"
#include "proxy/tcp/relay.h"

namespace proxy {

// What both ways of copying have in common: how long it may last, and the
// report of it.
class Relayed : public Session {
 public:
  Relayed(Worker& worker, RelayOptions options) : Session(worker), options_(std::move(options)) {
    ++worker.relays;
    if (worker.leaving()) drain(Drain::Gently);
    if (options_.report_every.count() > 0) next_report_ = last_active_ + options_.report_every;
  }
  ~Relayed() override { --worker().relays; }

  // Nobody can be asked to go: it ends by itself, or when the time to drain is over; where another process took over,
  // with this one.
  void drain(Drain) final {
    if (worker().retired) return;
    if (drained_by_ == net::Clock::time_point{}) drained_by_ = worker().loop().now() + worker().options.drain_time;
  }
  void sweep(net::Clock::time_point now) override;
  const FilterChain* filter_chain() const override { return options_.chain.get(); }

 protected:
  // The report of the end; by the destructors of those who copy, while what it may look at is there.
  void tell_end() {
    if (!handed_over_ && options_.report) options_.report({.received = received_, .sent = sent_, .why = why_});
  }
  // Closes both connections and buries itself.
  virtual void end(RelayEnd::Why why) = 0;
  void finish(RelayEnd::Why why) {
    why_ = why;
    bury();
  }

  RelayOptions options_;
  uint64_t received_ = 0, sent_ = 0;
  net::Clock::time_point last_active_ = worker().loop().now(), drained_by_{}, next_report_{};
  RelayEnd::Why why_ = RelayEnd::Why::Done;
  bool handed_over_ = false;  // another one reports
};

}  // namespace proxy
