// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "http/grpc.h"
#include "net/loop.h"
#include "xds/client.h"

namespace xds {

namespace grpc = http::grpc;

constexpr std::chrono::milliseconds kFirstDelay{100};
constexpr std::chrono::seconds kSettled{10};  // a server whose stream lasted so long is taken for a good one
constexpr size_t kMostUnread = 1000;          // requests that wait to be sent

struct AdsClient::State {
  State(net::Loop& loop, ClientSession& session, Dialer dialer, std::string method)
      : loop(loop), session(session), dialer(std::move(dialer)), method(std::move(method)) {
    if (!this->method.empty()) return;
    this->method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";
    this->method += session.variant() == Variant::Delta ? "DeltaAggregatedResources" : "StreamAggregatedResources";
  }

  net::Loop& loop;
  ClientSession& session;  // the owner's; not touched once stopped
  Dialer dialer;
  std::string method;
  bool stopped = false;
  bool connected = false;
  uint64_t failures = 0;
  std::chrono::milliseconds delay = kFirstDelay;
  std::minstd_rand dice{std::random_device{}()};
};

static net::Task<void> write_all(net::Queue<std::string> out, std::shared_ptr<grpc::ClientCall> call) {
  for (;;) {
    auto next = co_await out.next();
    if (!next) co_return;
    auto written = co_await call->write(std::move(*next));
    if (!written) co_return;
  }
}

// One stream, from its opening to its end; the error says why it ended.
static net::Task<base::Error> stream(std::shared_ptr<AdsClient::State> state) {
  auto dial = state->dialer();
  if (!dial) co_return dial.error();
  auto opened = co_await grpc::open(*dial->client, state->method, dial->metadata);
  if (!opened) co_return opened.error();
  if (state->stopped) co_return base::Error{};
  std::shared_ptr<grpc::ClientCall> call = std::move(*opened);
  net::Queue<std::string> out;
  net::spawn(write_all(out, call));
  state->session.begin([out](std::string bytes) { out.push(std::move(bytes)); });
  base::Error why{.kind = base::ErrorKind::Closed, .message = {}};
  while (!state->stopped) {
    auto message = co_await call->read();
    if (state->stopped) break;
    if (!message) {
      why = message.error();
      break;
    }
    if (!*message) {
      why.message = "the server ended the stream: " + call->status().message;
      break;
    }
    if (!std::exchange(state->connected, true)) base::log::info("xds: connected to the control plane");
    auto taken = state->session.receive(**message);
    if (!taken) {
      why = taken.error();
      break;
    }
    if (out.size() > kMostUnread) {
      why = {.kind = base::ErrorKind::Exhausted, .message = "the server does not read what it is answered"};
      break;
    }
  }
  if (!state->stopped) state->session.end();
  out.close();
  co_return why;
}

static net::Task<void> keep_connected(std::shared_ptr<AdsClient::State> state) {
  while (!state->stopped) {
    const auto began = state->loop.now();
    base::Error why = co_await stream(state);
    if (state->stopped) co_return;
    if (state->loop.now() - began >= kSettled) state->delay = kFirstDelay;
    state->connected = false;
    ++state->failures;
    base::log::warn("xds: {}; connecting again", base::printable(why.message));
    // Between half of it and all: proxies that lost one server do not come back at the same moment.
    auto half = static_cast<unsigned>(state->delay.count() / 2);
    co_await net::sleep(state->loop, std::chrono::milliseconds(half + state->dice() % (half + 1)));
    state->delay = std::min(state->delay * 2, std::chrono::milliseconds(10'000));
  }
}

AdsClient::AdsClient(net::Loop& loop, ClientSession& session, Dialer dialer, std::string method)
    : state_(std::make_shared<State>(loop, session, std::move(dialer), std::move(method))) {
  net::spawn(keep_connected(state_));
}

AdsClient::~AdsClient() {
  state_->stopped = true;
  state_->session.end();
}

bool AdsClient::connected() const { return state_->connected; }
uint64_t AdsClient::failures() const { return state_->failures; }

}  // namespace xds
