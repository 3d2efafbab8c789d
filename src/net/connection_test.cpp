// SPDX-License-Identifier: Apache-2.0
#include "net/connection.h"

#include <gtest/gtest.h>

#include "net/byte_stream.h"
#include "net/certificates_for_test.h"
#include "net/client_hello.h"
#include "net/connection_stream.h"
#include "net/listener.h"

namespace net {
namespace {

using namespace std::chrono_literals;
using Read = base::Result<std::optional<std::string>>;

// Sends back what comes; ends when the peer ends.
Task<void> echo(std::unique_ptr<ByteStream> stream) {
  for (;;) {
    Read piece = co_await stream->read();
    if (!piece) co_return;
    if (!*piece) break;
    base::Result<void> written = co_await stream->write(std::move(**piece));
    if (!written) co_return;
  }
  stream->shutdown_write();
  Read rest = co_await stream->read();
}

// Accepts one connection after the other, and gives it to echo().
struct EchoServer : Connection::Handler {
  Loop& loop;
  std::shared_ptr<const TlsContext> tls;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> greeting;
  std::optional<TlsPeer> peer;
  std::optional<base::Error> failed;

  EchoServer(Loop& l, const Address& address, std::shared_ptr<const TlsContext> t = {}) : loop(l), tls(std::move(t)) {
    listener = Listener::listen(loop, address, [this](int fd, const Address& from) {
                 auto connection = std::make_unique<Connection>(loop, *this);
                 ASSERT_TRUE(connection->adopt(fd, from));
                 if (!tls) return spawn(echo(stream_of(std::move(connection))));
                 connection->start_tls(tls);
                 greeting = std::move(connection);
               }).value();
  }
  void on_ready(Connection& connection) override {
    peer = *connection.tls();
    spawn(echo(stream_of(std::move(greeting))));
  }
  void on_data(Connection&) override {}
  void on_end(Connection&) override {}
  void on_closed(Connection&, const base::Error& error) override { failed = error; }
};

Task<base::Result<std::string>> send_and_read(Loop& loop, Address address, ConnectOptions options, std::string text) {
  base::Result<std::unique_ptr<ByteStream>> stream = co_await connect(loop, address, options);
  if (!stream) co_return std::unexpected(stream.error());
  base::Result<void> written = co_await (*stream)->write(text);
  if (!written) co_return std::unexpected(written.error());
  (*stream)->shutdown_write();
  std::string all;
  for (;;) {
    Read piece = co_await (*stream)->read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return all;
    all += **piece;
  }
}

const Address kAnyPort = *Address::parse("127.0.0.1", 0);

TEST(Connection, BytesGoThereAndBackOverTcp) {
  Loop loop;
  EchoServer server(loop, kAnyPort);
  EXPECT_EQ(run_to_end(loop, send_and_read(loop, server.listener->address(), {}, "hello")).value(), "hello");
}

TEST(Connection, BytesGoThereAndBackOverAnAbstractUnixSocket) {
  Loop loop;
  EchoServer server(loop, Address::unix_path("@seine-connection-test-" + std::to_string(getpid())));
  EXPECT_EQ(run_to_end(loop, send_and_read(loop, server.listener->address(), {}, "hello")).value(), "hello");
}

TEST(Connection, APortThatNobodyListensOnIsUnavailable) {
  Loop loop;
  auto listener = Listener::listen(loop, kAnyPort, [](int fd, const Address&) { ::close(fd); }).value();
  const Address address = listener->address();
  listener.reset();
  auto stream = run_to_end(loop, connect(loop, address));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, base::ErrorKind::Unavailable);
  EXPECT_NE(stream.error().message.find(address.text()), std::string::npos);
}

// The one side writes much before it reads, so both must hold back and go on.
Task<std::pair<size_t, bool>> write_much(Loop& loop, Address address, ConnectOptions options, size_t size) {
  base::Result<std::unique_ptr<ByteStream>> stream = co_await connect(loop, address, options);
  ByteStream& peer = **stream;
  std::string pattern;
  for (size_t i = 0; i < 64 * 1024; ++i) pattern += static_cast<char>(i * 7 + i / 251);
  size_t got = 0;
  bool same = true;
  for (size_t sent = 0; sent < size; sent += pattern.size()) {
    base::Result<void> written = co_await peer.write(pattern);
    if (!written) co_return std::pair(got, false);
    while (got < sent) {
      Read piece = co_await peer.read();
      if (!piece || !*piece) co_return std::pair(got, false);
      for (const char c : **piece) same = same && c == pattern[got++ % pattern.size()];
    }
  }
  peer.shutdown_write();
  for (;;) {
    Read piece = co_await peer.read();
    if (!piece) co_return std::pair(got, false);
    if (!*piece) break;
    for (const char c : **piece) same = same && c == pattern[got++ % pattern.size()];
  }
  co_return std::pair(got, same);
}

TEST(Connection, MuchDataArrivesWholeAndInOrder) {
  Loop loop;
  EchoServer server(loop, kAnyPort);
  auto [size, same] = run_to_end(loop, write_much(loop, server.listener->address(), {}, 4u << 20));
  EXPECT_EQ(size, 4u << 20);
  EXPECT_TRUE(same);
}

struct Certificates {
  TestAuthority authority{"root"};
  TestAuthority stranger{"stranger"};
  TestAuthority::Leaf server = authority.leaf("server", "DNS:example.test,IP:127.0.0.1");
  TestAuthority::Leaf client = authority.leaf("client", "URI:spiffe://cluster.local/ns/a/sa/b");

  TlsSettings server_settings() const {
    TlsSettings out;
    out.certificate_chain = server.certificate;
    out.private_key = server.key;
    out.alpn = {"h2", "http/1.1"};
    return out;
  }
  TlsSettings client_settings() const {
    TlsSettings out;
    out.trusted_roots = authority.pem();
    return out;
  }
};

ConnectOptions options_of(const TlsSettings& settings, const std::string& name) {
  return {.tls = TlsContext::client(settings).value(), .server_name = name};
}

TEST(Tls, BothSidesAgreeAndMuchDataArrives) {
  Loop loop;
  Certificates made;
  EchoServer server(loop, kAnyPort, TlsContext::server(made.server_settings()).value());
  auto settings = made.client_settings();
  settings.alpn = {"http/1.1"};
  auto [size, same] =
      run_to_end(loop, write_much(loop, server.listener->address(), options_of(settings, "example.test"), 4u << 20));
  EXPECT_EQ(size, 4u << 20);
  EXPECT_TRUE(same);
  ASSERT_TRUE(server.peer);
  EXPECT_EQ(server.peer->alpn, "http/1.1");
  EXPECT_EQ(server.peer->server_name, "example.test");
  EXPECT_EQ(server.peer->certificate_der, "");
}

TEST(Tls, ALiteralAddressIsCheckedAgainstTheCertificatesAddresses) {
  Loop loop;
  Certificates made;
  EchoServer server(loop, kAnyPort, TlsContext::server(made.server_settings()).value());
  const Address address = server.listener->address();
  EXPECT_TRUE(run_to_end(loop, connect(loop, address, options_of(made.client_settings(), "127.0.0.1"))));
  auto wrong = run_to_end(loop, connect(loop, address, options_of(made.client_settings(), "127.0.0.2")));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, base::ErrorKind::Denied);
}

TEST(Tls, AServerThatIsNotTheOneMeantIsRefused) {
  Loop loop;
  Certificates made;
  EchoServer server(loop, kAnyPort, TlsContext::server(made.server_settings()).value());
  const Address address = server.listener->address();

  auto other_name = run_to_end(loop, connect(loop, address, options_of(made.client_settings(), "other.test")));
  ASSERT_FALSE(other_name);
  EXPECT_EQ(other_name.error().kind, base::ErrorKind::Denied);
  EXPECT_NE(other_name.error().message.find("mismatch"), std::string::npos) << other_name.error().message;

  TlsSettings stranger;
  stranger.trusted_roots = made.stranger.pem();
  EXPECT_FALSE(run_to_end(loop, connect(loop, address, options_of(stranger, "example.test"))));
  EXPECT_FALSE(run_to_end(loop, connect(loop, address, options_of(TlsSettings{}, "example.test"))));
}

TEST(Tls, VersionsCiphersAndGroupsAreThoseOfTheSettings) {
  Loop loop;
  const Certificates made;
  auto settings = made.server_settings();
  settings.tls12_only = true;
  settings.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  settings.groups = "P-384";
  EchoServer server(loop, kAnyPort, TlsContext::server(settings).value());
  auto connects = [&](auto change) {
    auto client = made.client_settings();
    change(client);
    return run_to_end(loop, connect(loop, server.listener->address(), options_of(client, "example.test"))).has_value();
  };
  EXPECT_TRUE(connects([](TlsSettings&) {}));
  EXPECT_FALSE(connects([](TlsSettings& client) { client.tls13_only = true; }));
  EXPECT_TRUE(connects([](TlsSettings& client) { client.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"; }));
  EXPECT_FALSE(connects([](TlsSettings& client) { client.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"; }));
  EXPECT_FALSE(connects([](TlsSettings& client) { client.groups = "X25519"; }));
}

TEST(Tls, AlgorithmsAreKnownByNameOrRefusedByName) {
  EXPECT_TRUE(check_algorithms("", ""));
  EXPECT_TRUE(check_algorithms("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305", "X25519:P-256"));
  for (const char* word : {"ALL", "NO-SUCH-CIPHER", "ECDHE-ECDSA-AES128-GCM-SHA256:", "!aNULL"}) {
    auto checked = check_algorithms(word, "");
    EXPECT_FALSE(checked) << word;
  }
  EXPECT_NE(check_algorithms("NO-SUCH-CIPHER", "").error().message.find("NO-SUCH-CIPHER"), std::string::npos);
  EXPECT_FALSE(check_algorithms("", "P-257"));
}

TEST(Tls, AnExpiredCertificateIsRefused) {
  Loop loop;
  Certificates made;
  made.server = made.authority.leaf("server", "DNS:example.test", -60);
  EchoServer server(loop, kAnyPort, TlsContext::server(made.server_settings()).value());
  auto stream =
      run_to_end(loop, connect(loop, server.listener->address(), options_of(made.client_settings(), "example.test")));
  ASSERT_FALSE(stream);
  EXPECT_NE(stream.error().message.find("expired"), std::string::npos) << stream.error().message;
}

TEST(Tls, TheServerSeesTheClientsVerifiedIdentity) {
  Loop loop;
  Certificates made;
  auto settings = made.server_settings();
  settings.trusted_roots = made.authority.pem();
  settings.require_client_certificate = true;
  EchoServer server(loop, kAnyPort, TlsContext::server(settings).value());
  auto with = made.client_settings();
  with.certificate_chain = made.client.certificate;
  with.private_key = made.client.key;
  auto options = options_of(with, "example.test");
  EXPECT_EQ(run_to_end(loop, send_and_read(loop, server.listener->address(), options, "x")).value(), "x");
  ASSERT_TRUE(server.peer);
  EXPECT_EQ(server.peer->common_name, "client");
  EXPECT_EQ(server.peer->organizations, std::vector<std::string>{"seine tests"});
  EXPECT_EQ(server.peer->uri_names, std::vector<std::string>{"spiffe://cluster.local/ns/a/sa/b"});
  EXPECT_FALSE(server.peer->certificate_der.empty());
}

TEST(Tls, AClientWithoutOrWithAForeignCertificateIsTurnedAway) {
  Loop loop;
  Certificates made;
  auto settings = made.server_settings();
  settings.trusted_roots = made.authority.pem();
  settings.require_client_certificate = true;
  EchoServer server(loop, kAnyPort, TlsContext::server(settings).value());
  auto without = options_of(made.client_settings(), "example.test");
  EXPECT_FALSE(run_to_end(loop, send_and_read(loop, server.listener->address(), without, "x")));
  auto foreign_leaf = made.stranger.leaf("client", "URI:spiffe://cluster.local/ns/a/sa/b");
  auto foreign = made.client_settings();
  foreign.certificate_chain = foreign_leaf.certificate;
  foreign.private_key = foreign_leaf.key;
  EXPECT_FALSE(
      run_to_end(loop, send_and_read(loop, server.listener->address(), options_of(foreign, "example.test"), "x")));
  EXPECT_FALSE(server.peer);
}

TEST(Tls, TheCallersCheckOfTheLeafDecides) {
  Loop loop;
  Certificates made;
  EchoServer server(loop, kAnyPort, TlsContext::server(made.server_settings()).value());
  auto settings = made.client_settings();
  size_t size = 0;
  settings.check_peer = [&](const TlsPeer& peer) -> base::Result<void> {
    size = peer.certificate_der.size();
    return base::fail(base::ErrorKind::Denied, "not the identity that was expected");
  };
  auto stream = run_to_end(loop, connect(loop, server.listener->address(), options_of(settings, "")));
  ASSERT_FALSE(stream);
  EXPECT_GT(size, 100u);
  EXPECT_NE(stream.error().message.find("not the identity that was expected"), std::string::npos);
}

TEST(Tls, AResumedPeerIsTheSamePeerAndHeldToTheSameCheck) {
  Loop loop;
  Certificates made;
  auto settings = made.server_settings();
  settings.trusted_roots = made.authority.pem();
  settings.require_client_certificate = settings.resumable = true;
  bool welcome = true;
  settings.check_peer = [&](const TlsPeer&) -> base::Result<void> {
    return welcome ? base::Result<void>{} : base::fail(base::ErrorKind::Denied, "not any more");
  };
  EchoServer server(loop, kAnyPort, TlsContext::server(settings).value());
  auto with = made.client_settings();
  with.certificate_chain = made.client.certificate;
  with.private_key = made.client.key;
  with.resumable = true;
  auto options = options_of(with, "example.test");
  options.memory = std::make_shared<TlsMemory>();
  auto talk = [&](const ConnectOptions& how) {
    server.peer.reset();
    auto echoed = run_to_end(loop, send_and_read(loop, server.listener->address(), how, "x"));
    return echoed && *echoed == "x" && server.peer;
  };
  ASSERT_TRUE(talk(options));
  EXPECT_FALSE(server.peer->resumed);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(talk(options));
    EXPECT_TRUE(server.peer->resumed);
    EXPECT_EQ(server.peer->uri_names, std::vector<std::string>{"spiffe://cluster.local/ns/a/sa/b"});
  }
  welcome = false;
  EXPECT_FALSE(talk(options));
  welcome = true;
  auto renewed = options_of(with, "example.test");
  renewed.memory = options.memory;
  ASSERT_TRUE(talk(renewed));
  EXPECT_FALSE(server.peer->resumed) << "another context, another session";
}

TEST(Tls, AKeyThatDoesNotFitItsCertificateIsNamed) {
  Certificates made;
  auto settings = made.server_settings();
  settings.private_key = made.client.key;
  auto context = TlsContext::server(settings);
  ASSERT_FALSE(context);
  EXPECT_NE(context.error().message.find("private key"), std::string::npos);
  settings = made.server_settings();
  settings.trusted_roots = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_NE(TlsContext::server(settings).error().message.find("trusted roots"), std::string::npos);
}

TEST(Tls, AChainBeyondAllReasonIsRefusedByName) {
  Certificates made;
  auto settings = made.server_settings();
  for (int i = 1; i < 100; ++i) settings.certificate_chain += made.server.certificate;
  EXPECT_TRUE(TlsContext::server(settings));
  settings.certificate_chain += made.server.certificate;
  auto refused = [&] {
    auto context = TlsContext::server(settings);
    return context ? "" : context.error().message;
  };
  EXPECT_NE(refused().find("certificate chain: more than 100 certificates"), std::string::npos);
  settings.certificate_chain = made.server.certificate + std::string(1 << 20, '\n');
  EXPECT_NE(refused().find("certificate chain: more than 1 MiB"), std::string::npos);
}

// Looks at the first bytes before it decides for TLS, as the proxy does.
struct Sniffer : Connection::Handler {
  Loop& loop;
  std::shared_ptr<const TlsContext> tls;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> connection;
  ClientHello hello;
  std::string got;

  Sniffer(Loop& l, std::shared_ptr<const TlsContext> t) : loop(l), tls(std::move(t)) {
    listener = Listener::listen(loop, kAnyPort, [this](int fd, const Address& from) {
                 connection = std::make_unique<Connection>(loop, *this);
                 ASSERT_TRUE(connection->adopt(fd, from));
               }).value();
  }
  void on_data(Connection& c) override {
    if (!c.is_tls()) {
      const Sniffed sniffed = sniff_client_hello(c.input().view(), hello);
      ASSERT_NE(sniffed, Sniffed::NotTls);
      if (sniffed == Sniffed::Tls) c.start_tls(tls);
      return;
    }
    got += c.input().view();
    c.input().clear();
    c.write("bye");
  }
  void on_end(Connection& c) override { c.shutdown_write(); }
  void on_closed(Connection&, const base::Error&) override {}
};

TEST(Tls, AServerCanLookAtTheHelloFirst) {
  Loop loop;
  Certificates made;
  Sniffer server(loop, TlsContext::server(made.server_settings()).value());
  auto settings = made.client_settings();
  settings.alpn = {"istio", "h2"};
  auto answer =
      run_to_end(loop, send_and_read(loop, server.listener->address(), options_of(settings, "example.test"), "hello"));
  EXPECT_EQ(answer.value(), "bye");
  EXPECT_EQ(server.got, "hello");
  EXPECT_EQ(server.hello.server_name, "example.test");
  EXPECT_EQ(server.hello.alpn, (std::vector<std::string>{"istio", "h2"}));
}

TEST(ClientHello, OtherProtocolsAreToldFromTheirFirstBytes) {
  ClientHello hello;
  EXPECT_EQ(sniff_client_hello("", hello), Sniffed::NeedMore);
  EXPECT_EQ(sniff_client_hello("G", hello), Sniffed::NotTls);
  EXPECT_EQ(sniff_client_hello("\x16", hello), Sniffed::NeedMore);
  EXPECT_EQ(sniff_client_hello("\x16\x03\x01\x02", hello), Sniffed::NeedMore);
  EXPECT_EQ(sniff_client_hello("\x16\x04", hello), Sniffed::NotTls);
  EXPECT_EQ(sniff_client_hello(std::string_view("\x16\x03\x01\x00\x00", 5), hello), Sniffed::NotTls);
  EXPECT_EQ(sniff_client_hello(std::string_view("\x16\x03\x01\x00\x05\x02", 6), hello), Sniffed::NotTls);
}

// A peer that answers and ends while it is still being written to.
TEST(Connection, ALastAnswerArrivesAlthoughTheSenderWasNotDone) {
  Loop loop;
  struct Refuser : Connection::Handler {
    std::unique_ptr<Connection> connection;
    void on_data(Connection& c) override {
      c.write("no");
      c.close_after_flush(2s);
    }
    void on_end(Connection&) override {}
    void on_closed(Connection&, const base::Error&) override { connection.reset(); }
  } refuser;
  auto listener = Listener::listen(loop, kAnyPort, [&](int fd, const Address& from) {
                    refuser.connection = std::make_unique<Connection>(loop, refuser);
                    ASSERT_TRUE(refuser.connection->adopt(fd, from));
                  }).value();
  auto answer = run_to_end(loop, send_and_read(loop, listener->address(), {}, std::string(4u << 20, 'x')));
  EXPECT_EQ(answer.value(), "no");
}

// All of it arrives, however slowly the peer reads, and the end is told without waiting for the peer's.
TEST(Connection, AConnectionThatClosesWhenSentSendsAllFirst) {
  Loop loop;
  struct Closer : Connection::Handler {
    explicit Closer(Loop& l) : loop(l) {}
    Loop& loop;
    std::unique_ptr<Connection> connection;
    bool closed = false;
    void on_data(Connection& c) override {
      c.write(std::string(6u << 20, 'x'));
      c.close_when_sent();
    }
    void on_end(Connection&) override {}
    void on_closed(Connection&, const base::Error&) override {
      closed = true;
      loop.stop();
    }
  } closer(loop);
  auto listener = Listener::listen(loop, kAnyPort, [&](int fd, const Address& from) {
                    closer.connection = std::make_unique<Connection>(loop, closer);
                    ASSERT_TRUE(closer.connection->adopt(fd, from));
                  }).value();
  auto client = run_to_end(loop, connect(loop, listener->address())).value();
  run_to_end(loop, client->write("go"));  // and never ends its side
  std::string all;
  while (auto piece = run_to_end(loop, client->read()).value()) all += *piece;
  EXPECT_EQ(all.size(), 6u << 20);
  if (!closer.closed) loop.run();
  EXPECT_TRUE(closer.closed);
}

// Large writes overtake no small ones, whether the kernel takes all, part or nothing of them.
TEST(Connection, LargeAndSmallWritesArriveInOrder) {
  Loop loop;
  struct Teller : Connection::Handler {
    std::unique_ptr<Connection> connection;
    std::string told;
    void on_data(Connection& c) override {
      c.input().clear();
      for (int i = 0; i < 600; ++i) {
        const std::string piece(i % 3 ? 20'000 + i : i % 7, static_cast<char>('a' + i % 26));
        told += piece;
        c.write(piece);
      }
      c.shutdown_write();
    }
    void on_end(Connection&) override {}
    void on_closed(Connection&, const base::Error&) override {}
  } teller;
  auto listener = Listener::listen(loop, kAnyPort, [&](int fd, const Address& from) {
                    teller.connection = std::make_unique<Connection>(loop, teller);
                    ASSERT_TRUE(teller.connection->adopt(fd, from));
                  }).value();
  auto answer = run_to_end(loop, send_and_read(loop, listener->address(), {}, "go"));
  EXPECT_GT(teller.told.size(), 4u << 20);
  EXPECT_TRUE(answer.value() == teller.told);
}

Task<base::Result<void>> read_one(std::unique_ptr<ByteStream>& stream) {
  Read piece = co_await stream->read();
  if (!piece) co_return std::unexpected(piece.error());
  co_return base::Result<void>();
}

// Sends without end to a peer that ended its side and then went away.
struct Sender : Connection::Handler {
  explicit Sender(Loop& l)
      : loop(l),
        listener(Listener::listen(loop, kAnyPort,
                                  [this](int fd, const Address& from) {
                                    connection = std::make_unique<Connection>(loop, *this);
                                    ASSERT_TRUE(connection->adopt(fd, from));
                                  })
                     .value()),
        pace(loop, [this] { more(); }),
        limit(loop, [this] { loop.stop(); }) {
    limit.arm(std::chrono::seconds(10));
  }
  void more() {
    if (!connection->open()) return;
    if (ended && peer >= 0) ::close(std::exchange(peer, -1));
    connection->write("x");
    pace.arm(std::chrono::milliseconds(1));
  }
  void on_data(Connection&) override {}
  void on_end(Connection&) override {
    ended = true;
    more();
  }
  void on_closed(Connection&, const base::Error&) override {
    closed = true;
    loop.stop();
  }
  Loop& loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> connection;
  Timer pace, limit;
  int peer = -1;
  bool ended = false, closed = false;
};

TEST(Connection, AFailedWriteIsToldAlsoAfterThePeersEnd) {
  Loop loop;
  Sender sender(loop);
  const Address address = sender.listener->address();
  sender.peer = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(sender.peer, address.data(), address.size()), 0);
  shutdown(sender.peer, SHUT_WR);
  loop.run();
  EXPECT_TRUE(sender.ended);
  EXPECT_TRUE(sender.closed);
}

// Takes a connection and reads nothing of it.
struct Deaf : Connection::Handler {
  Deaf(Loop& l, bool ends_at_reset)
      : loop(l),
        listener(Listener::listen(loop, kAnyPort,
                                  [this, ends_at_reset](int fd, const Address& from) {
                                    connection = std::make_unique<Connection>(loop, *this);
                                    ASSERT_TRUE(connection->adopt(fd, from));
                                    connection->pause_reading();
                                    if (ends_at_reset) connection->end_at_reset();
                                    const linger reset{.l_onoff = 1, .l_linger = 0};
                                    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
                                    ::close(peer);
                                  })
                     .value()),
        limit(loop, [this] { loop.stop(); }) {
    limit.arm(std::chrono::milliseconds(200));
    const Address address = listener->address();
    peer = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(peer, address.data(), address.size()), 0);
    EXPECT_EQ(send(peer, "x", 1, 0), 1);
    loop.run();
  }
  void on_data(Connection&) override {}
  void on_end(Connection&) override {}
  void on_closed(Connection& which, const base::Error&) override {
    broken = which.broken();
    loop.stop();
  }
  Loop& loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> connection;
  Timer limit;
  int peer = -1;
  bool broken = false;
};

TEST(Connection, AResetCountsAtOnceWhereThatIsWanted) {
  Loop loop;
  EXPECT_TRUE(Deaf(loop, true).broken);
  EXPECT_FALSE(Deaf(loop, false).broken) << "what came before it can still be read";
}

TEST(ByteStream, ClosingItEndsAReadThatWaits) {
  Loop loop;
  EchoServer server(loop, kAnyPort);
  auto stream = run_to_end(loop, connect(loop, server.listener->address())).value();
  loop.post([&] { loop.post([&] { stream->close(); }); });
  auto result = run_to_end(loop, read_one(stream));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, base::ErrorKind::Closed);
  run_to_end(loop, sleep(loop, 1ms));  // the other side sees the end
}

Task<void> write_all(std::shared_ptr<ByteStream> stream, std::string bytes, int& written) {
  auto sent = co_await stream->write(std::move(bytes));
  if (sent) ++written;
}

Task<size_t> read_bytes(std::shared_ptr<ByteStream> stream, size_t most) {
  size_t size = 0;
  while (size < most) {
    auto piece = co_await stream->read();
    if (!piece || !*piece) break;
    size += (*piece)->size();
  }
  co_return size;
}

TEST(ByteStream, SeveralMayWriteToAPeerThatDoesNotReadYet) {
  Loop loop;
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  std::shared_ptr<ByteStream> sides[2];
  struct Nobody final : Connection::Handler {
    void on_data(Connection&) override {}
    void on_end(Connection&) override {}
    void on_closed(Connection&, const base::Error&) override {}
  } nobody;
  for (int i : {0, 1}) {
    auto connection = std::make_unique<Connection>(loop, nobody);
    ASSERT_TRUE(connection->adopt(ends[i]));
    sides[i] = stream_of(std::move(connection));
  }
  constexpr size_t kBytes = 4u << 20;
  int written = 0;
  for (int i = 0; i < 3; i++) spawn(write_all(sides[0], std::string(kBytes, 'x'), written));
  EXPECT_EQ(written, 0);
  EXPECT_EQ(run_to_end(loop, read_bytes(sides[1], 3 * kBytes)), 3 * kBytes);
  EXPECT_EQ(written, 3);
}

TEST(Buffer, BytesStayInOrderThroughGrowthAndConsumption) {
  Buffer buffer;
  std::string expected;
  uint32_t dice = 12345;
  for (int i = 0; i < 2000; ++i) {
    dice = dice * 1664525 + 1013904223;
    const std::string piece((dice >> 8) % 3000, static_cast<char>('a' + i % 26));
    buffer.append(piece);
    expected += piece;
    const size_t eaten = std::min<size_t>((dice >> 16) % 3100, buffer.size());
    buffer.consume(eaten);
    expected.erase(0, eaten);
    ASSERT_EQ(buffer.view(), expected);
    buffer.recycle();
  }
}

}  // namespace
}  // namespace net
