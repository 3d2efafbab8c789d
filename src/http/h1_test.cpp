// SPDX-License-Identifier: Apache-2.0
#include "http/h1.h"

#include <gtest/gtest.h>

namespace http::h1 {
namespace {

// What a parser made of some bytes, however they were cut.
struct Seen {
  std::string body;
  int heads = 0;
  int interims = 0;
  Event last = Event::NeedMore;
  size_t left = 0;  // bytes that were not consumed
};

template <typename Parser>
Seen feed(Parser& parser, std::string_view bytes, size_t step) {
  Seen seen;
  std::string kept;
  for (size_t at = 0; at < bytes.size() || at == 0;) {
    kept += bytes.substr(at, step);
    at += step;
    std::string_view input = kept;
    for (;;) {
      seen.last = parser.parse(input);
      if (seen.last == Event::Head) ++seen.heads;
      if (seen.last == Event::Interim) ++seen.interims;
      if (seen.last == Event::Data) seen.body += parser.data();
      if (seen.last == Event::NeedMore || seen.last == Event::Complete || seen.last == Event::Error) break;
    }
    kept.erase(0, kept.size() - input.size());
    if (seen.last != Event::NeedMore) {
      seen.left = kept.size() + (at < bytes.size() ? bytes.size() - at : 0);
      return seen;
    }
  }
  seen.left = kept.size();
  return seen;
}

int request_error(std::string_view bytes) {
  int status = -1;
  for (size_t step : {bytes.size(), size_t{1}, size_t{7}}) {
    RequestParser parser;
    Seen seen = feed(parser, bytes, step);
    int now = seen.last == Event::Error ? parser.error_status() : 0;
    if (status != -1 && now != status) return -2;  // the cut must not matter
    status = now;
  }
  return status;
}

TEST(H1Request, IsTheSameHoweverItsBytesAreCut) {
  std::string_view bytes =
      "POST /a/b?c=d HTTP/1.1\r\nHost: reviews:9080\r\nX-Thing:  two words \t\r\nEmpty:\r\n"
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=\"y\\\"\";z\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    RequestParser parser;
    Seen seen = feed(parser, bytes, step);
    ASSERT_EQ(seen.last, Event::Complete) << step << " " << parser.error();
    EXPECT_EQ(seen.heads, 1);
    EXPECT_EQ(seen.left, 3u);
    EXPECT_EQ(seen.body, "hello world");
    EXPECT_EQ(parser.head().method, "POST");
    EXPECT_EQ(parser.head().path, "/a/b?c=d");
    EXPECT_EQ(parser.head().authority, "reviews:9080");
    EXPECT_EQ(parser.head().headers.get("x-thing"), "two words");
    EXPECT_EQ(parser.head().headers.get("empty"), "");
    EXPECT_FALSE(parser.head().headers.contains("host"));
    EXPECT_EQ(parser.trailers().get("x-sum"), "1");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(H1Request, PipelinedRequestsFollowEachOther) {
  RequestParser parser;
  std::string_view input =
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  EXPECT_EQ(parser.parse(input), Event::Head);
  EXPECT_EQ(parser.parse(input), Event::Complete);
  EXPECT_FALSE(parser.in_message());
  parser.next();
  EXPECT_EQ(parser.parse(input), Event::Head);
  EXPECT_EQ(parser.head().path, "/2");
  EXPECT_EQ(parser.parse(input), Event::Data);
  EXPECT_EQ(parser.data(), "hi");
  EXPECT_EQ(parser.parse(input), Event::Complete);
  EXPECT_TRUE(input.empty());
}

TEST(H1Request, AmbiguousFramingIsRefused) {
  auto with = [](std::string_view fields) {
    return request_error("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n0\r\n\r\n");
  };
  EXPECT_EQ(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  for (auto value : {"", "+5", "-5", "5,5", "0x5", "5 5", "99999999999999999999"})
    EXPECT_EQ(with("Content-Length: " + std::string(value) + "\r\n"), 400) << value;
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
  for (auto value : {"gzip, chunked", "chunked, identity", "xchunked", "identity", "", "\"chunked\"", "chunked;a=b"})
    EXPECT_EQ(with("Transfer-Encoding: " + std::string(value) + "\r\n"), 501) << value;
  EXPECT_EQ(with("Transfer-Encoding : chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding\t: chunked\r\n"), 400);
  EXPECT_EQ(with(" Transfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("X: a\r\n Transfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding:\x0b"
                 "chunked\r\n"),
            400);
  EXPECT_EQ(request_error("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(with("Expect: something\r\n"), 417);
}

TEST(H1Request, MalformedLinesAreRefused) {
  EXPECT_EQ(request_error("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), 400);
  EXPECT_EQ(request_error(std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 36)), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
  for (auto host : {"a b", "user@a", "a,b", "a/b", "a:99999", "[::1", "a:b", "a:1:2"})
    EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 400) << host;
  EXPECT_EQ(request_error("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
  EXPECT_EQ(request_error("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(request_error("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(request_error("GET / HTTQ/1.1\r\nHost: a\r\n\r\n"), 400);
}

TEST(H1Request, WhatIsNotHttpIsToldFromABadRequest) {
  for (auto [bytes, foreign] : {std::pair{"INVALID CONNECTION PREFACE\r\n\r\n", true},
                                {"GET / FTP", true},
                                {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", false}}) {
    RequestParser parser;
    std::string_view input = bytes;
    EXPECT_EQ(parser.parse(input), Event::Error);
    EXPECT_EQ(parser.foreign(), foreign) << bytes;
  }
}

TEST(H1Request, MalformedChunksAreRefused) {
  auto with = [](std::string_view body) {
    return request_error("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body));
  };
  EXPECT_EQ(with("3\r\nabc\r\n0\r\n\r\n"), 0);
  for (auto body : {"x\r\n", " 3\r\nabc", "3 \r\nabc", "0x3\r\nabc", "+3\r\nabc", "3\nabc", "3\rabc\r\n",
                    "3\r\nabcd\r\n", "ffffffffffffffff\r\n", "3 ;a\r\n", "3;\r\n", "3;a=\r\n", "3;a=\"b\r\n", "\r\n",
                    "0\r\nX : y\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n"})
    EXPECT_EQ(with(body), 400) << body;
}

TEST(H1Request, LimitsHold) {
  EXPECT_EQ(request_error("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
  EXPECT_EQ(request_error("GET /" + std::string(9000, 'a')), 414);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'a')), 431);
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'a') + "\r\n\r\n"), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) many += "X: y\r\n";
  EXPECT_EQ(request_error(many + "\r\n"), 0);
  EXPECT_EQ(request_error(many + "X: y\r\n\r\n"), 431);
  std::string extensions = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) extensions += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  EXPECT_EQ(request_error(extensions + "0\r\n\r\n"), 400);
}

TEST(H1Request, TargetsOfEveryFormAreTakenApart) {
  RequestParser parser;
  auto parse = [&](std::string_view input) {
    parser.next();
    return parser.parse(input) == Event::Head;
  };
  ASSERT_TRUE(parse("GET HTTPS://b.example:8443?x HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(parser.head().scheme, "https");
  EXPECT_EQ(parser.head().authority, "b.example:8443");
  EXPECT_EQ(parser.head().path, "/?x");
  ASSERT_TRUE(parse("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(parser.is_connect());
  EXPECT_EQ(parser.head().authority, "[::1]:443");
  EXPECT_EQ(parser.head().path, "");
  ASSERT_TRUE(parse("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(parser.head().path, "*");
  EXPECT_FALSE(parse("CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n"));
}

TEST(H1Request, SaysWhatBecomesOfTheConnection) {
  RequestParser parser;
  auto parse = [&](std::string_view input) {
    parser.next();
    ASSERT_EQ(parser.parse(input), Event::Head) << parser.error();
  };
  parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a , Close\r\nX-A: 1\r\n\r\n");
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_TRUE(parser.connection_names_fields());
  remove_named_by_connection(parser.head().headers);
  EXPECT_TRUE(parser.head().headers.empty());
  parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, x-a\r\nX-A: 1\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(parser.wants_upgrade());
  remove_named_by_connection(parser.head().headers);
  EXPECT_EQ(parser.head().headers.get("upgrade"), "websocket");
  EXPECT_FALSE(parser.head().headers.contains("x-a"));
  parse("GET / HTTP/1.0\r\n\r\n");
  EXPECT_FALSE(parser.keep_alive());
  parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(parser.keep_alive());
  parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(parser.wants_upgrade());
  parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  EXPECT_FALSE(parser.wants_upgrade());
  parse("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n");
  EXPECT_FALSE(parser.wants_upgrade());
  parse("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_TRUE(parser.expects_continue());
}

TEST(H1Response, BodyEndsAsItsFramingSays) {
  struct Case {
    std::string_view bytes;
    Answers answers;
    Event last;
    std::string_view body;
    bool keep_alive;
  };
  for (const Case& c : {
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Answers::Other, Event::Complete, "hi", true},
           Case{"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", Answers::Head, Event::Complete, "", true},
           Case{"HTTP/1.1 304 \r\nContent-Length: 2\r\n\r\n", Answers::Other, Event::Complete, "", true},
           Case{"HTTP/1.1 204 No\r\n\r\n", Answers::Other, Event::Complete, "", true},
           Case{"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", Answers::Other, Event::Complete, "", false},
           Case{"HTTP/1.1 200 OK\r\n\r\nrest", Answers::Other, Event::NeedMore, "rest", false},
           Case{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Answers::Other, Event::Complete, "", false},
           Case{"HTTP/1.1 200 OK\r\n\r\n", Answers::Connect, Event::Complete, "", true},
           Case{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n"
                "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                Answers::Other, Event::Complete, "x", true},
       }) {
    for (size_t step : {size_t{1}, size_t{5}, c.bytes.size()}) {
      ResponseParser parser;
      parser.next(c.answers);
      Seen seen = feed(parser, c.bytes, step);
      EXPECT_EQ(seen.last, c.last) << c.bytes << parser.error();
      EXPECT_EQ(seen.body, c.body) << c.bytes;
      EXPECT_EQ(parser.keep_alive(), c.keep_alive) << c.bytes;
    }
  }
}

TEST(H1Response, SwitchingProtocolsEndsHttp) {
  ResponseParser parser;
  parser.next(Answers::Other);
  std::string_view input = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw";
  EXPECT_EQ(parser.parse(input), Event::Head);
  EXPECT_EQ(parser.parse(input), Event::Complete);
  EXPECT_TRUE(parser.switched());
  EXPECT_EQ(input, "raw");
}

TEST(H1Response, AnEndWithinAMessageIsAnError) {
  for (auto bytes : {"HTT", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"}) {
    ResponseParser parser;
    parser.next(Answers::Other);
    feed(parser, bytes, 100);
    EXPECT_EQ(parser.finish(), Event::Error) << bytes;
  }
  ResponseParser idle;
  idle.next(Answers::Other);
  EXPECT_EQ(idle.finish(), Event::NeedMore);
  ResponseParser until_close;
  until_close.next(Answers::Other);
  feed(until_close, "HTTP/1.1 200 OK\r\n\r\nabc", 100);
  EXPECT_EQ(until_close.finish(), Event::Complete);
}

TEST(H1Response, MalformedOnesAreRefused) {
  for (auto bytes :
       {"HTTP/1.1 99 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    ResponseParser parser;
    parser.next(Answers::Other);
    EXPECT_EQ(feed(parser, bytes, 100).last, Event::Error) << bytes;
    EXPECT_EQ(parser.error_status(), 502);
  }
}

TEST(H1Write, RequestIsBuiltFromItsParsedForm) {
  RequestHead head;
  head.method = "POST";
  head.authority = "b:80";
  head.path = "/x y";
  head.headers.add("connection", "x-a");
  head.headers.add("content-length", "99");
  head.headers.add("te", "gzip");
  head.headers.add("upgrade", "websocket");
  head.headers.add("x-bad", "a\r\nInjected: 1");
  for (const char* name : {"transfer-encoding: chunked\r\nx", "transfer-encoding:chunked", "x y", ":path", ""})
    head.headers.add(name, "1");
  head.headers.add("x-good", "1");
  net::Buffer out;
  write_request(out, head, Body::chunked());
  write_chunk(out, "hello");
  write_chunk(out, "");
  Headers trailers;
  trailers.add("x-sum", "5");
  write_last_chunk(out, trailers);
  EXPECT_EQ(out.view(),
            "POST /x%20y HTTP/1.1\r\nhost: b:80\r\nx-good: 1\r\ntransfer-encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n");
}

TEST(H1Write, ResponseSaysWhatBecomesOfTheConnection) {
  ResponseHead head;
  head.status = 101;
  head.headers.add("upgrade", "websocket");
  net::Buffer out;
  write_response(out, head, Body::none(), Connection::Upgrade);
  EXPECT_EQ(out.view(), "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  out.clear();
  head.status = 404;
  head.headers.clear();
  write_response(out, head, Body::length(3), Connection::Close);
  EXPECT_EQ(out.view(), "HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\nconnection: close\r\n\r\n");
}

TEST(HeadersMap, KeepsOrderAndFindsByName) {
  Headers headers;
  headers.add("a", "1");
  headers.add("b", "2");
  headers.add("a", "3");
  EXPECT_EQ(headers.joined("a"), "1,3");
  headers.set("a", *headers.get("b"));
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("a"), "2");
  for (int i = 0; i < 10'000; ++i) headers.set("b", std::to_string(i));
  EXPECT_EQ(headers.get("b"), "9999");
  EXPECT_EQ(headers.bytes(), 7u);
  EXPECT_FALSE(headers.contains("B"));
}

std::string respelled(const std::optional<Spelling>& rule, std::string_view learn_from, std::string text) {
  auto learned = Spelling::learned(rule, learn_from);
  if (const Spelling* spelling = Spelling::chosen(learned.get(), rule))
    spelling->respell(text.data(), text.data() + text.size());
  return text;
}

TEST(H1Spelling, NamesAreCapitalizedWordByWord) {
  const Spelling proper(false, Spelling::Unknown::Proper);
  EXPECT_EQ(
      respelled(proper, "", "GET /a-b: HTTP/1.1\r\nhost: a-b\r\nx-b3-id: c-d: e\r\nfoo$b#$are: 1\r\n2a: \r\n\r\n"),
      "GET /a-b: HTTP/1.1\r\nHost: a-b\r\nX-B3-Id: c-d: e\r\nFoo$B#$Are: 1\r\n2a: \r\n\r\n");
  EXPECT_EQ(respelled(proper, "", "0\r\nx-sum: y\r\n\r\n"), "0\r\nX-Sum: y\r\n\r\n");
}

TEST(H1Spelling, NamesThatCameAreWrittenAsTheyCame) {
  const std::string_view came =
      "\r\nGET /X-Path: HTTP/1.1\r\nHOST: a\r\nx-lOw: X-VALUE\r\nx-low: b\r\nplain: c\r\n\r\n";
  const std::string goes = "GET / HTTP/1.1\r\nhost: a\r\nx-low: 1\r\nplain: c\r\nx-new: d\r\n\r\n";
  EXPECT_EQ(respelled(Spelling(true, Spelling::Unknown::Lower), came, goes),
            "GET / HTTP/1.1\r\nHOST: a\r\nx-lOw: 1\r\nplain: c\r\nx-new: d\r\n\r\n");
  EXPECT_EQ(respelled(Spelling(true, Spelling::Unknown::Proper), came, goes),
            "GET / HTTP/1.1\r\nHOST: a\r\nx-lOw: 1\r\nplain: c\r\nX-New: d\r\n\r\n");
  EXPECT_EQ(respelled(std::nullopt, came, goes), goes);
}

}  // namespace
}  // namespace http::h1
