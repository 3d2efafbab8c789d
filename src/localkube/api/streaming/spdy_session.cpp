// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "localkube/api/streaming/spdy.h"

namespace localkube::spdy {

namespace {

constexpr uint32_t kCancel = 5;
constexpr uint32_t kInvalidStream = 2;
constexpr size_t kMostStreams = 1000;
constexpr size_t kPiece = 32u << 10;  // of one data frame

}  // namespace

std::shared_ptr<Session> Session::over(BytePipe pipe) {
  auto session = std::make_shared<Session>();
  session->pipe_ = std::move(pipe);
  session->outbox_ = Outbox::over(session->pipe_.write);
  net::spawn(run(session));
  return session;
}

net::Task<void> Session::run(std::shared_ptr<Session> session) {
  bool good = true;
  while (good) {
    auto bytes = co_await session->pipe_.read();
    if (!bytes || !*bytes || session->over_) break;
    session->codec_.feed(**bytes);
    while (good) {
      auto frame = session->codec_.next();
      if (!frame) base::log::debug("{}", frame.error().message);
      if (!frame) good = false;
      if (!frame || !*frame) break;
      good = co_await session->on_frame(std::move(**frame));
    }
  }
  session->end();
}

net::Task<bool> Session::on_frame(Frame frame) {
  switch (frame.type) {
    case Frame::Type::SynStream: {
      if (streams_.contains(frame.stream) || streams_.size() >= kMostStreams) {
        bool sent = co_await outbox_->send(Codec::reset(frame.stream, kInvalidStream));
        co_return sent;
      }
      auto stream = std::make_shared<Stream>();
      stream->id = frame.stream;
      stream->headers = std::move(frame.headers);
      streams_[stream->id] = stream;
      if (frame.fin) stream->in.close();
      bool sent = co_await outbox_->send(codec_.syn_reply(stream->id));
      opened_.push(stream);
      co_return sent;
    }
    case Frame::Type::Data: {
      auto it = streams_.find(frame.stream);
      if (it == streams_.end() || it->second->in.closed()) co_return true;
      std::shared_ptr<Stream> stream = it->second;
      if (!frame.payload.empty()) stream->in.push(std::move(frame.payload));
      if (frame.fin && stream->finished) streams_.erase(frame.stream);
      if (frame.fin) stream->in.close();
      co_return true;
    }
    case Frame::Type::Reset: {
      auto it = streams_.find(frame.stream);
      if (it == streams_.end()) co_return true;
      std::shared_ptr<Stream> stream = it->second;
      streams_.erase(it);
      stream->reset = true;
      stream->in.close();
      co_return true;
    }
    case Frame::Type::Ping: {
      bool sent = co_await outbox_->send(Codec::ping(frame.payload));
      co_return sent;
    }
    case Frame::Type::GoAway:
    case Frame::Type::SynReply:
    case Frame::Type::Other:
      co_return true;
  }
  co_return true;
}

void Session::end() {
  if (over_) return;
  over_ = true;
  auto held = shared_from_this();
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& [id, stream] : streams) {
    stream->reset = true;
    stream->in.close();
  }
  opened_.close();
  outbox_->close();
  pipe_.close();
}

net::Task<std::shared_ptr<Stream>> Session::accept() {
  std::optional<std::shared_ptr<Stream>> stream = co_await opened_.next();
  co_return stream ? *stream : nullptr;
}

net::Task<bool> Session::write(std::shared_ptr<Stream> stream, std::string bytes) {
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    if (stream->reset) co_return false;
    bool sent = co_await outbox_->send(Codec::data(stream->id, std::string_view(bytes).substr(at, kPiece), false));
    if (!sent) co_return false;
  }
  co_return true;
}

net::Task<bool> Session::finish(std::shared_ptr<Stream> stream) {
  if (stream->reset) co_return false;
  stream->finished = true;
  if (stream->in.closed()) streams_.erase(stream->id);
  bool sent = co_await outbox_->send(Codec::data(stream->id, "", true));
  co_return sent;
}

net::Task<bool> Session::reset(std::shared_ptr<Stream> stream) {
  streams_.erase(stream->id);
  if (stream->reset) co_return true;
  stream->reset = true;
  stream->in.close();
  bool sent = co_await outbox_->send(Codec::reset(stream->id, kCancel));
  co_return sent;
}

void Session::close() { end(); }

}  // namespace localkube::spdy
