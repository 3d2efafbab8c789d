// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "proxy/listener/session.h"
#include "proxy/stream/sides.h"
#include "proxy/stream/stream.h"

namespace proxy {

// The client's side of a mirrored request: gives the copy its body as the
// original gets it, and drops whatever the mirror answers. Nobody waits for it:
// the original may end first, and a copy that cannot keep up is given up.
// Kept by its worker until its stream is released and the original has let go.
class Shadow final : public Mortal, private Downstream {
 public:
  // `original` has its head ready to go upstream.
  static Shadow* start(Stream& original, const Mirror& mirror);

  void on_data(std::string_view bytes, bool end);
  void on_trailers(const http::Headers& trailers);
  // The original is over; where its request was not `complete`, neither can the copy's be.
  void let_go(bool complete);

 private:
  Shadow(Worker& worker, const Origin& origin);

  void send_head(Stream&, const http::ResponseHead&, http::h1::Body, bool) override {}
  void send_interim(Stream&, const http::ResponseHead&) override {}
  size_t send_data(Stream&, std::string_view bytes, bool) override { return bytes.size(); }
  void send_trailers(Stream&, const http::Headers&) override {}
  void abort(Stream&) override {}
  void consumed(Stream&, size_t bytes) override { waiting_ -= std::min(waiting_, bytes); }
  void released(Stream&) override;
  void end();

  Worker& worker_;
  Origin origin_;  // a copy: the connection may go first
  Stream* stream_ = nullptr;
  size_t waiting_ = 0;  // bytes of the body that the mirror has not taken
  bool held_ = true;    // by the original
};

}  // namespace proxy
