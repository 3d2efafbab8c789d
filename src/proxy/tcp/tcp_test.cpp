// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "proxy/runtime/blocking_socket.h"
#include "proxy/runtime/harness.h"

// TCP proxying by whole proxies over real sockets; the peers are blocking sockets of this test's.
namespace proxy {
namespace {

using namespace proxy::testing;

int connect_to(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = *net::Address::parse("127.0.0.1", port);
  EXPECT_EQ(connect(fd, address.data(), address.size()), 0);
  return fd;
}

std::string read_all(int fd) {
  std::string out;
  char block[65536];
  for (ssize_t count; (count = read(fd, block, sizeof block)) > 0;) out.append(block, static_cast<size_t>(count));
  return out;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

// Serves one connection after another on a thread of its own.
class Server {
 public:
  explicit Server(std::function<void(int)> serve) : fd_(listen_anywhere(port_)) {
    thread_ = std::thread([fd = fd_, serve = std::move(serve)] {
      for (int peer; (peer = accept(fd, nullptr, nullptr)) >= 0;) {
        serve(peer);
        close(peer);
      }
    });
  }
  ~Server() {
    stop();
    close(fd_);
  }
  // What it wrote may be read from here on.
  void stop() {
    if (!thread_.joinable()) return;
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
  }
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  int fd_;
  std::thread thread_;
};

std::string tcp_bootstrap(const std::string& options, const std::string& clusters, const std::string& more = "") {
  return R"(
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
)" + more +
         R"(
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
)" + options +
         "\n  clusters:\n" + clusters;
}

std::string log_to(const std::string& path,
                   const std::string& format = "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER%") {
  return "          access_log: [{name: f, typed_config: {\"@type\": "
         "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: " +
         path + ", log_format: {text_format_source: {inline_string: \"" + format + "\\n\"}}}}]\n";
}

std::string logged(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct TempPath {
  std::string path = ::testing::TempDir() + "tcp_" + std::to_string(getpid()) + "_" +
                     ::testing::UnitTest::GetInstance()->current_test_info()->name();
  ~TempPath() { unlink(path.c_str()); }
};

std::string pattern(size_t size, unsigned seed) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 2654435761u + seed) >> 11);
  return out;
}

TEST(TcpProxy, BulkTravelsWholeBothWaysAndAHalfClosedConnectionStillAnswers) {
  constexpr size_t kSize = 24 << 20;
  const std::string there = pattern(kSize, 1), back = pattern(kSize, 7);
  std::string got;
  Server server([&](int peer) {
    got = read_all(peer);  // ends by the client's half-close
    write_all(peer, back);
  });
  TempPath log;
  {
    net::Loop loop;
    Proxy proxy(loop, tcp_bootstrap("          cluster: c\n" + log_to(log.path),
                                    cluster_of("c", std::to_string(server.port()))));
    int fd = connect_to(proxy.port());
    write_all(fd, there);
    shutdown(fd, SHUT_WR);
    const std::string answer = read_all(fd);
    close(fd);
    EXPECT_TRUE(answer == back) << answer.size() << " bytes came back";
    EXPECT_TRUE(got == there) << got.size() << " bytes arrived";
  }
  EXPECT_EQ(logged(log.path), "- " + std::to_string(kSize) + " " + std::to_string(kSize) + " c\n");
}

TEST(TcpProxy, BothDirectionsFlowAtTheSameTime) {
  constexpr size_t kSize = 16 << 20;
  Server server([](int peer) {  // echoes
    char block[65536];
    for (ssize_t count; (count = read(peer, block, sizeof block)) > 0;)
      write_all(peer, {block, static_cast<size_t>(count)});
  });
  net::Loop loop;
  Proxy proxy(loop, tcp_bootstrap("          cluster: c\n", cluster_of("c", std::to_string(server.port()))));
  int fd = connect_to(proxy.port());
  const std::string there = pattern(kSize, 3);
  std::thread writer([&] {
    write_all(fd, there);
    shutdown(fd, SHUT_WR);
  });
  const std::string back = read_all(fd);
  writer.join();
  close(fd);
  EXPECT_TRUE(back == there) << back.size();
}

TEST(TcpProxy, AResetOfTheUpstreamResetsTheDownstream) {
  Server server([](int peer) {
    char block[65536];
    for (size_t got = 0; got < (2u << 20);) {
      ssize_t count = read(peer, block, sizeof block);
      if (count <= 0) return;
      got += static_cast<size_t>(count);
    }
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  });
  net::Loop loop;
  Proxy proxy(loop, tcp_bootstrap("          cluster: c\n", cluster_of("c", std::to_string(server.port()))));
  int fd = connect_to(proxy.port());
  // Told once, by the write that it cut short or else by the read.
  const std::string block(4 << 20, 'x');
  ssize_t count = 0;
  for (size_t sent = 0; sent < block.size(); sent += static_cast<size_t>(count))
    if ((count = send(fd, block.data() + sent, block.size() - sent, MSG_NOSIGNAL)) < 0) break;
  char byte;
  if (count >= 0) count = read(fd, &byte, 1);
  EXPECT_LT(count, 0);
  EXPECT_TRUE(errno == ECONNRESET || errno == EPIPE) << errno;
  close(fd);
}

TEST(TcpProxy, AResetAfterLittleIsNoOrderlyEndEither) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  Server resets([&](int peer) {
    char byte;
    EXPECT_EQ(read(peer, &byte, 1), 1);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  });
  std::atomic<int> heard{-1};
  Server hears([&](int peer) {
    char byte;
    EXPECT_EQ(read(peer, &byte, 1), 1);
    write_all(peer, "y");
    heard = read(peer, &byte, 1) < 0 ? errno : 0;
  });
  net::Loop loop;
  TempPath log;
  auto to = [&](const Server& server) {
    return tcp_bootstrap("          cluster: c\n" + log_to(log.path), cluster_of("c", std::to_string(server.port())));
  };
  Proxy up(loop, to(resets)), down(loop, to(hears));
  int fd = connect_to(up.port());
  write_all(fd, "x");
  char byte;
  EXPECT_LT(read(fd, &byte, 1), 0);
  EXPECT_EQ(errno, ECONNRESET);
  close(fd);
  for (int i = 0; i < 1000 && logged(log.path).empty(); ++i) usleep(2000);
  EXPECT_EQ(logged(log.path), "UR 1 0 c\n");
  fd = connect_to(down.port());
  write_all(fd, "x");
  EXPECT_EQ(read(fd, &byte, 1), 1);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(fd);
  hears.stop();
  EXPECT_EQ(heard, ECONNRESET);
}

TEST(TcpProxy, SaysWhyAConnectionCouldNotBeMade) {
  int closed = socket(AF_INET, SOCK_STREAM, 0);  // bound, and nobody listens
  auto any = *net::Address::parse("127.0.0.1", 0);
  ASSERT_EQ(bind(closed, any.data(), any.size()), 0);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(closed, reinterpret_cast<sockaddr*>(&bound), &size);
  const std::string port = std::to_string(net::Address::of(reinterpret_cast<sockaddr*>(&bound), size).port());
  auto flags_of = [](const std::string& options, const std::string& clusters) {
    TempPath log;
    {
      net::Loop loop;
      Proxy proxy(loop, tcp_bootstrap(options + log_to(log.path), clusters));
      int fd = connect_to(proxy.port());
      EXPECT_EQ(read_all(fd), "");
      close(fd);
    }
    const std::string line = logged(log.path);
    return line.substr(0, line.find(' '));
  };
  EXPECT_EQ(flags_of("          cluster: c\n", cluster_of("c", port)), "UF,URX");
  EXPECT_EQ(flags_of("          cluster: c\n          max_connect_attempts: 3\n", cluster_of("c", port)), "UF,URX");
  EXPECT_EQ(flags_of("          cluster: c\n", "  - {name: c, type: STATIC}\n"), "UH");
  EXPECT_EQ(flags_of("          cluster: other\n", "  - {name: c, type: STATIC}\n"), "NC");
  const std::string none_waits = "    circuit_breakers: {thresholds: [{max_pending_requests: 0}]}\n";
  EXPECT_EQ(flags_of("          cluster: c\n", cluster_of("c", port, none_waits)), "URX");
  close(closed);
}

TEST(TcpProxy, EndsWhatIsIdleOrLastsTooLong) {
  Server server([](int peer) { read_all(peer); });
  const std::string cluster = cluster_of("c", std::to_string(server.port()));
  for (auto [option, flags] : {std::pair{"idle_timeout: 0.2s", "- 2 0 c\n"},
                               std::pair{"max_downstream_connection_duration: 0.2s", "DT 2 0 c\n"}}) {
    TempPath log;
    {
      net::Loop loop;
      Proxy proxy(
          loop,
          tcp_bootstrap("          cluster: c\n          " + std::string(option) + "\n" + log_to(log.path), cluster));
      int fd = connect_to(proxy.port());
      write_all(fd, "hi");
      EXPECT_EQ(read_all(fd), "") << "the proxy ends it";
      close(fd);
    }
    EXPECT_EQ(logged(log.path), flags) << option;
  }
}

TEST(TcpProxy, EndsWhereTheEndpointFailsItsChecks) {
  Server server([](int peer) { read_all(peer); }), checks([](int) {});
  net::Loop loop;
  Proxy proxy(loop, tcp_bootstrap("          cluster: c\n",
                                  "  - name: c\n    type: STATIC\n    close_connections_on_host_health_failure: true\n"
                                  "    health_checks: [{timeout: 5s, interval: 0.02s, no_traffic_interval: 0.02s, "
                                  "unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]\n"
                                  "    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: "
                                  "{address: {socket_address: {address: 127.0.0.1, port_value: " +
                                      std::to_string(server.port()) + "}}, health_check_config: {port_value: " +
                                      std::to_string(checks.port()) + "}}}]}]}\n"));
  auto nap = [&]() -> net::Task<bool> {
    co_await net::sleep(loop, std::chrono::milliseconds(5));
    co_return true;
  };
  while (proxy.process().scrape().prometheus().find("envoy_cluster_health_check_healthy{envoy_cluster_name=\"c\"} 1") ==
         std::string::npos)
    net::run_to_end(loop, nap());
  int fd = connect_to(proxy.port());
  write_all(fd, "hi");
  for (int i = 0; i < 20; ++i) net::run_to_end(loop, nap());
  checks.stop();
  char byte;
  ssize_t count = -1;
  for (int i = 0; i < 1000 && (count = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0; ++i) net::run_to_end(loop, nap());
  EXPECT_EQ(count, 0) << "the proxy ends it";
  close(fd);
}

TEST(TcpProxy, DividesConnectionsByWeight) {
  Server one([](int peer) { write_all(peer, "1"); }), two([](int peer) { write_all(peer, "2"); });
  net::Loop loop;
  Proxy proxy(loop,
              tcp_bootstrap("          weighted_clusters: {clusters: [{name: a, weight: 3}, {name: b, weight: 1}]}\n",
                            cluster_of("a", std::to_string(one.port())) + cluster_of("b", std::to_string(two.port()))));
  int ones = 0;
  for (int i = 0; i < 200; ++i) {
    int fd = connect_to(proxy.port());
    ones += read_all(fd) == "1";
    close(fd);
  }
  EXPECT_GT(ones, 110);
  EXPECT_LT(ones, 190);
}

TEST(TcpProxy, NamesWhatItDoesNotSupport) {
  for (std::string field : {"tunneling_config: {hostname: 'a:1', request_id_header: x-id}", "upstream_idle_timeout: 1s",
                            "max_early_data_bytes: 1", "hash_policy: [{filter_state: {key: a}}]",
                            "upstream_connect_mode: ON_DOWNSTREAM_DATA"}) {
    auto bootstrap = parse_bootstrap(
        tcp_bootstrap("          cluster: c\n          " + field + "\n", "  - {name: c, type: STATIC}\n"));
    ASSERT_TRUE(bootstrap) << bootstrap.error().message;
    auto good = validate(*bootstrap);
    ASSERT_FALSE(good) << field;
    const std::string name = field.starts_with("tunneling") ? "request_id_header" : field.substr(0, field.find(':'));
    EXPECT_NE(good.error().message.find(name), std::string::npos) << good.error().message;
  }
}

// A proxy whose listener ends CONNECT towards a TCP server.
std::string far_side(uint16_t server) {
  return bootstrap_of(
      "              - {match: {connect_matcher: {}}, route: {cluster: tcp, upgrade_configs: [{upgrade_type: CONNECT, "
      "connect_config: {}}]}}\n",
      cluster_of("tcp", std::to_string(server)),
      "          upgrade_configs: [{upgrade_type: CONNECT}]\n          http2_protocol_options: {allow_connect: "
      "true}\n");
}

std::string read_head(int fd) {
  std::string head;
  for (char byte; !head.ends_with("\r\n\r\n") && read(fd, &byte, 1) == 1;) head += byte;
  return head;
}

const std::string kHttp2 =
    "    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": "
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
    "{http2_protocol_options: {}}}}\n";

TEST(TcpTunnel, BytesTravelInAConnectThatTheNextProxyEnds) {
  Server echo([](int peer) { write_all(peer, read_all(peer)); });
  const std::string big = bytes(3 << 20);
  for (const std::string& protocol : {std::string(), kHttp2}) {
    TempPath log;
    {
      net::Loop loop;
      Proxy far(loop, far_side(echo.port()));
      Proxy near(loop,
                 tcp_bootstrap("          cluster: far\n          tunneling_config: {hostname: 'db.example:5432'}\n" +
                                   log_to(log.path),
                               cluster_of("far", std::to_string(far.port()), protocol)));
      int fd = connect_to(near.port());
      std::thread writer([&] {
        write_all(fd, big);
        shutdown(fd, SHUT_WR);
      });
      EXPECT_EQ(read_all(fd).size(), big.size());
      writer.join();
      close(fd);
    }
    EXPECT_EQ(logged(log.path), "- " + std::to_string(big.size()) + " " + std::to_string(big.size()) + " far\n");
  }
}

TEST(TcpTunnel, TheHeadNamesTheHostAndBearsTheHeadersThatAreConfigured) {
  std::string head;
  Server next([&](int peer) {
    head = read_head(peer);
    write_all(peer, "HTTP/1.1 200 OK\r\n\r\nhello ");
    write_all(peer, read_all(peer));
  });
  {
    net::Loop loop;
    Proxy proxy(loop, tcp_bootstrap("          cluster: c\n          tunneling_config: {hostname: "
                                    "'h-%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%:443', headers_to_add: [{header: {key: "
                                    "x-port, value: 'p%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%'}}]}\n",
                                    cluster_of("c", std::to_string(next.port()))));
    int fd = connect_to(proxy.port());
    write_all(fd, "world");
    shutdown(fd, SHUT_WR);
    EXPECT_EQ(read_all(fd), "hello world");
    close(fd);
  }
  next.stop();
  EXPECT_EQ(head, "CONNECT h-127.0.0.1:443 HTTP/1.1\r\nhost: h-127.0.0.1:443\r\nx-port: p127.0.0.1\r\n\r\n");
}

TEST(TcpTunnel, APostCarriesThemAsItsBody) {
  std::string head, body;
  Server next([&](int peer) {
    head = read_head(peer);
    write_all(peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello \r\n");
    char block[100];
    for (ssize_t count; !body.ends_with("0\r\n\r\n") && (count = read(peer, block, sizeof block)) > 0;)
      body.append(block, static_cast<size_t>(count));
    write_all(peer, "5\r\nworld\r\n0\r\n\r\n");
    read_all(peer);
  });
  {
    net::Loop loop;
    Proxy proxy(loop,
                tcp_bootstrap("          cluster: c\n          tunneling_config: {hostname: 'a:1', use_post: true, "
                              "post_path: /into}\n",
                              cluster_of("c", std::to_string(next.port()))));
    int fd = connect_to(proxy.port());
    write_all(fd, "ping");
    shutdown(fd, SHUT_WR);
    EXPECT_EQ(read_all(fd), "hello world");
    close(fd);
  }
  next.stop();
  EXPECT_TRUE(head.starts_with("POST /into HTTP/1.1\r\nhost: a:1\r\n")) << head;
  EXPECT_EQ(body, "4\r\nping\r\n0\r\n\r\n");
}

TEST(TcpTunnel, WhatTheFarSideAnsweredIsLoggedWhereItIsKept) {
  std::string answers[] = {"HTTP/1.1 200 OK\r\nx-a: one\r\nx-a: \"two\r\n\r\nhello",
                           "HTTP/1.1 403 No\r\nx-a: no\r\n\r\n"};
  for (const std::string& answer : answers) {
    Server next([&](int peer) {
      read_head(peer);
      write_all(peer, answer);
      shutdown(peer, SHUT_WR);
      read_all(peer);
    });
    TempPath log;
    {
      net::Loop loop;
      Proxy proxy(loop, tcp_bootstrap("          cluster: c\n          tunneling_config: {hostname: 'a:1', "
                                      "propagate_response_headers: true, propagate_response_trailers: true}\n" +
                                          log_to(log.path,
                                                 "%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers)% "
                                                 "%FILTER_STATE(envoy.tcp_proxy.propagate_response_trailers:TYPED)% "
                                                 "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
                                      cluster_of("c", std::to_string(next.port()))));
      int fd = connect_to(proxy.port());
      shutdown(fd, SHUT_WR);
      EXPECT_EQ(read_all(fd), &answer == answers ? "hello" : "");
      close(fd);
    }
    next.stop();
    EXPECT_EQ(logged(log.path),
              &answer == answers
                  ? "{\"headers\":[{\"key\":\":status\",\"value\":\"200\"},{\"key\":\"x-a\",\"value\":\"one\"},"
                    "{\"key\":\"x-a\",\"value\":\"\\\"two\"}]} - -\n"
                  : "{\"headers\":[{\"key\":\":status\",\"value\":\"403\"},{\"key\":\"x-a\",\"value\":\"no\"}]} - "
                    "tunnel_response:403\n");
  }
}

TEST(TcpTunnel, WhoIsRefusedByTheFarSideIsClosedAfterAsManyAttemptsAsConfigured) {
  int asked = 0;
  std::string behind;
  Server next([&](int peer) {
    ++asked;
    read_head(peer);
    write_all(peer, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
    behind += read_all(peer);
  });
  TempPath log;
  {
    net::Loop loop;
    Proxy proxy(loop, tcp_bootstrap("          cluster: c\n          max_connect_attempts: 2\n          "
                                    "tunneling_config: {hostname: 'a:1'}\n" +
                                        log_to(log.path),
                                    cluster_of("c", std::to_string(next.port()))));
    int fd = connect_to(proxy.port());
    write_all(fd, "GET /secret HTTP/1.1\r\n\r\n");
    EXPECT_EQ(read_all(fd), "");
    close(fd);
  }
  next.stop();
  EXPECT_EQ(logged(log.path), "UF,URX 0 0 c\n");
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(behind, "") << "not a byte goes to who did not agree";
}

// The lines of Istio's metrics of TCP, once there is one that begins and ends so.
std::string istio_metrics(Proxy& proxy, const std::string& begin, const std::string& end) {
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    all = proxy.process().scrape().prometheus();
    std::stringstream lines(all);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(begin) && line.ends_with(end)) return all;
    usleep(1000);
  }
  return all;
}

TEST(TcpProxy, IstiosMetricsTellOfConnectionsAndBytes) {
  Server server([](int peer) {
    read_all(peer);
    write_all(peer, "answer");
  });
  net::Loop loop;
  ProcessOptions options{.istio_metrics = true};
  options.self.name = "client-v1";
  Proxy proxy(loop, tcp_bootstrap("          cluster: c\n", cluster_of("c", std::to_string(server.port()))), 0,
              options);
  int fd = connect_to(proxy.port());
  write_all(fd, "hi");
  shutdown(fd, SHUT_WR);
  EXPECT_EQ(read_all(fd), "answer");
  close(fd);
  const std::string seen = istio_metrics(proxy, "istio_tcp_connections_closed_total{", "} 1");
  const std::string labels = "{reporter=\"source\",source_workload=\"client-v1\"";
  for (const char* name :
       {"connections_opened_total", "connections_closed_total", "received_bytes_total", "sent_bytes_total"})
    EXPECT_NE(seen.find("istio_tcp_" + std::string(name) + labels), seen.npos) << name;
  EXPECT_NE(seen.find("destination_service_name=\"c\""), seen.npos);
  EXPECT_NE(seen.find("request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"unknown\"} 2\n"),
            seen.npos)
      << "bytes received";
  EXPECT_NE(seen.find("request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"unknown\"} 6\n"),
            seen.npos)
      << "bytes sent";
}

TEST(TcpProxy, IstiosMetricsTellOfConnectionsThatCameToNothing) {
  net::Loop loop;
  Proxy proxy(loop, tcp_bootstrap("          cluster: c\n", cluster_of("c", "1")), 0, {.istio_metrics = true});
  int fd = connect_to(proxy.port());
  EXPECT_EQ(read_all(fd), "");
  close(fd);
  const std::string seen = istio_metrics(proxy, "istio_tcp_connections_closed_total{", "} 1");
  EXPECT_NE(seen.find("response_flags=\"UF,URX\""), seen.npos) << seen;
}

}  // namespace
}  // namespace proxy
