// SPDX-License-Identifier: Apache-2.0
#include "http/h2.h"

#include "http/h2_state.h"

namespace http::h2 {

// The longest string that can come in a header block of bounded size.
static size_t longest_string(const Options& options) {
  return (options.max_continuations + 1) * size_t{options.max_frame} * 2;
}

Session::State::State(Role role, const Options& options, Sink& sink, net::Buffer& out)
    : role(role), options(options), sink(sink), out(out), decoder(options.header_table, longest_string(options)) {
  receive_window = std::max(options.connection_window, kDefaultWindow);
  if (options.plain_strings) encoder.set_plain();
  if (role == Role::Client) out.append(kPreface);

  char payload[6 * 8];
  size_t size = 0;
  auto put = [&](Setting setting, uint32_t value) {
    payload[size] = 0;
    payload[size + 1] = static_cast<char>(setting);
    put_u32(payload + size + 2, value);
    size += 6;
  };
  if (options.header_table != hpack::kDefaultTableSize) put(Setting::HeaderTableSize, options.header_table);
  if (role == Role::Client) put(Setting::EnablePush, 0);
  if (role == Role::Server) put(Setting::MaxConcurrentStreams, options.max_streams);
  put(Setting::InitialWindowSize, options.stream_window);
  if (options.max_frame != kDefaultFrame) put(Setting::MaxFrameSize, options.max_frame);
  put(Setting::MaxHeaderListSize, static_cast<uint32_t>(options.max_header_bytes));
  if (role == Role::Server && options.extended_connect) put(Setting::EnableConnectProtocol, 1);
  put_frame_header(out.prepare(kFrameHeader), size, FrameType::Settings, 0, 0);
  out.commit(kFrameHeader);
  out.append({payload, size});
  if (options.connection_window > kDefaultWindow)
    write_numbers(out, FrameType::WindowUpdate, 0, 0, options.connection_window - kDefaultWindow);
}

OpenStream& Session::State::add_stream(StreamId id) {
  OpenStream& stream = streams.add(id);
  stream.send_window = peer_initial_window;
  // A peer that has not yet seen our settings uses the default.
  stream.receive_window = std::max(options.stream_window, settings_seen ? 0 : kDefaultWindow);
  stream.opened_at = now;
  return stream;
}

void Session::State::consumed(OpenStream& stream, size_t bytes) {
  auto size = static_cast<uint32_t>(std::min<size_t>(bytes, stream.unconsumed));
  if (size == 0) return;
  stream.unconsumed -= size;
  give_connection_window(size);
  if (!stream.remote_ended) give_stream_window(stream, size);
}

void Session::State::forget(OpenStream& stream, ClosedStreams::How how) {
  if (stream.unconsumed > 0) give_connection_window(stream.unconsumed);
  closed.add(stream.id, how);
  streams.remove(stream.id);
}

void Session::State::forget_if_ended(OpenStream& stream) {
  if (stream.local_ended && stream.remote_ended) forget(stream, ClosedStreams::How::Ended);
}

void Session::State::fail(ErrorCode code, std::string_view why) {
  if (failed) return;
  failed = true;
  reason = why;
  write_goaway(role == Role::Server ? last_peer : 0, code, why);
}

void Session::State::stream_error(StreamId id, ErrorCode code) {
  if (failed) return;
  write_rst(id, code);
  OpenStream* stream = streams.find(id);
  if (!stream) return;
  count_reset(stream->opened_at);
  Stream gone = *stream;
  forget(*stream, ClosedStreams::How::ResetByUs);
  sink.on_reset(gone, code);
}

void Session::State::reset_all(ErrorCode code) {
  std::vector<StreamId> ids;
  streams.each([&](OpenStream& stream) { ids.push_back(stream.id); });
  for (StreamId id : ids) {
    OpenStream* stream = streams.find(id);
    if (!stream) continue;
    Stream gone = *stream;
    streams.remove(id);
    sink.on_reset(gone, code);
  }
}

Session::Session(Role role, const Options& options, Sink& sink, net::Buffer& out)
    : state_(std::make_unique<State>(role, options, sink, out)) {}
Session::~Session() = default;

size_t Session::receive(std::string_view bytes, Time now) { return state_->receive(bytes, now); }
void Session::output_drained() {
  if (!state_->failed) state_->notify_writable();
}
void Session::connection_lost(ErrorCode code) {
  if (!state_->failed) state_->reason = "the connection ended";
  state_->failed = true;
  state_->reset_all(code);
}

bool Session::can_open() const { return state_->can_open(); }
StreamId Session::send_request(const RequestHead& head, bool end, void* user, base::ByteMeter* meter) {
  return state_->send_request(head, end, user, meter);
}
void Session::send_response(StreamId id, const ResponseHead& head, bool end) { state_->send_response(id, head, end); }
size_t Session::send_data(StreamId id, std::string_view bytes, bool end) { return state_->send_data(id, bytes, end); }
void Session::send_trailers(StreamId id, const Headers& trailers) { state_->send_trailers(id, trailers); }

size_t Session::writable(StreamId id) const {
  OpenStream* stream = state_->streams.find(id);
  return stream && !stream->local_ended ? state_->room_for(*stream) : 0;
}

void Session::reset(StreamId id, ErrorCode code) {
  OpenStream* stream = state_->streams.find(id);
  if (!stream) return;
  // From within the call that tells of the peer's end the stream is still here, but there is nothing left to reset.
  if (stream->local_ended && stream->remote_ended) return state_->forget(*stream, ClosedStreams::How::Ended);
  state_->write_rst(id, code);
  state_->forget(*stream, ClosedStreams::How::ResetByUs);
}

void Session::consumed(StreamId id, size_t bytes) {
  if (OpenStream* stream = state_->streams.find(id)) state_->consumed(*stream, bytes);
}
void Session::set_user(StreamId id, void* user) {
  OpenStream* stream = state_->streams.find(id);
  if (!stream) return;
  stream->user = user;
  if (!user) stream->meter = nullptr;
}
void* Session::user(StreamId id) const {
  OpenStream* stream = state_->streams.find(id);
  return stream ? stream->user : nullptr;
}
bool Session::open(StreamId id) const { return state_->streams.find(id) != nullptr; }

void Session::drain(LastWord when) { state_->drain(when); }
void Session::end_drain() { state_->end_drain(); }
void Session::close(ErrorCode code, std::string_view debug) {
  if (!state_->failed) {
    state_->failed = true;
    state_->reason = "closed by this side";
    state_->write_goaway(state_->last_peer, code, debug);
  }
  state_->reset_all(code);
}
void Session::ping(uint64_t payload) {
  if (!state_->failed) write_numbers(state_->out, FrameType::Ping, 0, 0, payload >> 32, payload);
}

bool Session::draining() const {
  return state_->failed || state_->peer_goaway || state_->draining != State::Draining::No;
}
bool Session::held() const { return state_->held; }
bool Session::failed() const { return state_->failed; }
bool Session::in_head(std::string_view left) const {
  return state_->block_id != 0 || (left.size() >= 4 && static_cast<FrameType>(left[3]) == FrameType::Headers);
}

bool Session::should_close() const {
  bool last_word = state_->draining == State::Draining::Final || state_->peer_goaway;
  return state_->failed || (last_word && state_->streams.size() == 0);
}
bool Session::backed_up() const { return state_->out.size() >= state_->options.output_hold; }
bool Session::settings_received() const { return state_->settings_seen; }
bool Session::peer_extended_connect() const { return state_->peer_extended_connect; }
size_t Session::open_streams() const { return state_->streams.size(); }
std::string_view Session::error() const { return state_->reason; }

}  // namespace http::h2
