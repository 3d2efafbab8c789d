// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "net/address.h"
#include "net/buffer.h"
#include "net/loop.h"
#include "net/tls.h"

namespace net {

// A stream socket, TCP or Unix, in clear text or TLS, for code that is called
// back: what the proxy's data path and the HTTP client and server sit on.
//
// The owner holds it and gives a Handler. No call of the owner's calls back:
// callbacks come from the loop only, and each of them may destroy the
// connection. What is written in one turn of the loop leaves in one send at the
// turn's end. After on_closed, and after close(), nothing is called any more.
//
// Sniffing: an accepted connection starts in clear text; look at input() in
// on_data, and start_tls() takes what was not consumed as the handshake's
// beginning.
class Connection final : private IoHandler {
 public:
  class Handler {
   public:
    // Connected and, with TLS, the handshake done. Not called for accepted
    // sockets in clear text, which are ready from the start.
    virtual void on_ready(Connection&) {}
    // input() has new bytes. What is left there is kept; at `input_limit`
    // reading stops by itself until resume_reading().
    virtual void on_data(Connection&) = 0;
    // The peer will send no more (FIN, or TLS close_notify). This side may still write.
    virtual void on_end(Connection&) = 0;
    // pending() is at or below the low mark again, after full() was true.
    virtual void on_drained(Connection&) {}
    // The last call: both sides ended, or it failed. ErrorKind::Closed when it ended in order.
    virtual void on_closed(Connection&, const base::Error&) = 0;

   protected:
    ~Handler() = default;
  };

  Connection(Loop& loop, Handler& handler);
  ~Connection();
  Connection(const Connection&) = delete;

  // Takes a connected non-blocking socket, e.g. a Listener's.
  base::Result<void> adopt(int fd, const Address& peer = {});

  struct Target {
    Address address;
    Address source;            // bound to before connecting, where valid
    uint32_t mark = 0;         // SO_MARK, for routing rules
    bool transparent = false;  // IP_TRANSPARENT: `source` need not be local
    bool freebind = false;     // IP_FREEBIND: `source` need not be there yet
    struct Keepalive {         // SO_KEEPALIVE; 0: the system's numbers
      bool on = false;
      uint32_t probes = 0, time = 0, interval = 0;  // seconds
    };
    Keepalive keepalive = {};
    Clock::duration timeout{10'000'000'000};  // for the connect and, with TLS, the handshake
  };
  // Begins to connect; on_ready or on_closed follow. Writes are kept until then.
  base::Result<void> connect(const Target& target);

  // TLS from here on, as server or client by the kind of `context`. For a
  // client `server_name` is SNI and the name, or literal address, that the
  // peer's certificate must carry; empty: any name. May be called while
  // connecting. A zero timeout leaves the time to the caller. With `memory` a
  // client resumes the session in there, and leaves its own there.
  void start_tls(std::shared_ptr<const TlsContext> context, const std::string& server_name = {},
                 Clock::duration timeout = {}, std::shared_ptr<TlsMemory> memory = {});

  // In clear text before the TLS handshake, as the PROXY protocol wants it. While connecting, before any write.
  void send_before_tls(std::string_view bytes) { sealed_.append(bytes); }

  Handler& handler() const { return *handler_; }
  void set_handler(Handler& handler) { handler_ = &handler; }

  Buffer& input() { return input_; }
  // To append to; it leaves at the end of the turn.
  Buffer& output() {
    deferred_.schedule();
    return output_;
  }
  // As appending to output(); what is large and in clear text goes to the kernel at once, without a copy on the way.
  void write(std::string_view bytes) {
    if (bytes.size() >= kWorthACall) bytes.remove_prefix(send_through(bytes));
    if (!bytes.empty()) output().append(bytes);
  }

  // Drops the first bytes of input(): they came before what the connection carries, and do not count as received.
  void drop_preamble(size_t size) {
    input_.consume(size);
    received_ -= size;
  }

  size_t pending() const { return output_.size() + sealed_.size(); }  // written and not yet in the kernel
  bool full() {                                                       // at or above the high mark
    if (pending() < high_mark_) return false;
    return choked_ = true;
  }
  void set_water_marks(size_t low, size_t high) {
    low_mark_ = low;
    high_mark_ = high;
  }
  void set_input_limit(size_t limit) { input_limit_ = limit; }

  // No on_data and on_end while paused. resume_reading() also calls on_data
  // again, in a later step, where input() is not empty.
  void pause_reading() { paused_ = true; }
  void resume_reading();
  bool reading() const { return !paused_; }
  // From now on a reset by the peer counts at once, not behind what was not read before it: of one that asks, not of
  // one that answers.
  void end_at_reset() { ends_at_reset_ = true; }

  // No more bytes from this side, once what is written has left.
  void shutdown_write();
  // Both ways, at once; drops what is pending. Nothing is called any more.
  void close();
  // Sends what is pending, then the end, then reads and drops what the peer
  // sends until its end or the time is up; then on_closed. So that a last
  // answer arrives although the peer still sends.
  void close_after_flush(Clock::duration linger);
  // The same towards a peer that said it would send no more, which costs less: sends what is pending, closes,
  // on_closed.
  void close_when_sent();

  // Takes the socket out of the loop and gives it away; input() keeps what was
  // read and not consumed, output() what was not sent. Not with TLS.
  int release();
  // After on_closed: reading or writing failed, as with a peer's reset; not an end that somebody meant.
  bool broken() const { return read_errno_ || write_errno_; }
  // A reset instead of an orderly end at close(), for peers that must notice.
  void reset_on_close();

  Loop& loop() const { return loop_; }
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  bool ready() const { return fd_ >= 0 && !connecting_ && tls_state_ != TlsState::Handshake; }
  bool peer_ended() const { return peer_ended_; }
  const Address& remote() const;
  const Address& local() const;
  bool is_tls() const { return tls_state_ != TlsState::None; }
  const TlsPeer* tls() const;  // nullptr without TLS or before its handshake is done
  // What check_peer, or a hash, had against the peer's certificate; empty: nothing.
  std::string_view refusal() const;
  TlsFailure tls_failure() const;                        // in on_closed(); None: TLS did not end it
  uint64_t bytes_received() const { return received_; }  // what was said to it: inside TLS where there is TLS
  uint64_t bytes_sent() const { return sent_; }

 private:
  struct Tls;  // what only a TLS connection needs
  friend struct TlsBio;
  enum class TlsState : uint8_t { None, Handshake, Open };
  enum class Ending : uint8_t { None, Half, Linger, Close };  // what follows the last byte of output
  enum class Got : uint8_t { Data, Nothing, End, Failed };
  class Guard;

  void on_io(uint32_t events) override;
  static constexpr size_t kWorthACall = 16 * 1024;  // copying this costs as much as a call of send()

  static void run_deferred(void* self);
  base::Result<void> open_socket(const Target& target);
  bool finish_connect();
  bool closes() const { return ending_ >= Ending::Linger; }
  bool handshake();  // false: not done yet, or nothing may be touched any more
  void read();
  Got read_plain();
  Got read_tls();
  void read_and_drop();
  void flush();
  void seal();
  bool send(Buffer& bytes);                     // false: failed, or the kernel takes no more
  size_t send_through(std::string_view bytes);  // behind output(); how many of them the kernel took
  void send_end();
  bool tls_notify_end();  // close_notify into sealed_; false: there is none to send
  void fail(base::Error error);
  void write_failed(int error_number);
  void set_deadline(Clock::duration delay, const char* what);
  void drop_socket();
  base::Error read_error();
  base::Error tls_error(const char* what, int code);

  Loop& loop_;
  Handler* handler_;
  Deferred deferred_;
  int fd_ = -1;

  bool connecting_ = false;
  bool readable_ = false;  // the kernel may have more
  bool writable_ = false;
  bool hung_up_ = false;  // an end or an error waits behind what can be read
  bool paused_ = false;
  bool ends_at_reset_ = false;
  bool choked_ = false;  // full() was true, on_drained is owed
  bool peer_ended_ = false;
  bool end_told_ = false;
  bool end_sent_ = false;
  bool read_again_ = false;  // a read is owed at the end of the turn
  bool data_owed_ = false;   // and on_data for what lies in input_
  bool bulk_ = false;        // the last read filled its block: offer a larger one
  TlsState tls_state_ = TlsState::None;
  Ending ending_ = Ending::None;
  int read_errno_ = 0;
  int write_errno_ = 0;  // writing failed; what can be read is still read

  Buffer input_;
  Buffer output_;
  Buffer sealed_;  // TLS records to send
  size_t input_limit_ = 64 * 1024;
  size_t low_mark_ = 16 * 1024;
  size_t high_mark_ = 64 * 1024;
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  bool* gone_ = nullptr;  // set by the destructor while the loop is in here

  std::unique_ptr<Tls> tls_;
  std::unique_ptr<Timer> deadline_;
  mutable Address remote_;
  mutable Address local_;
};

// What an error of on_closed() says, in Envoy's words and without whom the connection was with, so that it can be
// counted: "delayed connect error: Connection refused", "TLS_error: certificate verify failed: ...".
std::string failure_of(const base::Error& error);

}  // namespace net
