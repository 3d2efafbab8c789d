// SPDX-License-Identifier: Apache-2.0
#include "http/h2.h"

#include <gtest/gtest.h>

#include <map>

#include "http/h2_frame.h"
#include "http/hpack.h"

namespace http::h2 {
namespace {

// Writes down what a session tells; the request's path, a response's status.
struct Notes : Sink {
  struct Message {
    std::string head, body;
    Headers headers, trailers;
    bool ended = false;
    std::optional<ErrorCode> reset;
  };
  std::map<StreamId, Message> streams;
  std::vector<StreamId> writable;
  std::optional<StreamId> goaway;
  Session* lets_go = nullptr;  // resets each stream as soon as its end is told

  void on_request(Stream& stream, RequestHead& head, bool end) override {
    std::string line = head.method + " " + head.authority + head.path;
    streams[stream.id] = {.head = line, .headers = head.headers, .ended = end};
  }
  void on_response(Stream& stream, ResponseHead& head, bool end) override {
    streams[stream.id].head += std::to_string(head.status) + " ";
    streams[stream.id].headers = head.headers;
    streams[stream.id].ended = end;
  }
  void on_data(Stream& stream, std::string_view bytes, bool end) override {
    streams[stream.id].body += bytes;
    streams[stream.id].ended = end;
    if (end && lets_go) lets_go->reset(stream.id, ErrorCode::Cancel);
  }
  void on_trailers(Stream& stream, Headers& trailers) override {
    streams[stream.id].trailers = trailers;
    streams[stream.id].ended = true;
  }
  void on_reset(Stream& stream, ErrorCode code) override { streams[stream.id].reset = code; }
  void on_writable(Stream& stream) override { writable.push_back(stream.id); }
  void on_goaway(StreamId last, ErrorCode) override { goaway = last; }
};

struct End {
  explicit End(Role role, const Options& options = {}) : session(role, options, notes, out) {}
  void receive(std::string_view bytes) { session.receive(bytes, now); }
  net::Buffer out;
  Notes notes;
  Session session;
  Session::Time now{};
};

// Carries bytes both ways until nothing moves, cut into pieces of `step`.
void exchange(End& a, End& b, size_t step = 100'000) {
  std::string to_a, to_b;
  auto carry = [step](End& from, End& to, std::string& kept) {
    std::string moved(from.out.view());
    from.out.clear();
    from.session.output_drained();
    for (size_t at = 0; at < moved.size(); at += step) {
      kept += moved.substr(at, step);
      kept.erase(0, to.session.receive(kept, to.now));
    }
    return !moved.empty();
  };
  while (carry(a, b, to_b) | carry(b, a, to_a)) {
  }
}

RequestHead request(std::string method, std::string path) {
  RequestHead head;
  head.method = std::move(method);
  head.authority = "a";
  head.path = std::move(path);
  return head;
}
ResponseHead response(int status) {
  ResponseHead head;
  head.status = status;
  return head;
}

std::string frame(FrameType type, uint8_t flags, StreamId id, std::string_view payload = {}) {
  char header[kFrameHeader];
  put_frame_header(header, payload.size(), type, flags, id);
  return std::string(header, kFrameHeader) + std::string(payload);
}
std::string number(uint32_t value) {
  char bytes[4];
  put_u32(bytes, value);
  return {bytes, 4};
}
using Fields = std::vector<std::pair<std::string, std::string>>;
std::string block_of(const Fields& fields) {
  hpack::Encoder encoder;  // a fresh one refers to nothing older; what it adds is not referred to
  net::Buffer out;
  for (auto& [name, value] : fields) encoder.field(out, name, value);
  return std::string(out.view());
}
const Fields kGet = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}};

Fields with(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
// A server that has seen a client's preface.
struct Server : End {
  explicit Server(const Options& options = {}) : End(Role::Server, options) {
    receive(kPreface);
    receive(frame(FrameType::Settings, 0, 0));
    out.clear();
  }
  void headers(StreamId id, const Fields& fields, uint8_t flags = flag::kEndHeaders | flag::kEndStream) {
    receive(frame(FrameType::Headers, flags, id, block_of(fields)));
  }
};

TEST(H2Session, RequestsAndResponsesPassWholeHoweverTheirBytesAreCut) {
  for (size_t step : {1, 3, 10, 100'000}) {
    End client(Role::Client), server(Role::Server);
    RequestHead head = request("POST", "/x");
    head.headers.add("x-a", "1");
    head.headers.add("connection", "close");
    StreamId id = client.session.send_request(head, false, nullptr);
    EXPECT_EQ(client.session.send_data(id, "hello", true), 5u);
    exchange(client, server, step);
    auto& seen = server.notes.streams[id];
    EXPECT_EQ(seen.head, "POST a/x");
    EXPECT_EQ(seen.body, "hello");
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.headers.size(), 1u);

    server.session.send_response(id, response(103), false);
    server.session.send_response(id, response(200), false);
    server.session.send_data(id, "world", false);
    Headers trailers;
    trailers.add("grpc-status", "0");
    server.session.send_trailers(id, trailers);
    exchange(client, server, step);
    auto& answer = client.notes.streams[id];
    EXPECT_EQ(answer.head, "103 200 ");
    EXPECT_EQ(answer.body, "world");
    EXPECT_EQ(answer.trailers.get("grpc-status"), "0");
    EXPECT_EQ(client.session.open_streams() + server.session.open_streams(), 0u);
  }
}

TEST(H2Session, WindowsHoldASenderBackUntilTheyAreGivenBack) {
  Options options;
  options.stream_window = 70'000;
  options.connection_window = 100'000;
  End client(Role::Client), server(Role::Server, options);
  exchange(client, server);
  std::string body(250'000, 'x');
  StreamId id = client.session.send_request(request("POST", "/"), false, nullptr);
  size_t sent = 0, given = 0;
  for (int turn = 0; turn < 50 && sent < body.size(); ++turn) {
    sent += client.session.send_data(id, std::string_view(body).substr(sent), true);
    exchange(client, server);
    size_t received = server.notes.streams[id].body.size();
    EXPECT_LE(received - given, options.stream_window);
    if (turn % 3 == 2) {
      server.session.consumed(id, received - given);
      given = received;
    }
  }
  exchange(client, server);
  EXPECT_EQ(server.notes.streams[id].body.size(), body.size());
  EXPECT_FALSE(client.notes.writable.empty());
  EXPECT_TRUE(server.notes.streams[id].ended);
}

TEST(H2Session, AStreamThatIsResetGivesTheConnectionsWindowBack) {
  Options options;
  options.connection_window = 65'535;
  End client(Role::Client), server(Role::Server, options);
  std::string body(60'000, 'x');
  for (int i = 0; i < 5; ++i) {
    StreamId id = client.session.send_request(request("POST", "/"), false, nullptr);
    ASSERT_GE(client.session.send_data(id, body, false), 1u) << i;
    exchange(client, server);
    server.session.reset(id, ErrorCode::Cancel);
    exchange(client, server);
    EXPECT_EQ(client.notes.streams[id].reset, ErrorCode::Cancel);
  }
}

TEST(H2Session, AStreamThatBothSidesEndedIsLetGoWithoutAWord) {
  End client(Role::Client), server(Role::Server);
  StreamId id = client.session.send_request(request("GET", "/"), true, nullptr);
  exchange(client, server);
  client.notes.lets_go = &client.session;
  server.session.send_response(id, response(200), false);
  server.session.send_data(id, "x", true);
  client.receive(server.out.view());
  EXPECT_TRUE(client.notes.streams[id].ended);
  EXPECT_TRUE(client.out.empty()) << "no RST_STREAM";
  EXPECT_EQ(client.session.open_streams(), 0u);
}

TEST(H2Session, AHeadLargerThanAFrameIsContinued) {
  End client(Role::Client), server(Role::Server);
  RequestHead head = request("GET", "/");
  for (char c = 'a'; c < 'f'; ++c) head.headers.add(std::string("x-") + c, std::string(11'000, '~'));
  StreamId id = client.session.send_request(head, true, nullptr);
  exchange(client, server);
  ASSERT_TRUE(server.notes.streams.contains(id)) << server.session.error();
  EXPECT_EQ(server.notes.streams[id].headers.get("x-e"), std::string(11'000, '~'));
}

TEST(H2Session, AHeadBeyondTheLimitIsAnswered431AndTheConnectionLives) {
  End client(Role::Client), server(Role::Server);
  RequestHead head = request("GET", "/");
  head.headers.add("x-large", std::string(70'000, 'x'));
  StreamId id = client.session.send_request(head, true, nullptr);
  StreamId next = client.session.send_request(request("GET", "/next"), true, nullptr);
  exchange(client, server);
  EXPECT_EQ(client.notes.streams[id].head, "431 ");
  EXPECT_FALSE(server.notes.streams.contains(id));
  EXPECT_EQ(server.notes.streams[next].head, "GET a/next");
}

TEST(H2Session, MalformedRequestsAreReset) {
  const Fields post = with({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, {});
  for (const Fields& fields : {
           with(kGet, {{"Upper", "x"}}),
           with(kGet, {{"connection", "close"}}),
           with(kGet, {{"transfer-encoding", "chunked"}}),
           with(kGet, {{"upgrade", "websocket"}}),
           with(kGet, {{"te", "gzip"}}),
           with(kGet, {{"x", "a\r\nb"}}),
           with(kGet, {{"x", std::string("a\0b", 3)}}),
           with(kGet, {{"x", " padded"}}),
           with(kGet, {{"x y", "a"}}),
           with(kGet, {{"", "a"}}),
           with(kGet, {{"host", "b"}}),
           with(kGet, {{":path", "/"}}),
           with(kGet, {{"x", "y"}, {":late", "z"}}),
           with(kGet, {{":status", "200"}}),
           with(kGet, {{"content-length", "3"}}),
           with(kGet, {{"content-length", "0"}, {"content-length", "0"}}),
           with(kGet, {{"content-length", "+0"}}),
           with({{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a"}}, {}),
           with({{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}, {":authority", "a"}}, {}),
           with({{":method", "GET"}, {":scheme", "http"}, {":path", "x"}, {":authority", "a"}}, {}),
           with({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@a"}}, {}),
           with({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, {}),
           with({{":method", "GE T"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, {}),
           with({{":method", "CONNECT"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}, {}),
           with(kGet, {{":protocol", "websocket"}}),
       }) {
    Server server;
    server.headers(1, fields);
    EXPECT_TRUE(server.notes.streams.empty()) << fields.back().first;
    EXPECT_EQ(server.out.view(), frame(FrameType::RstStream, 0, 1, number(1))) << fields.back().first;
    EXPECT_FALSE(server.session.should_close());
  }
}

TEST(H2Session, WellFormedOddRequestsPass) {
  Server server;
  server.headers(1, {{":method", "CONNECT"}, {":authority", "a:443"}}, flag::kEndHeaders);
  EXPECT_EQ(server.notes.streams[1].head, "CONNECT a:443");
  server.headers(3,
                 {{":method", "CONNECT"},
                  {":protocol", "websocket"},
                  {":scheme", "http"},
                  {":path", "/chat"},
                  {":authority", "a"}},
                 flag::kEndHeaders);
  EXPECT_EQ(server.notes.streams[3].head, "CONNECT a/chat");
  server.headers(5, {{":method", "GET"},
                     {":scheme", "http"},
                     {":path", "/"},
                     {"host", "b"},
                     {"cookie", "x=1"},
                     {"te", "trailers"},
                     {"cookie", "y=2"}});
  EXPECT_EQ(server.notes.streams[5].head, "GET b/");
  EXPECT_EQ(server.notes.streams[5].headers.get("cookie"), "x=1; y=2");
}

TEST(H2Session, ABodyMustBeAsLongAsItSays) {
  const Fields post = with(kGet, {{"content-length", "3"}});
  for (auto [body, good] : {std::pair{"abc", true}, {"ab", false}, {"abcd", false}}) {
    Server server;
    server.headers(1, post, flag::kEndHeaders);
    server.receive(frame(FrameType::Data, flag::kEndStream, 1, body));
    EXPECT_EQ(server.notes.streams[1].ended, good) << body;
    EXPECT_EQ(server.notes.streams[1].reset.has_value(), !good) << body;
  }
}

// What a server says when it gives the connection up.
ErrorCode gave_up(const End& end) {
  if (!end.session.should_close()) return ErrorCode::NoError;
  std::string_view out = end.out.view();
  for (size_t at = 0; at + kFrameHeader <= out.size();) {
    size_t size = read_u32(out.data() + at) >> 8;
    if (static_cast<FrameType>(out[at + 3]) == FrameType::Goaway)
      return static_cast<ErrorCode>(read_u32(out.data() + at + kFrameHeader + 4));
    at += kFrameHeader + size;
  }
  return ErrorCode::NoError;
}

TEST(H2Session, FloodsEndTheConnection) {
  struct Flood {
    const char* name;
    std::string bytes;
  };
  std::string ping = frame(FrameType::Ping, 0, 0, "12345678");
  for (const Flood& flood : {
           Flood{"ping", ping},
           Flood{"settings", frame(FrameType::Settings, 0, 0)},
           Flood{"priority", frame(FrameType::Priority, 0, 5, std::string(5, '\0'))},
           Flood{"empty data", frame(FrameType::Data, 0, 1)},
           Flood{"one byte windows", frame(FrameType::WindowUpdate, 0, 0, number(1))},
           Flood{"unknown frames", frame(static_cast<FrameType>(0xfa), 0, 0)},
       }) {
    Server server;
    server.headers(1, kGet, flag::kEndHeaders);
    for (int i = 0; i < 900; ++i) server.receive(flood.bytes);
    EXPECT_FALSE(server.session.should_close()) << flood.name;
    for (int i = 0; i < 200; ++i) server.receive(flood.bytes);
    EXPECT_EQ(gave_up(server), ErrorCode::EnhanceYourCalm) << flood.name;
    EXPECT_TRUE(server.notes.streams[1].reset.has_value());
  }
  Server patient;
  for (int i = 0; i < 5000; ++i) {
    patient.now += std::chrono::milliseconds(20);
    patient.receive(ping);
  }
  EXPECT_FALSE(patient.session.should_close());
}

// What was on its way when this side reset a stream, and windows given back message by message, are no floods.
TEST(H2Session, WhatIsDueIsNoFlood) {
  Server server;
  server.headers(1, kGet, flag::kEndHeaders);
  server.session.reset(1, ErrorCode::Cancel);
  for (int i = 0; i < 3000; ++i) server.receive(frame(FrameType::Data, 0, 1, "x"));
  EXPECT_FALSE(server.session.should_close());
  for (int i = 0; i < 1100; ++i) server.receive(frame(FrameType::Data, 0, 1));
  EXPECT_EQ(gave_up(server), ErrorCode::EnhanceYourCalm) << "frames of nothing are";

  for (const bool dribbles : {false, true}) {
    Server streams;
    if (dribbles) streams.receive(frame(FrameType::Settings, 0, 0, std::string("\0\4", 2) + number(0)));
    streams.headers(1, kGet);
    ResponseHead head;
    head.status = 200;
    streams.session.send_response(1, head, false);
    for (int i = 0; i < 2000; ++i) {
      streams.session.send_data(1, dribbles ? std::string(100, 'x') : "ten bytes.", false);
      for (StreamId id : {0, 1}) streams.receive(frame(FrameType::WindowUpdate, 0, id, number(dribbles ? 1 : 10)));
      streams.out.clear();
    }
    EXPECT_EQ(streams.session.should_close(), dribbles);
  }
}

// A peer that reads nothing can ask for little more than it takes; one that reads gets all of it.
TEST(H2Session, NothingMoreIsTakenFromAPeerThatDoesNotTakeItsAnswers) {
  struct Answers final : Notes {
    void on_request(Stream& stream, RequestHead&, bool) override {
      ResponseHead head;
      head.status = 301;
      head.headers.add("location", "/" + std::string(3000, 'x') + std::to_string(stream.id));
      session->send_response(stream.id, head, true);
      ++answered;
    }
    Session* session = nullptr;
    size_t answered = 0;
  };
  for (const bool pings : {false, true}) {
    Answers sink;
    net::Buffer out;
    Options options;
    options.control_budget = 1'000'000;
    Session session(Role::Server, options, sink, out);
    sink.session = &session;
    std::string bytes = std::string(kPreface) + frame(FrameType::Settings, 0, 0);
    const std::string ping = frame(FrameType::Ping, 0, 0, "12345678"), get = block_of(kGet);
    constexpr size_t kRequests = 2000, kPings = 40'000;
    for (size_t i = 0; i < (pings ? kPings : kRequests); ++i)
      bytes += pings ? ping : frame(FrameType::Headers, flag::kEndHeaders | flag::kEndStream, 2 * i + 1, get);
    std::string_view left = bytes;
    left.remove_prefix(session.receive(left, {}));
    EXPECT_TRUE(session.held());
    EXPECT_GT(left.size(), bytes.size() / 2);
    EXPECT_LT(out.size(), options.output_hold + 10'000);
    size_t sent = 0;
    while (!left.empty()) {
      sent += out.size();
      out.clear();
      session.output_drained();
      const size_t taken = session.receive(left, {});
      ASSERT_GT(taken, 0u);
      left.remove_prefix(taken);
    }
    EXPECT_FALSE(session.held());
    EXPECT_FALSE(session.failed());
    EXPECT_EQ(sink.answered, pings ? 0 : kRequests);
    EXPECT_GT(sent + out.size(), pings ? kPings * 17 : kRequests * 2000);
  }
}

TEST(H2Session, APeerThatLetsTooMuchWaitIsLeft) {
  Options options;
  options.max_streams = 1000;
  Server server(options);
  for (StreamId id = 1; id < 2000; id += 2) server.headers(id, kGet);
  ResponseHead head = response(200);
  head.headers.add("x", std::string(30'000, 'x'));
  for (StreamId id = 1; id < 2000; id += 2) server.session.send_response(id, head, false);
  EXPECT_TRUE(server.session.failed());
  EXPECT_LT(server.out.size(), options.output_most + 40'000);

  End client(Role::Client);  // reads whatever waits, but not for ever
  client.receive(frame(FrameType::Settings, 0, 0));
  const std::string ping = frame(FrameType::Ping, 0, 0, "12345678");
  for (size_t i = 0; i < 400'000 && !client.session.failed(); ++i) {
    client.now += std::chrono::milliseconds(20);
    client.receive(ping);
  }
  EXPECT_TRUE(client.session.failed());
}

TEST(H2Session, AContinuationFloodEndsTheConnection) {
  Server server;
  server.receive(frame(FrameType::Headers, flag::kEndStream, 1, block_of(kGet)));
  for (int i = 0; i < 9; ++i) server.receive(frame(FrameType::Continuation, 0, 1, block_of({{"x", "y"}})));
  EXPECT_EQ(gave_up(server), ErrorCode::EnhanceYourCalm);
}

TEST(H2Session, RapidResetsByEitherSideEndTheConnection) {
  Server by_peer, by_us, patient;
  StreamId id = 1;
  for (int i = 0; i < 600; ++i, id += 2) {
    by_peer.headers(id, kGet);
    by_peer.receive(frame(FrameType::RstStream, 0, id, number(8)));
    by_us.headers(id, kGet, flag::kEndHeaders);
    by_us.receive(frame(FrameType::WindowUpdate, 0, id, number(0)));  // makes this side reset it
    patient.headers(id, kGet);
    patient.now += std::chrono::seconds(2);
    patient.receive(frame(FrameType::RstStream, 0, id, number(8)));
  }
  EXPECT_EQ(gave_up(by_peer), ErrorCode::EnhanceYourCalm);
  EXPECT_EQ(gave_up(by_us), ErrorCode::EnhanceYourCalm);
  EXPECT_FALSE(patient.session.should_close());
}

TEST(H2Session, AHeaderBlockThatUnpacksToTooMuchEndsTheConnection) {
  Server server;
  std::string bomb = block_of(kGet) + "\x40\x01x\x7f\xa1\x1e" + std::string(4000, 'x');  // an entry of 4 KB
  bomb += std::string(10'000, '\xbe');                                                   // and 10,000 references
  server.receive(frame(FrameType::Headers, flag::kEndHeaders | flag::kEndStream, 1, bomb));
  EXPECT_EQ(gave_up(server), ErrorCode::EnhanceYourCalm);
}

TEST(H2Session, MoreStreamsThanAllowedAreRefused) {
  Options options;
  options.max_streams = 2;
  Server server(options);
  for (StreamId id : {1, 3, 5}) server.headers(id, kGet);
  EXPECT_EQ(server.session.open_streams(), 2u);
  EXPECT_EQ(server.out.view(), frame(FrameType::RstStream, 0, 5, number(7)));
}

TEST(H2Session, FlowControlIsEnforcedOnThePeer) {
  Server server;
  server.headers(1, kGet, flag::kEndHeaders);
  for (int i = 0; i < 5; ++i) server.receive(frame(FrameType::Data, 0, 1, std::string(16'384, 'x')));
  EXPECT_EQ(server.notes.streams[1].reset, ErrorCode::FlowControlError);
  Server windows;
  windows.receive(frame(FrameType::WindowUpdate, 0, 0, number(0x7fffffff)));
  EXPECT_EQ(gave_up(windows), ErrorCode::FlowControlError);
}

TEST(H2Session, ADrainedServerFinishesWhatItBegan) {
  End client(Role::Client), server(Role::Server);
  StreamId id = client.session.send_request(request("GET", "/"), true, nullptr);
  exchange(client, server);
  server.session.drain();
  exchange(client, server);
  EXPECT_FALSE(client.session.can_open());
  EXPECT_EQ(client.notes.goaway, id);
  EXPECT_FALSE(client.notes.streams[id].reset.has_value());
  EXPECT_FALSE(server.session.should_close());
  server.session.send_response(id, response(200), true);
  exchange(client, server);
  EXPECT_EQ(client.notes.streams[id].head, "200 ");
  EXPECT_TRUE(server.session.should_close());
  EXPECT_TRUE(client.session.should_close());
}

TEST(H2Session, StreamsThatThePeerDidNotProcessMayBeTriedElsewhere) {
  End client(Role::Client);
  client.receive(frame(FrameType::Settings, 0, 0));
  for (int i = 0; i < 3; ++i) client.session.send_request(request("GET", "/"), true, nullptr);
  client.receive(frame(FrameType::Goaway, 0, 0, number(3) + number(0)));
  EXPECT_FALSE(client.notes.streams[3].reset.has_value());
  EXPECT_EQ(client.notes.streams[5].reset, ErrorCode::RefusedStream);
}

TEST(H2Session, AClientRefusesWhatNoServerMaySend) {
  struct Case {
    const char* name;
    std::string bytes;
  };
  auto headers = [](const Fields& fields, uint8_t flags) {
    return frame(FrameType::Headers, flags | flag::kEndHeaders, 1, block_of(fields));
  };
  for (const Case& c : {
           Case{"no status", headers({{"x", "y"}}, 0)},
           Case{"status of two digits", headers({{":status", "20"}}, 0)},
           Case{"101", headers({{":status", "101"}}, 0)},
           Case{"an interim end", headers({{":status", "100"}}, flag::kEndStream)},
           Case{"a request", headers(kGet, 0)},
           Case{"data first", frame(FrameType::Data, 0, 1, "x")},
           Case{"too long",
                headers({{":status", "200"}, {"content-length", "1"}}, 0) + frame(FrameType::Data, 0, 1, "xy")},
           Case{"too short", headers({{":status", "200"}, {"content-length", "1"}}, flag::kEndStream)},
       }) {
    End client(Role::Client);
    client.receive(frame(FrameType::Settings, 0, 0));
    client.session.send_request(request("GET", "/"), true, nullptr);
    client.receive(c.bytes);
    EXPECT_EQ(client.notes.streams[1].reset, ErrorCode::ProtocolError) << c.name;
  }
  End client(Role::Client);
  client.receive(frame(FrameType::Settings, 0, 0));
  client.session.send_request(request("HEAD", "/"), true, nullptr);
  client.receive(headers({{":status", "200"}, {"content-length", "10"}}, flag::kEndStream));
  EXPECT_TRUE(client.notes.streams[1].ended);
}

TEST(H2Session, ALostConnectionEndsEveryStreamOnce) {
  End client(Role::Client);
  client.receive(frame(FrameType::Settings, 0, 0));
  for (int i = 0; i < 50; ++i) client.session.send_request(request("GET", "/"), true, nullptr);
  client.session.connection_lost();
  EXPECT_EQ(client.notes.streams.size(), 50u);
  EXPECT_EQ(client.session.open_streams(), 0u);
  EXPECT_FALSE(client.session.can_open());
}

}  // namespace
}  // namespace http::h2
