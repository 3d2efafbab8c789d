// SPDX-License-Identifier: Apache-2.0
// h2_server [CERTIFICATE KEY]: an HTTP server on a free port of 127.0.0.1, which
// it prints. Reads each request's body and answers with a short text.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "http/server.h"

static std::string contents(const char* path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

static net::Task<void> answer(std::shared_ptr<http::Exchange> exchange) {
  auto body = co_await exchange->read_all(1 << 20);
  if (!body) co_return;
  exchange->respond(200, "Hello from behind the frames.\n");
}

static net::Loop* running = nullptr;

int main(int count, char** arguments) {
  net::Loop loop;
  running = &loop;
  std::signal(SIGTERM, [](int) { running->stop(); });
  http::ServerOptions options;
  if (count == 3) {
    net::TlsSettings settings;
    settings.certificate_chain = contents(arguments[1]);
    settings.private_key = contents(arguments[2]);
    settings.alpn = {"h2", "http/1.1"};
    auto tls = net::TlsContext::server(settings);
    if (!tls) return std::fprintf(stderr, "%s\n", tls.error().message.c_str()), 1;
    options.tls = *tls;
  }
  http::Server server(loop, answer, options);
  auto address = server.listen(*net::Address::parse("127.0.0.1", 0));
  if (!address) return std::fprintf(stderr, "%s\n", address.error().message.c_str()), 1;
  std::printf("%u\n", address->port());
  std::fflush(stdout);
  loop.run();
}
