// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "localkube/process/packets.h"
#include "net/address.h"

namespace localkube {

// What hold's side of the channel answers:
//
//   {op: "listen", id, key, candidates: ["127.0.0.1:80", ...]}
//       -> {id, address} and the listening socket, or {id, error}
//       The address that was given for this key before comes first, then the
//       candidates, then the ports that follow the last one.
//   {op: "close", keys}   no answer; the addresses given for them are forgotten
//   {op: "keys", id, after} -> {id, keys}: those with an address that follow `after`, in their order, not all at once
//   {op: "datagrams", id} -> {id} and an unbound UDP socket of the host's network
//
// hold keeps each socket open too: a serve that starts again gets the same one,
// and who connected meanwhile waits in its backlog. Addresses are remembered over
// restarts, too, in a file that changes are written to a moment later, together.
class HostPorts {
 public:
  HostPorts(net::Loop& loop, std::filesystem::path remembered);
  ~HostPorts();

  void answer(PacketChannel& channel, const base::Json& request);

 private:
  struct Open {
    Fd socket;
    std::string address;
  };
  base::Result<const Open*> open(const std::string& key, const std::vector<net::Address>& candidates);
  void remember(const std::string& key, const std::string& address);
  void forget(const std::string& key);
  base::Json keys_after(const std::string& key) const;
  void write();

  std::filesystem::path remembered_path_;
  base::Json remembered_;  // by key, those of open_ among them
  std::map<std::string, Open> open_;
  net::Timer writing_;
};

// serve's side of it.
class HostPortsClient {
 public:
  HostPortsClient(net::Loop& loop, Fd channel);

  struct Opened {
    Fd socket;
    net::Address address;
  };
  net::Task<base::Result<Opened>> listen(std::string key, std::vector<std::string> candidates);
  net::Task<base::Result<Fd>> datagrams();
  // Told to hold as soon as the channel has room for it; listening on the key again takes it back.
  void close(const std::string& key);
  // Keys that hold has an address for, some of those that follow `after`; none: that was all.
  net::Task<base::Result<std::vector<std::string>>> keys(std::string after);

 private:
  void send_closed();
  net::Task<base::Result<Packet>> ask(base::Json request);
  net::Task<base::Result<Packet>> ask_for_socket(base::Json request);
  void on_packet(Packet packet);

  std::map<int64_t, net::Oneshot<std::shared_ptr<Packet>>> asked_;
  std::deque<std::string> closing_;  // keys that hold has not been told of
  int64_t last_id_;
  PacketChannel channel_;
  net::Timer again_;
};

}  // namespace localkube
