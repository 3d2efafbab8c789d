// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/shadow.h"
#include "proxy/stream/stream.h"

// Bodies on their way through the filters that watch them.
namespace proxy {

// So much may wait for a slow filter before its sender is held back.
static constexpr size_t kMostWaiting = 32 * 1024;

void Stream::watch_request_body() {
  if (request_bodyless_ || upgrade_ || phase_ != Phase::Filters || filter_at_ == 0) return;
  const Filter* filter = origin_->http->filters[filter_at_ - 1].get();
  if (request_path_.ends_at(filter)) return;
  bool ended = std::exchange(request_ended_, false);
  request_path_.watch(filter, kept_, ended, ended && std::exchange(has_request_trailers_, false));
}

void Stream::watch_response_body() {
  if (response_bodyless() || response_started_ || response_filter_at_ >= origin_->http->filters.size()) return;
  const Filter* filter = origin_->http->filters[response_filter_at_].get();
  if (response_path_.ends_at(filter)) return;
  bool ended = std::exchange(response_ended_, false);
  response_path_.watch(filter, response_left_, ended, ended && std::exchange(has_response_trailers_, false));
}

void Stream::set_request_length(std::optional<uint64_t> size) {
  request.headers.remove("content-length");
  if (size) request.headers.add("content-length", std::to_string(*size));
  request_body_ = size ? http::h1::Body::length(*size) : http::h1::Body::chunked();
}

void Stream::set_response_length(std::optional<uint64_t> size) {
  response.headers.remove("content-length");
  if (size) response.headers.add("content-length", std::to_string(*size));
  response_body_ = size ? http::h1::Body::length(*size) : http::h1::Body::chunked();
}

size_t Stream::hold_limit() const {
  if (hold_limit_) return hold_limit_;
  const uint32_t limit = origin_->listener ? origin_->listener->buffer_limit : 0;
  return limit ? limit : 1 << 20;  // Envoy's
}

// --- requests -----------------------------------------------------------

void Stream::request_body_came(std::string_view bytes, bool end, bool trailers) {
  if (replied_) {  // answered already: nobody looks at it
    if (!bytes.empty()) downstream_->consumed(*this, bytes.size());
    return;
  }
  request_unreported_ += bytes.size();
  request_path_.receive(bytes, end, trailers);
  move_request_body();
}

void Stream::move_request_body() {
  do {
    if (request_path_.empty() || !request_path_.move([this](size_t i) { return ask_request_filter(i); })) return;
    if (phase_ == Phase::Streaming && upstream_ && !response_sent_) push_request();
    if (phase_ == Phase::Done) return;
  } while (request_path_.give_room(kept_.size() - kept_sent_, kMostWaiting));
  report_consumed();
}

// Shows the filter of this stage what waits there; false where the stream has been answered.
bool Stream::ask_request_filter(size_t i) {
  BodyPath& path = request_path_;
  const Filter& filter = *path.stages[i].filter;
  path.stages[i].fresh = false;
  if (path.stages[i].for_room) return true;
  bool end = path.end_at == i;
  net::Buffer bytes;  // stages may come while the filter runs
  bytes.swap(path.stages[i].bytes);
  Verdict verdict = Continue{};
  if (!std::exchange(path.stages[i].resumed, false))
    verdict = end && path.trailers ? filter.on_request_trailers(*this, bytes, request_trailers_)
                                   : filter.on_request_data(*this, bytes, end);
  if (phase_ == Phase::Done || replied_) return false;
  if (auto* answer = std::get_if<Reply>(&verdict)) {
    reply(std::move(*answer));
    return false;
  }
  if (auto* pause = std::get_if<Pause>(&verdict)) {
    if (pause->passes) {
      net::Buffer first;
      first.append(bytes.view().substr(0, pause->passes));
      bytes.consume(first.size());
      pass_request_body(i, first, false);
    }
    path.stages[i].for_room = pause->for_room;
    if (path.hold(i, bytes, pause->gather, hold_limit())) return true;
    send_reply(413, "Payload Too Large", "request_payload_too_large");
    return false;
  }
  path.stages[i].gathering = false;
  if (phase_ == Phase::Filters && origin_->http->filters[filter_at_ - 1].get() == &filter) {
    run_filters();
    if (phase_ == Phase::Done || replied_) return false;
  }
  pass_request_body(i, bytes, end);
  return true;
}

// To the next stage, or behind the last of them.
void Stream::pass_request_body(size_t i, net::Buffer& bytes, bool end) {
  if (request_path_.hand_on(i, bytes, end)) return;
  const bool trailers = end && request_path_.trailers;
  for (Shadow* shadow : shadows_) {
    shadow->on_data(bytes.view(), end && !trailers);
    if (trailers) shadow->on_trailers(request_trailers_);
  }
  kept_.append(std::move(bytes));
  if (!end) return;
  request_ended_ = true;
  has_request_trailers_ = trailers && !request_trailers_.empty();
  on_request_end();
}

void Stream::resume_request() {
  if (phase_ != Phase::Filters || replied_) return;
  const Filter* filter = filter_at_ ? origin_->http->filters[filter_at_ - 1].get() : nullptr;
  request_path_.resume(filter);
  run_filters();
  if (phase_ != Phase::Done && !replied_) move_request_body();
}

void Stream::resume_request_body(const Filter& filter) {
  if (phase_ == Phase::Done || replied_) return;
  request_path_.wake(filter, true);
  move_request_body();
}

void Stream::show_request_body_again(const Filter& filter) {
  if (phase_ == Phase::Done || replied_) return;
  request_path_.wake(filter, false);
  move_request_body();
}

// --- responses ----------------------------------------------------------

void Stream::response_body_came(std::string_view bytes, bool end, bool trailers) {
  response_owed_ += bytes.size();
  last_active_ = worker_.loop().now();
  if (response_path_.empty()) {  // the head waits, the body behind it
    response_left_.append(bytes);
    if (end) {
      response_ended_ = true;
      has_response_trailers_ = trailers && !response_trailers_.empty();
    }
    return;
  }
  response_path_.receive(bytes, end, trailers);
  move_response_body();
}

void Stream::move_response_body() {
  do {
    if (!response_path_.move([this](size_t i) { return ask_response_filter(i); })) return;
    flush_response();
  } while (phase_ != Phase::Done && response_path_.give_room(response_left_.size(), kMostWaiting));
}

bool Stream::ask_response_filter(size_t i) {
  BodyPath& path = response_path_;
  const Filter& filter = *path.stages[i].filter;
  path.stages[i].fresh = false;
  if (path.stages[i].for_room) return true;
  bool end = path.end_at == i;
  bool replied = replied_;
  net::Buffer bytes;
  bytes.swap(path.stages[i].bytes);
  Verdict verdict = Continue{};
  if (!std::exchange(path.stages[i].resumed, false))
    verdict = end && path.trailers ? filter.on_response_trailers(*this, bytes, response_trailers_)
                                   : filter.on_response_data(*this, bytes, end);
  if (phase_ == Phase::Done || replied != replied_) return false;
  if (auto* answer = std::get_if<Reply>(&verdict)) {
    break_response(std::move(*answer));
    return false;
  }
  if (auto* pause = std::get_if<Pause>(&verdict)) {
    if (pause->passes) {
      net::Buffer first;
      first.append(bytes.view().substr(0, pause->passes));
      bytes.consume(first.size());
      last_active_ = worker_.loop().now();
      if (!path.hand_on(i, first, false)) response_left_.append(std::move(first));
    }
    path.stages[i].for_room = pause->for_room;
    if (path.hold(i, bytes, pause->gather, hold_limit())) return true;
    break_response({.status = 500, .body = "Internal Server Error", .details = "response_payload_too_large"});
    return false;
  }
  path.stages[i].gathering = false;
  if (response_held_ && origin_->http->filters[response_filter_at_].get() == &filter) {
    response_held_ = false;
    run_response_filters();
    if (phase_ == Phase::Done || path.empty()) return false;
  }
  if (path.hand_on(i, bytes, end)) return true;
  response_left_.append(std::move(bytes));
  if (end) {
    response_ended_ = true;
    has_response_trailers_ = path.trailers && !response_trailers_.empty();
  }
  return true;
}

// What came from upstream cannot be sent: says so where the head has not gone yet.
void Stream::break_response(Reply answer) {
  if (!response_started_) return reply(std::move(answer));
  details_ = answer.details;
  record.details = details_;
  downstream_->abort(*this);
  finish();
}

void Stream::resume_response() {
  if (!response_held_ || phase_ == Phase::Done) return;
  response_held_ = false;
  response_path_.resume(origin_->http->filters[response_filter_at_].get());
  run_response_filters();
  if (phase_ != Phase::Done) move_response_body();
}

void Stream::resume_response_body(const Filter& filter) {
  if (phase_ == Phase::Done) return;
  response_path_.wake(filter, true);
  move_response_body();
}

void Stream::show_response_body_again(const Filter& filter) {
  if (phase_ == Phase::Done) return;
  response_path_.wake(filter, false);
  move_response_body();
}

// The head's way back; stops where a filter holds it.
void Stream::run_response_filters() {
  const auto& filters = origin_->http->filters;
  while (response_filter_at_ > 0) {
    const size_t at = --response_filter_at_;
    const bool asked = at < filter_at_;  // on the request's way
    if (asked ? filters_off_ >> at & 1 : filter_is_off(*filters[at])) continue;
    filters[at]->on_response(*this, response);
    if (phase_ == Phase::Done || response_started_ || response_held_) return;
  }
  finish_response_head();
  bool end = response_bodyless_;
  tunnel_ = agreed_;
  send_response_head(response_body_, end);
  if (tunnel_) {
    if (upstream_) push_request();  // which may have ended while a filter held the head
    report_consumed();
    if (phase_ == Phase::Done) return;
  }
  if (end) return complete_response();
  if (!response_left_.empty() || response_ended_) flush_response();
}

// Sends what has passed the filters, and lets the upstream send more once it went.
void Stream::flush_response() {
  if (phase_ == Phase::Done || response_sent_) return;
  if (response_started_ && (!response_left_.empty() || (response_ended_ && !has_response_trailers_))) {
    size_t taken = downstream_->send_data(*this, response_left_.view(), response_ended_ && !has_response_trailers_);
    record.bytes_sent += taken;
    bool all = taken == response_left_.size();
    response_left_.consume(taken);
    if (!all) return;
    response_left_.recycle();
  }
  bool waits = response_left_.size() > kMostWaiting || response_path_.backed_up(kMostWaiting);
  if (response_owed_ && !waits) {
    size_t owed = std::exchange(response_owed_, 0);
    if (upstream_) upstream_->consumed(*this, owed);
  }
  if (!response_ended_ || !response_started_) return;
  if (has_response_trailers_) downstream_->send_trailers(*this, response_trailers_);
  complete_response();
}

}  // namespace proxy
