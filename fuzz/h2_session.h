// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "http/h2.h"

namespace fuzz {

// Uses a session as its owner would, and watches that no event comes for a
// stream that is gone.
struct Owner : http::h2::Sink {
  using Id = http::h2::StreamId;
  http::h2::Session* session = nullptr;
  std::vector<Id> gone;
  bool server = false;
  uint8_t mood = 0;  // of the input: what the owner does next

  void check(http::h2::Stream& stream) {
    for (Id id : gone)
      if (id == stream.id) std::abort();
  }
  void act(Id id) {
    http::ResponseHead head;
    http::Headers trailers;
    trailers.add("x", "y");
    switch (mood++ % 8) {
      case 0:
        session->reset(id, http::h2::ErrorCode::Cancel);
        gone.push_back(id);
        break;
      case 1:
        if (server) session->send_response(id, head, false);
        break;
      case 2:
        if (server) session->send_response(id, head, true);
        break;
      case 3:
        session->send_data(id, std::string(mood * 700, 'x'), mood & 16);
        break;
      case 4:
        session->send_trailers(id, trailers);
        break;
      case 5:
        session->consumed(id, 100'000);
        break;
      default:
        break;
    }
  }
  void on_request(http::h2::Stream& stream, http::RequestHead&, bool) override {
    check(stream);
    act(stream.id);
  }
  void on_response(http::h2::Stream& stream, http::ResponseHead&, bool) override {
    check(stream);
    act(stream.id);
  }
  void on_data(http::h2::Stream& stream, std::string_view, bool) override {
    check(stream);
    act(stream.id);
  }
  void on_trailers(http::h2::Stream& stream, http::Headers&) override {
    check(stream);
    act(stream.id);
  }
  void on_reset(http::h2::Stream& stream, http::h2::ErrorCode) override {
    check(stream);
    gone.push_back(stream.id);
  }
  void on_writable(http::h2::Stream& stream) override {
    check(stream);
    act(stream.id);
  }
  void on_goaway(Id, http::h2::ErrorCode) override {}
};

// Feeds the bytes, cut as the first one says.
inline void run(http::h2::Session& session, Owner& owner, net::Buffer& out, std::string_view bytes, uint8_t cut) {
  size_t step = cut % 64 + 1;
  std::string kept;
  http::h2::Session::Time now{};
  for (size_t at = 0; at < bytes.size(); at += step) {
    kept += bytes.substr(at, step);
    kept.erase(0, session.receive(kept, now));
    if (kept.size() > 16 * 1024 + 9) std::abort();
    if (!session.error().empty() && session.open_streams() > 0) std::abort();
    if (at % 3 == 0) {
      out.clear();
      session.output_drained();
    }
    now += std::chrono::milliseconds(1);
    if (owner.mood == 77) session.drain();
  }
  session.connection_lost();
  if (session.open_streams() > 0) std::abort();
}

}  // namespace fuzz
