// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "localkube/api/refusal.h"
#include "localkube/store/store.h"

namespace localkube {

// Cluster addresses and node ports of Services: who has which. Filled from the
// store, kept right by its changes; what is reserved for a write that is then
// not made is given back when the Reservation goes.
class Allocator {
 public:
  struct Ranges {
    uint32_t network = 0;  // host byte order
    int prefix = 16;
    uint16_t first_port = 30000;
    uint16_t last_port = 32767;
    static base::Result<Ranges> parse(std::string_view service_range, uint16_t first, uint16_t last);
  };
  Allocator(Store& store, Ranges ranges);

  class Reservation {
   public:
    explicit Reservation(Allocator& allocator) : allocator_(allocator) {}
    ~Reservation();
    Reservation(const Reservation&) = delete;
    void keep() { kept_ = true; }

   private:
    friend class Allocator;
    Allocator& allocator_;
    std::vector<uint32_t> addresses_;
    std::vector<uint16_t> ports_;
    bool kept_ = false;
  };

  // Gives a Service what it still lacks, and takes what it asks for; `old` is
  // null for a new one. What cannot be had goes to `problems`.
  void allocate(Json& service, const Json* old, Reservation& reservation, Problems& problems);

 private:
  void on_event(const Event& event);
  std::optional<uint32_t> next_address();
  std::optional<uint16_t> next_port();

  const Ranges ranges_;
  std::map<uint32_t, int> addresses_;  // how many hold it; more than one while it is handed over
  std::map<uint16_t, int> ports_;
  uint32_t cursor_ = 0;
  uint16_t port_cursor_;
  Store::Handle services_;
};

}  // namespace localkube
