// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "proxy/filter/compression.h"
#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// Clients that ask and do not take the answers, and upstreams that say more than they should.
namespace proxy {
namespace {

using namespace proxy::testing;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(int type, int flags, uint32_t id, const std::string& payload) {
  std::string out;
  for (int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(id >> shift);
  return out + payload;
}

// A string of HPACK without Huffman's code, its length in 7 bits and more.
std::string hpack_string(const std::string& text) {
  std::string out;
  if (text.size() < 127) {
    out += static_cast<char>(text.size());
  } else {
    out += 127;
    size_t rest = text.size() - 127;
    for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
    out += static_cast<char>(rest);
  }
  return out + text;
}

// GET http://a/PATH: never indexed, so that each of them is the same.
std::string get_frame(uint32_t id, const std::string& path) {
  return frame(1, 5, id, "\x82\x86\x01" + hpack_string("a") + "\x04" + hpack_string(path));
}

// Writes without reading until the proxy takes no more, then reads too; what was taken at first, and all answers.
struct Flood {
  size_t taken = 0;
  std::string answers;
};
Flood flood(uint16_t port, std::string_view bytes, std::move_only_function<bool(std::string_view)> enough) {
  Socket socket(port);
  fcntl(socket.fd(), F_SETFL, O_NONBLOCK);
  Flood out;
  size_t sent = 0;
  auto write = [&](int wait) {
    pollfd ready{.fd = socket.fd(), .events = POLLOUT, .revents = 0};
    if (sent == bytes.size() || poll(&ready, 1, wait) != 1) return false;
    const ssize_t count =
        send(socket.fd(), bytes.data() + sent, std::min<size_t>(bytes.size() - sent, 65536), MSG_NOSIGNAL);
    sent += static_cast<size_t>(std::max<ssize_t>(count, 0));
    return count > 0;
  };
  while (write(300)) {
  }
  out.taken = sent;
  while (!enough(out.answers)) {
    while (write(0)) {
    }
    pollfd ready{.fd = socket.fd(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 20'000) != 1) break;
    const std::string piece = socket.read();
    if (piece.empty() && socket.ended()) break;
    out.answers += piece;
  }
  return out;
}

std::string redirects() {
  return bootstrap_of(
      "              - {match: {prefix: /}, redirect: {host_redirect: " + std::string(3000, 'h') + "}}\n",
      cluster_of("c", "1"));
}

TEST(Floods, AnHttpOneClientThatTakesNoAnswersIsHeldBackAndGetsThemAllOnceItReads) {
  net::Loop loop;
  Proxy proxy(loop, redirects());
  std::string request = "GET /" + std::string(3000, 'p') + " HTTP/1.1\r\nhost: a\r\n\r\n", all;
  constexpr size_t kRequests = 8000;
  for (size_t i = 0; i < kRequests; ++i) all += request;
  const std::string one =
      raw(loop, proxy.port(), "GET /" + std::string(3000, 'p') + " HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const size_t answer = one.size() - std::string_view("connection: close\r\n").size();
  ASSERT_TRUE(one.starts_with("HTTP/1.1 301")) << one;
  const Flood got = flood(proxy.port(), all, [&](std::string_view got) { return got.size() >= kRequests * answer; });
  EXPECT_LT(got.taken, all.size() * 3 / 4);
  EXPECT_EQ(got.answers.size(), kRequests * answer);
}

TEST(Floods, AnHttpTwoClientThatTakesNoAnswersIsHeldBackAndGetsThemAllOnceItReads) {
  net::Loop loop;
  Proxy proxy(loop, redirects());
  const std::string path = "/" + std::string(3000, 'p');
  std::string all = std::string(kPreface) + frame(4, 0, 0, "");
  constexpr uint32_t kRequests = 8000;
  for (uint32_t i = 0; i < kRequests; ++i) all += get_frame(2 * i + 1, path);
  uint32_t heads = 0;
  size_t at = 0;
  const Flood got = flood(proxy.port(), all, [&](std::string_view got) {
    while (at + 9 <= got.size()) {
      auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(got[at + i])); };
      heads += byte(3) == 1;
      at += 9 + (byte(0) << 16 | byte(1) << 8 | byte(2));
    }
    return heads == kRequests;
  });
  EXPECT_LT(got.taken, all.size() * 3 / 4);
  EXPECT_EQ(heads, kRequests);
}

size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  size_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Bodies that become a thousand times their size wait as they are for an upstream that does not read.
TEST(Floods, ABodyIsUnpackedOnlyAsFastAsItsReceiverTakesIt) {
  constexpr size_t kSize = 30'000'000, kClients = 4;
  net::Buffer packed;
  make_encoder({.window_bits = 15})->feed(std::string(kSize, '\0'), packed, true);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = *net::Address::parse("127.0.0.1", 0);
  ASSERT_EQ(bind(listener, address.data(), address.size()), 0);
  ASSERT_EQ(listen(listener, 16), 0);
  sockaddr_in at{};
  socklen_t size = sizeof at;
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  net::Loop loop;
  Proxy proxy(loop, bootstrap_of("              - {match: {prefix: /}, route: {cluster: c, timeout: 0s}}\n",
                                 cluster_of("c", std::to_string(ntohs(at.sin_port))), "",
                                 "{name: d, typed_config: {\"@type\": "
                                 "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor, "
                                 "decompressor_library: {name: l, typed_config: {\"@type\": "
                                 "type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip, "
                                 "max_inflate_ratio: 1032}}}}\n"));
  const size_t before = resident_bytes();
  std::vector<std::unique_ptr<Socket>> clients;
  std::vector<int> upstreams;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Socket>(proxy.port()));
    clients.back()->write("POST / HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ncontent-length: " +
                          std::to_string(packed.size()) + "\r\n\r\n" + std::string(packed.view()));
    upstreams.push_back(accept(listener, nullptr, nullptr));
    std::string seen(30'000, '\0');
    ASSERT_EQ(recv(upstreams.back(), seen.data(), seen.size(), MSG_PEEK | MSG_WAITALL), 30'000);
  }
  EXPECT_LT(resident_bytes(), before + 40'000'000);
  for (int upstream : upstreams) {
    size_t got = 0, tail = 0;
    char block[65536];
    std::string last;
    for (ssize_t count; !last.ends_with("\r\n0\r\n\r\n") && (count = recv(upstream, block, sizeof block, 0)) > 0;) {
      got += static_cast<size_t>(count);
      last.append(block, static_cast<size_t>(count));
      if (last.size() > 10) last.erase(0, last.size() - 10);
      tail = last.size();
    }
    EXPECT_EQ(tail, 10u);
    EXPECT_GT(got, kSize);
    close(upstream);
  }
  close(listener);
}

// Answers every request on every connection with the same bytes.
class SameAnswer {
 public:
  explicit SameAnswer(std::string answer) : answer_(std::move(answer)), fd_(listen_anywhere(port)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~SameAnswer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  uint16_t port = 0;
  std::atomic<int> connections = 0;

 private:
  void serve() {
    std::vector<std::thread> peers;
    std::vector<int> fds;
    for (int peer; (peer = accept(fd_, nullptr, nullptr)) >= 0;) {
      ++connections;
      fds.push_back(peer);
      peers.emplace_back([this, peer] {
        char bytes[4096];
        while (recv(peer, bytes, sizeof bytes, 0) > 0) send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      });
    }
    for (size_t i = 0; i < peers.size(); ++i) {
      ::shutdown(fds[i], SHUT_RDWR);
      peers[i].join();
      close(fds[i]);
    }
  }
  const std::string answer_;
  const int fd_;
  std::thread thread_;
};

// What follows a response that still waits for its client must not keep the worker busy, nor become the next answer.
TEST(Floods, BytesAfterAResponseAreDroppedAndTheirConnectionIsNotUsedAgain) {
  SameAnswer upstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
  net::Loop loop;
  Proxy proxy(loop, bootstrap_of("              - {match: {prefix: /}, route: {cluster: c}}\n",
                                 cluster_of("c", std::to_string(upstream.port))));
  Socket stalled(proxy.port());  // has no window for the body
  stalled.write(std::string(kPreface) + frame(4, 0, 0, std::string("\0\4\0\0\0\0", 6)) + get_frame(1, "/"));
  std::string got;
  while (!got.contains(frame(1, 4, 1, "").substr(3))) {
    const std::string piece = stalled.read();
    ASSERT_FALSE(piece.empty());
    got += piece;
  }
  for (int i = 0; i < 3; ++i) {
    http::Response answer = get(loop, proxy.port(), "/");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "ok");
  }
  stalled.write(frame(8, 0, 1, std::string("\0\0\0\x64", 4)));
  while (!got.contains(frame(0, 1, 1, "ok"))) {
    const std::string piece = stalled.read();
    ASSERT_FALSE(piece.empty());
    got += piece;
  }
  EXPECT_EQ(upstream.connections, 4);
}

}  // namespace
}  // namespace proxy
