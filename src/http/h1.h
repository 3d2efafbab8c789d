// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "http/h1_spelling.h"
#include "http/message.h"
#include "net/buffer.h"

// HTTP/1.1 (RFC 9112) without I/O. The parsers reject what is ambiguous and
// never repair it; the serializers build messages from the parsed form only.
namespace http::h1 {

// How the end of a message's body is known.
struct Body {
  enum class Kind : uint8_t { None, Length, Chunked, UntilClose };
  Kind kind = Kind::None;
  uint64_t size = 0;  // of Length

  static Body none() { return {}; }
  static Body length(uint64_t size) { return {Kind::Length, size}; }
  static Body chunked() { return {Kind::Chunked, 0}; }
  static Body until_close() { return {Kind::UntilClose, 0}; }
  bool empty() const { return kind == Kind::None || (kind == Kind::Length && size == 0); }
};

struct Limits {
  size_t head = 60 * 1024;  // bytes of the head, and of the trailers
  size_t fields = 100;      // in the head, and in the trailers
  size_t target = 8 * 1024;
};

enum class Event : uint8_t {
  NeedMore,  // call again with more bytes after those that were left
  Head,      // head() is filled in
  Interim,   // responses only: a 1xx; head() holds it, the real head follows
  Data,      // data() is the next piece of the body, a view into the input
  Complete,  // the message ended; trailers() are filled in. next() starts another
  Error,     // error_status() and error() say why; close the connection once answered
};

// What both parsers share: framing of the body, fields, limits.
//
// Pull style: the caller passes a view of what it received and has not consumed;
// parse() moves the view's beginning past what it took. An incomplete head or
// chunk line stays unconsumed: keep it, contiguous, and call again with more
// after it. Nothing is allocated once head and trailers have reached their usual
// size: swap head() with your own object to keep it.
class MessageParser {
 public:
  Body body() const { return body_; }  // after Head; of a response to HEAD and of a 304: what a GET would have had
  std::string_view data() const { return data_; }
  Headers& trailers() { return trailers_; }
  int minor_version() const { return minor_version_; }
  // The connection can carry another message after this one.
  bool keep_alive() const { return keep_alive_; }
  // Connection names other fields than the well-known ones: a proxy calls remove_named_by_connection().
  bool connection_names_fields() const { return connection_names_fields_; }
  // In the middle of a message: an end of the connection here is a failure.
  bool in_message() const { return (state_ != State::Head && state_ != State::Done) || seen_; }
  int error_status() const { return error_status_; }  // to answer a request with; 502 for responses
  std::string_view error() const { return error_; }   // static text

 protected:
  enum class State : uint8_t {
    Head,
    Fixed,
    ChunkSize,
    ChunkData,
    ChunkEnd,
    Trailers,
    UntilClose,
    Ending,
    Done,
    Failed,
  };
  struct Fields;

  explicit MessageParser(const Limits& limits) : limits_(limits) {}
  void start();
  Event fail(int status, std::string_view reason);
  Event parse_body(std::string_view& input);
  Event parse_chunk_size(std::string_view& input);
  Event parse_trailers(std::string_view& input);
  const char* parse_fields(const char* p, const char* end, Headers& out, Fields& known);
  const char* reject(int status, std::string_view reason);
  bool note_field(std::string_view name, std::string_view value, Fields& known);
  void note_connection(std::string_view value, Fields& known);
  bool worth_parsing(std::string_view input);
  Event wait_for_more(std::string_view input, size_t limit);

  Limits limits_;
  State state_ = State::Head;
  Body body_;
  bool keep_alive_ = true;
  bool connection_names_fields_ = false;
  uint8_t minor_version_ = 1;
  int error_status_ = 0;
  size_t seen_ = 0;         // bytes of an incomplete head or trailer section that were looked at already
  size_t chunk_extra_ = 0;  // bytes of chunk extensions in this message
  uint64_t left_ = 0;       // of the body, or of the chunk
  std::string_view data_;
  std::string_view error_;
  Headers trailers_;
};

// Requests. The target is taken apart into head(): origin form gives `path`;
// absolute form overrides Host and scheme; CONNECT gives `authority` and an
// empty path. Host becomes `authority` and is not among the headers. The scheme
// of origin form is left "http": who knows of TLS sets it.
class RequestParser : public MessageParser {
 public:
  explicit RequestParser(const Limits& limits = {}) : MessageParser(limits) {}

  Event parse(std::string_view& input);
  RequestHead& head() { return head_; }
  bool is_connect() const { return connect_; }
  bool absolute_form() const { return absolute_; }
  bool expects_continue() const { return expects_continue_; }
  // Asks to change the protocol (headers has "upgrade"). False where the request has a body: then it is ignored.
  bool wants_upgrade() const { return upgrade_; }
  // After Error: the first line is not of HTTP at all. Close without an answer.
  bool foreign() const { return foreign_; }
  void next();  // after Complete: ready for another request

 private:
  Event parse_head(std::string_view& input);
  Event read_target(std::string_view target);

  RequestHead head_;
  bool connect_ = false;
  bool absolute_ = false;
  bool expects_continue_ = false;
  bool upgrade_ = false;
  bool foreign_ = false;
  bool blank_line_seen_ = false;
};

// What a response answers: that decides whether it has a body.
enum class Answers : uint8_t { Other, Head, Connect };

class ResponseParser : public MessageParser {
 public:
  explicit ResponseParser(const Limits& limits = {}) : MessageParser(limits) {}

  Event parse(std::string_view& input);
  // The peer closed: Complete where that ends the body, NeedMore where no
  // message had begun, else Error.
  Event finish();
  ResponseHead& head() { return head_; }
  // 101, or 2xx to CONNECT: after Complete, what follows is not HTTP any more.
  bool switched() const { return switched_; }
  void next(Answers answers);  // before each response

 private:
  Event parse_head(std::string_view& input);

  ResponseHead head_;
  Answers answers_ = Answers::Other;
  bool switched_ = false;
  uint8_t interims_ = 0;
};

// What to say about the connection in a head that is written.
enum class Connection : uint8_t {
  KeepAlive,      // says nothing in HTTP/1.1
  SaysKeepAlive,  // Connection: keep-alive, which a client of HTTP/1.0 waits for
  Close,          // Connection: close
  Upgrade,        // Connection: Upgrade, and the head's "upgrade" fields are written
};

// Serializers. Framing comes from `body` alone: of the headers, connection,
// keep-alive, proxy-connection, te, transfer-encoding, content-length, host and
// upgrade are not copied. A field that holds CR, LF, NUL or another control
// character is left out.
// Absolute form is never written: `path`, or for CONNECT `authority`, is the target.
// Names are in lower case, or as `spelling` says.
void write_request(net::Buffer& out, const RequestHead& head, Body body, Connection connection = Connection::KeepAlive,
                   const Spelling* spelling = nullptr);
// For a response to HEAD, and a 304, `body` may be the length that a GET would have; send no body then.
void write_response(net::Buffer& out, const ResponseHead& head, Body body,
                    Connection connection = Connection::KeepAlive, const Spelling* spelling = nullptr);

void write_chunk(net::Buffer& out, std::string_view bytes);  // nothing where bytes is empty
void write_last_chunk(net::Buffer& out, const Headers& trailers = {}, const Spelling* spelling = nullptr);

// "HTTP/1.1 100 Continue" and the like, without fields.
void write_interim(net::Buffer& out, int status, const Headers& headers = {});

// Removes the fields that Connection names, and Connection itself. For proxies.
void remove_named_by_connection(Headers& headers);

}  // namespace http::h1
