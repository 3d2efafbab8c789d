// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/json.h"
#include "localkube/process/fd.h"
#include "net/loop.h"

namespace localkube {

// One message between two of localkube's processes: a JSON object and, beside
// it, open descriptors (SCM_RIGHTS). Travels over a Unix SOCK_SEQPACKET socket.
struct Packet {
  base::Json body;
  std::vector<Fd> fds;
};

inline constexpr size_t kMaxPacket = 128 * 1024;
inline constexpr size_t kMaxPacketFds = 8;

base::Result<void> send_packet(int socket, const base::Json& body, const std::vector<int>& fds = {});
// nullopt: the peer has gone. On a non-blocking socket ErrorKind::Timeout means that nothing is there.
base::Result<std::optional<Packet>> receive_packet(int socket);

base::Result<std::pair<Fd, Fd>> packet_pair();
base::Result<Fd> listen_for_packets(const std::string& path);  // a stale socket file is replaced
base::Result<Fd> connect_for_packets(const std::string& path);

// Bytes too many for a packet travel as a sealed memory file beside it.
base::Result<Fd> memory_file(std::string_view bytes);
base::Result<std::string> bytes_of(const Fd& memory_file);

// One end of such a socket on a loop.
class PacketChannel final : private net::IoHandler {
 public:
  // `closed` is the last call; either call may destroy the channel.
  struct Calls {
    std::function<void(Packet)> packet;
    std::function<void()> closed;
  };
  PacketChannel(net::Loop& loop, Fd socket, Calls calls);
  ~PacketChannel();
  PacketChannel(const PacketChannel&) = delete;

  // A peer that does not read (a full socket) counts as gone.
  bool send(const base::Json& body, const std::vector<int>& fds = {});
  bool try_send(const base::Json& body);  // the same, silently: false, and again later
  bool open() const { return static_cast<bool>(socket_); }
  void read_now() { on_io(0); }  // what has arrived, without waiting for the loop's turn

 private:
  void on_io(uint32_t events) override;
  void end();

  net::Loop& loop_;
  Fd socket_;
  std::shared_ptr<Calls> calls_;  // shared with a call that runs, which may destroy the channel
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false once destroyed, for a call that runs
};

}  // namespace localkube
