// SPDX-License-Identifier: Apache-2.0
#include "proxy/tcp/relay.h"

#include "proxy/listener/session.h"
#include "proxy/tcp/splice.h"

namespace proxy {
namespace {

class Relay final : public Session, private net::Connection::Handler {
 public:
  Relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
        std::move_only_function<void(const RelayEnd&)> ended)
      : Session(worker), downstream_(std::move(downstream)), upstream_(std::move(upstream)), ended_(std::move(ended)) {
    ++worker.relays;
    for (net::Connection* side : {downstream_.get(), upstream_.get()}) {
      side->set_handler(*this);
      side->resume_reading();
    }
  }
  ~Relay() override {
    --worker().relays;
    if (ended_) ended_({received_, sent_});
  }

  void drain(Drain) override {}  // lives as long as its ends want
  void sweep(net::Clock::time_point now) override {
    if (now > last_active_ + kIdle) end();
  }

 private:
  net::Connection& other(net::Connection& side) { return &side == downstream_.get() ? *upstream_ : *downstream_; }

  void on_data(net::Connection& from) override {
    last_active_ = worker().loop().now();
    net::Connection& to = other(from);
    (&from == downstream_.get() ? received_ : sent_) += from.input().size();
    to.output().append(std::move(from.input()));
    if (received_ + sent_ >= kBulk && can_splice(*downstream_, *upstream_)) {
      start_splice(worker(), std::move(downstream_), std::move(upstream_), {received_, sent_}, std::exchange(ended_, nullptr));
      return bury();
    }
    if (to.full()) from.pause_reading();
  }
  void on_drained(net::Connection& to) override { other(to).resume_reading(); }
  void on_end(net::Connection& from) override { other(from).shutdown_write(); }
  void on_closed(net::Connection& from, const base::Error& error) override {
    net::Connection& to = other(from);
    if (to.open()) {
      if (error.kind != base::ErrorKind::Closed) to.reset_on_close();
      if (to.pending() && error.kind == base::ErrorKind::Closed) {
        to.close_after_flush(std::chrono::seconds(1));
        return;
      }
    }
    end();
  }
  void end() {
    downstream_->close();
    upstream_->close();
    bury();
  }

  static constexpr auto kIdle = std::chrono::hours(1);
  static constexpr uint64_t kBulk = 256 * 1024;  // bytes that make a splice worth its set-up

  std::unique_ptr<net::Connection> downstream_, upstream_;
  std::move_only_function<void(const RelayEnd&)> ended_;
  uint64_t received_ = 0, sent_ = 0;
  net::Clock::time_point last_active_ = worker().loop().now();
};

}  // namespace

void start_relay(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
                 std::move_only_function<void(const RelayEnd&)> ended) {
  new Relay(worker, std::move(downstream), std::move(upstream), std::move(ended));  // in the worker's list of sessions
}

}  // namespace proxy
