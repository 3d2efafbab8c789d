// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/shadow.h"

#include <memory>

namespace proxy {

static constexpr size_t kMostWaiting = 1 << 20;

// All but what belongs to the connection itself: its TLS session and what filters keep there.
Shadow::Shadow(Worker& worker, const Origin& origin) : worker_(worker) {
  origin_.listener = origin.listener;
  origin_.chain = origin.chain;
  origin_.http = origin.http;
  origin_.local = origin.local;
  origin_.redirected = origin.redirected;
  origin_.remote = origin.remote;
  origin_.id = origin.id;
  origin_.local_text = origin.local_text;
  origin_.remote_text = origin.remote_text;
  origin_.remote_ip = origin.remote_ip;
  origin_.mutual_tls = origin.mutual_tls;
  origin_.from_seine = origin.from_seine;
  origin_.server_name = origin.server_name;
  origin_.peer_uri = origin.peer_uri;
  origin_.subject = origin.subject;
  origin_.certificate_hash = origin.certificate_hash;
  std::destroy_at(&origin_.count);
  std::construct_at(&origin_.count, origin.count);  // the same counts, and no connection more
}

Shadow* Shadow::start(Stream& original, const Mirror& mirror) {
  auto made = std::unique_ptr<Shadow>(new Shadow(original.worker(), original.origin()));
  Shadow* shadow = made.get();
  original.worker().keep(std::move(made));
  shadow->stream_ = &original.worker().new_stream();
  shadow->stream_->begin_copy(*shadow, shadow->origin_, original, mirror);
  return shadow;
}

void Shadow::on_data(std::string_view bytes, bool end) {
  if (!stream_) return;
  waiting_ += bytes.size();
  if (waiting_ > kMostWaiting) return stream_->on_downstream_reset();
  stream_->on_request_data(bytes, end);
}

void Shadow::on_trailers(const http::Headers& trailers) {
  if (!stream_) return;
  http::Headers copy = trailers;
  stream_->on_request_trailers(copy);
}

void Shadow::let_go(bool complete) {
  held_ = false;
  if (stream_ && !complete) return stream_->on_downstream_reset();
  end();
}

void Shadow::released(Stream&) {
  stream_ = nullptr;
  end();
}

void Shadow::end() {
  if (!held_ && !stream_) worker_.bury_kept(*this);
}

}  // namespace proxy
