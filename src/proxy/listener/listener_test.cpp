// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "proxy/admin/dump.h"
#include "proxy/runtime/harness.h"

// Listeners of whole proxies on real sockets.
namespace proxy {
namespace {

using namespace proxy::testing;

std::string listener_with(const std::string& fields,
                          const std::string& address = "{socket_address: {address: 127.0.0.1, port_value: 0}}") {
  return R"(
static_resources:
  listeners:
  - name: main
    address: )" +
         address + "\n" + fields + R"(
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: m
          use_remote_address: true
          route_config: {name: r, virtual_hosts: [{name: all, domains: ['*'], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]}]}
          access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "/dev/null", log_format: {text_format_source: {inline_string: "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%\n"}}}}]
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)";
}

std::string with_log(std::string text, const std::string& path) {
  text.replace(text.find("/dev/null"), 9, path);
  return text;
}

struct TempPath {
  std::string path = ::testing::TempDir() + "l_" + std::to_string(getpid()) + "_" +
                     ::testing::UnitTest::GetInstance()->current_test_info()->name();
  ~TempPath() { unlink(path.c_str()); }
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int connect_to(const net::Address& address) {
  int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, address.data(), address.size()), 0) << address.text();
  return fd;
}

const std::string kGet = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

std::string exchange(const net::Address& address, const std::string& bytes) {
  int fd = connect_to(address);
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  std::string out;
  char block[4096];
  for (ssize_t count; (count = read(fd, block, sizeof block)) > 0;) out.append(block, static_cast<size_t>(count));
  close(fd);
  return out;
}

net::Address local(uint16_t port) { return *net::Address::parse("127.0.0.1", port); }

constexpr char kProxyFilter[] =
    "    listener_filters: [{name: p, typed_config: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol@more}}]\n";

std::string proxy_filter(const std::string& more = "") {
  std::string out = kProxyFilter;
  out.replace(out.find("@more"), 5, more);
  return out;
}

TEST(Listener, TakesThePeersAddressFromAProxyHeader) {
  TempPath log;
  {
    net::Loop loop;
    Proxy proxy(loop, with_log(listener_with(proxy_filter()), log.path));
    EXPECT_NE(exchange(local(proxy.port()), "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n" + kGet).find(" 200 "),
              std::string::npos);
    EXPECT_EQ(exchange(local(proxy.port()), kGet), "") << "without a header it is closed";
    EXPECT_EQ(exchange(local(proxy.port()), "PROXY TCP4 192.0.2.7\r\n" + kGet), "") << "a broken one is none";
    std::string v2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\x09\xc6\x33\x64\1\x12\x67\x01\xbb", 28);
    EXPECT_NE(exchange(local(proxy.port()), v2 + kGet).find(" 200 "), std::string::npos);
    EXPECT_NE(proxy.process().scrape().prometheus().find(
                  "envoy_http_downstream_cx_rx_bytes_total{envoy_http_conn_manager_prefix=\"m\"} " +
                  std::to_string(2 * kGet.size())),
              std::string::npos)
        << "a header is not of what the connection carries";
  }
  const std::string lines = content(log.path);  // in the order in which workers write
  EXPECT_NE(lines.find("192.0.2.7:4711 198.51.100.1:443\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find("192.0.2.9:4711 198.51.100.1:443\n"), std::string::npos) << lines;
}

TEST(Listener, MayServePeersWithoutAProxyHeader) {
  TempPath log;
  net::Loop loop;
  Proxy proxy(loop, with_log(listener_with(proxy_filter(", allow_requests_without_proxy_protocol: true")), log.path));
  EXPECT_NE(exchange(local(proxy.port()), kGet).find(" 200 "), std::string::npos);
  EXPECT_NE(exchange(local(proxy.port()), "PROXY UNKNOWN\r\n" + kGet).find(" 200 "), std::string::npos);
}

TEST(Listener, RefusesConnectionsAboveItsLimitAndTakesThemAgainBelow) {
  TempPath log;
  net::Loop loop;
  std::string text = with_log(listener_with(""), log.path) +
                     "layered_runtime: {layers: [{name: s, static_layer: "
                     "{envoy.resource_limits.listener.main.connection_limit: 2}}]}\n";
  Proxy proxy(loop, text);
  int one = connect_to(local(proxy.port())), two = connect_to(local(proxy.port()));
  // Answered, so that the proxy has certainly accepted them.
  for (int fd : {one, two}) {
    const std::string request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    ASSERT_GT(send(fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
    char block[4096];
    ASSERT_GT(read(fd, block, sizeof block), 0);
  }
  EXPECT_EQ(exchange(local(proxy.port()), kGet), "");
  close(one);
  close(two);
  std::string answer;
  for (int i = 0; i < 1000 && answer.empty(); ++i) answer = exchange(local(proxy.port()), kGet);
  EXPECT_NE(answer.find(" 200 "), std::string::npos);
}

TEST(Listener, ListensOnAUnixSocketAndOnFurtherAddresses) {
  TempPath log, path;
  path.path += ".sock";
  net::Loop loop;
  Proxy proxy(loop, with_log(listener_with("    additional_addresses: [{address: {socket_address: {address: '::1', "
                                           "port_value: 0}}}, {address: {pipe: {path: '" +
                                           path.path + "', mode: 384}}}]\n"),
                             log.path));
  struct stat found{};
  ASSERT_EQ(stat(path.path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_NE(exchange(net::Address::unix_path(path.path), kGet).find(" 200 "), std::string::npos);
  int served = 0;
  for (const auto& [name, address] : proxy.process().configuration().bound_addresses())
    served += exchange(address, kGet).find(" 200 ") != std::string::npos;
  EXPECT_EQ(served, 3);
  EXPECT_NE(listeners_text(proxy.process()).find("main::" + path.path + "\n"), std::string::npos);
}

TEST(Listener, AnIPv6WildcardTakesIPv4OnlyWhereItIsTold) {
  TempPath log;
  for (bool both : {false, true}) {
    net::Loop loop;
    Proxy proxy(loop, with_log(listener_with("", "{socket_address: {address: '::', port_value: 0" +
                                                     std::string(both ? ", ipv4_compat: true" : "") + "}}"),
                               log.path));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = local(proxy.port());
    EXPECT_EQ(connect(fd, address.data(), address.size()) == 0, both);
    close(fd);
  }
  EXPECT_EQ(content(log.path), "");
}

TEST(Listener, NamesWhatItDoesNotSupport) {
  for (std::string field : {"connection_balance_config: {exact_balance: {}}", "api_listener: {}",
                            "listener_filters: [{name: original_src, typed_config: {\"@type\": "
                            "type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc}}]",
                            "listener_filters: [{name: x, config_discovery: {type_urls: [a]}}]"}) {
    auto bootstrap = parse_bootstrap(listener_with("    " + field + "\n"));
    ASSERT_TRUE(bootstrap) << bootstrap.error().message;
    auto good = validate(*bootstrap);
    ASSERT_FALSE(good) << field;
    std::string name = field.find("config_discovery") != field.npos ? "config_discovery"
                       : field.find("original_src") != field.npos   ? "original_src"
                                                                    : field.substr(0, field.find(':'));
    EXPECT_NE(good.error().message.find(name), std::string::npos) << good.error().message;
  }
}

TEST(Listener, TwoFilterChainsCannotMatchTheSame) {
  std::string text = listener_with("");
  const size_t at = text.find("    - filters:");
  const std::string chain = text.substr(at);
  text.replace(at, chain.size(), chain + chain);
  auto bootstrap = parse_bootstrap(text);
  ASSERT_TRUE(bootstrap) << bootstrap.error().message;
  auto good = validate(*bootstrap);
  ASSERT_FALSE(good);
  EXPECT_NE(good.error().message.find("same matching rules"), std::string::npos) << good.error().message;
}

}  // namespace
}  // namespace proxy
