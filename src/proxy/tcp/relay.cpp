// SPDX-License-Identifier: Apache-2.0
#include "proxy/tcp/relay.h"

#include "proxy/tcp/relayed.h"
#include "proxy/tcp/splice.h"

namespace proxy {

void Relayed::sweep(net::Clock::time_point now) {
  using Why = RelayEnd::Why;
  if (options_.deadline != net::Clock::time_point{} && now >= options_.deadline) return end(Why::Duration);
  if (drained_by_ != net::Clock::time_point{} && now >= drained_by_) return end(Why::Drained);
  if (options_.lost && options_.lost()) return end(Why::Done);
  if (options_.idle.count() > 0 && now >= last_active_ + options_.idle) return end(Why::Idle);
  if (options_.report_every.count() == 0 || now < next_report_ || !options_.report) return;
  next_report_ = now + options_.report_every;
  options_.report({.received = received_, .sent = sent_, .final = false});
}

namespace {

constexpr uint64_t kBulk = 256 * 1024;  // bytes that make a splice worth its set-up

class Relay final : public Relayed, private net::Connection::Handler {
 public:
  Relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
        RelayOptions options)
      : Relayed(worker, std::move(options)), downstream_(std::move(downstream)), upstream_(std::move(upstream)) {
    for (net::Connection* side : {downstream_.get(), upstream_.get()}) {
      side->set_handler(*this);
      side->resume_reading();
    }
  }
  ~Relay() override { tell_end(); }

 private:
  net::Connection& other(net::Connection& side) { return &side == downstream_.get() ? *upstream_ : *downstream_; }

  void on_data(net::Connection& from) override {
    last_active_ = worker().loop().now();
    net::Connection& to = other(from);
    (&from == downstream_.get() ? received_ : sent_) += from.input().size();
    to.output().append(std::move(from.input()));
    if (received_ + sent_ >= kBulk && drained_by_ == net::Clock::time_point{} && can_splice(*downstream_, *upstream_))
      return hand_over();
    if (to.full()) from.pause_reading();
  }
  void on_drained(net::Connection& to) override { other(to).resume_reading(); }
  void on_end(net::Connection& from) override { other(from).shutdown_write(); }
  void on_closed(net::Connection& from, const base::Error& error) override {
    net::Connection& to = other(from);
    if (to.open()) {
      const bool orderly = error.kind == base::ErrorKind::Closed && !from.broken();
      if (!orderly) to.reset_on_close();  // or what it got would look whole
      if (orderly && to.pending()) return to.close_after_flush(std::chrono::seconds(1));
      if (!orderly && &from == upstream_.get()) return end(RelayEnd::Why::UpstreamReset);
    }
    end(RelayEnd::Why::Done);
  }

  void hand_over() {
    handed_over_ = true;
    start_splice(worker(), std::move(downstream_), std::move(upstream_), {.received = received_, .sent = sent_},
                 std::move(options_));
    bury();
  }

  void end(RelayEnd::Why why) override {
    if (buried()) return;
    downstream_->close();
    upstream_->close();
    finish(why);
  }

  std::unique_ptr<net::Connection> downstream_, upstream_;
};

}  // namespace

void start_relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
                 RelayOptions options) {
  new Relay(worker, std::move(downstream), std::move(upstream),
            std::move(options));  // in the worker's list of sessions
}

}  // namespace proxy
