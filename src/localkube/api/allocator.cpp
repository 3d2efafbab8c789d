// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/allocator.h"

#include <arpa/inet.h>

#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

constexpr uint32_t kStaticAddresses = 256;  // left free for addresses that are asked for by number
constexpr uint16_t kStaticPorts = 86;

std::optional<uint32_t> parse_address(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string address_text(uint32_t address) {
  in_addr network{htonl(address)};
  char buffer[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &network, buffer, sizeof buffer);
}

bool wants_address(const Json& service) {
  return base::text(service, "spec", "type") != "ExternalName" && base::text(service, "spec", "clusterIP") != "None";
}

bool wants_ports(const Json& service) {
  std::string_view type = base::text(service, "spec", "type");
  if (type == "LoadBalancer") {
    const Json* told = base::find(service, "spec", "allocateLoadBalancerNodePorts");
    return !told || *told != false;
  }
  return type == "NodePort";
}

// What a stored Service holds; a port counts once for TCP and UDP together.
std::pair<std::optional<uint32_t>, std::set<uint16_t>> held_by(const Json* service) {
  std::pair<std::optional<uint32_t>, std::set<uint16_t>> held;
  if (!service) return held;
  if (wants_address(*service)) held.first = parse_address(base::text(*service, "spec", "clusterIP"));
  for (const Json& port : items(*service, "spec", "ports"))
    if (int64_t node = number(port, "nodePort")) held.second.insert(static_cast<uint16_t>(node));
  return held;
}

template <typename T>
void release(std::map<T, int>& counts, T value) {
  auto it = counts.find(value);
  if (it != counts.end() && --it->second <= 0) counts.erase(it);
}

}  // namespace

base::Result<Allocator::Ranges> Allocator::Ranges::parse(std::string_view service_range, uint16_t first,
                                                         uint16_t last) {
  auto parts = base::cut(service_range, '/');
  auto network = parts ? parse_address(parts->first) : std::nullopt;
  auto prefix = parts ? base::parse_number<int>(parts->second) : std::nullopt;
  if (!network || !prefix || *prefix < 8 || *prefix > 22)
    return base::fail(base::ErrorKind::Invalid,
                      "Service range \"" + std::string(service_range) + "\" is not an IPv4 range like 10.200.0.0/16");
  return Ranges{*network, *prefix, first, last};
}

Allocator::Allocator(Store& store, Ranges ranges)
    : ranges_(ranges), port_cursor_(static_cast<uint16_t>(ranges.first_port + kStaticPorts)) {
  store.each("services", "", [&](const std::string&, const std::string&, const Record& record) {
    auto [address, ports] = held_by(record.object.get());
    if (address) {
      ++addresses_[*address];
      cursor_ = std::max(cursor_, *address - ranges_.network);
    }
    for (uint16_t port : ports) ++ports_[port];
    return true;
  });
  services_ = store.subscribe("services", [this](const Event& event) { on_event(event); });
}

// A write's reservation was counted when it was made: a change only gives back
// what its Service no longer holds.
void Allocator::on_event(const Event& event) {
  auto [old_address, old_ports] = held_by(event.type == Event::Type::Deleted ? event.object.get() : event.before.get());
  auto [address, ports] = held_by(event.type == Event::Type::Deleted ? nullptr : event.object.get());
  if (old_address && old_address != address) release(addresses_, *old_address);
  for (uint16_t port : old_ports)
    if (!ports.contains(port)) release(ports_, port);
}

Allocator::Reservation::~Reservation() {
  if (kept_) return;
  for (uint32_t address : addresses_) release(allocator_.addresses_, address);
  for (uint16_t port : ports_) release(allocator_.ports_, port);
}

std::optional<uint32_t> Allocator::next_address() {
  uint32_t size = 1u << (32 - ranges_.prefix);
  for (uint32_t tries = 0; tries < size; ++tries) {
    if (++cursor_ >= size - 1 || cursor_ < kStaticAddresses + 1) cursor_ = kStaticAddresses + 1;
    if (!addresses_.contains(ranges_.network + cursor_)) return ranges_.network + cursor_;
  }
  return std::nullopt;
}

std::optional<uint16_t> Allocator::next_port() {
  for (int tries = ranges_.last_port - ranges_.first_port; tries >= 0; --tries) {
    uint16_t port = port_cursor_++;
    if (port_cursor_ > ranges_.last_port) port_cursor_ = static_cast<uint16_t>(ranges_.first_port + kStaticPorts);
    if (!ports_.contains(port)) return port;
  }
  return std::nullopt;
}

void Allocator::allocate(Json& service, const Json* old, Reservation& reservation, Problems& problems) {
  auto [held_address, held_ports] = held_by(old);
  Json& spec = service["spec"];
  if (base::text(service, "spec", "type") == "ExternalName") {
    spec.erase("clusterIP");
    spec.erase("clusterIPs");
    for (const char* key : {"ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"}) spec.erase(key);
  } else if (base::text(service, "spec", "clusterIP") == "None") {
    spec["clusterIPs"] = Json::array({"None"});
  } else {
    std::string asked = string_at(spec, "clusterIP");
    std::optional<uint32_t> address;
    auto refuse = [&](std::string_view why) {
      problems.invalid("spec.clusterIPs", "[]string{" + in_quotes(asked) + "}",
                       "failed to allocate IP " + asked + ": " + std::string(why));
    };
    if (asked.empty()) {
      address = next_address();
      if (!address) problems.invalid("spec.clusterIPs", "[]string{}", "failed to allocate an IP: range is full");
    } else {
      address = parse_address(asked);
      if (!address || (*address >> (32 - ranges_.prefix)) != (ranges_.network >> (32 - ranges_.prefix))) {
        refuse("the provided network does not match the current range");
        address.reset();
      } else if (address != held_address && addresses_.contains(*address)) {
        refuse("provided IP is already allocated");
        address.reset();
      }
    }
    if (address) {
      if (address != held_address) {
        ++addresses_[*address];
        reservation.addresses_.push_back(*address);
      }
      spec["clusterIP"] = address_text(*address);
      spec["clusterIPs"] = Json::array({address_text(*address)});
    }
  }

  size_t i = 0;
  std::set<uint16_t> mine;
  bool wanted = wants_ports(service);
  each_item(
      service,
      [&](Json& port) {
        std::string path = "spec.ports[" + std::to_string(i++) + "].nodePort";
        int64_t asked = number(port, "nodePort");
        if (asked == 0 && !wanted) {
          port.erase("nodePort");
          return;
        }
        if (asked != 0 && (asked < ranges_.first_port || asked > ranges_.last_port)) {
          problems.invalid(path, std::to_string(asked),
                           "provided port is not in the valid range. The range of valid ports is " +
                               std::to_string(ranges_.first_port) + "-" + std::to_string(ranges_.last_port));
          return;
        }
        std::optional<uint16_t> chosen = asked != 0 ? std::optional(static_cast<uint16_t>(asked)) : next_port();
        if (!chosen) {
          problems.invalid(path, "0", "failed to allocate a nodePort: range is full");
          return;
        }
        if (!held_ports.contains(*chosen) && !mine.contains(*chosen)) {
          if (ports_.contains(*chosen)) {
            problems.invalid(path, std::to_string(*chosen), "provided port is already allocated");
            return;
          }
          ++ports_[*chosen];
          reservation.ports_.push_back(*chosen);
        }
        mine.insert(*chosen);
        port["nodePort"] = *chosen;
      },
      "spec", "ports");
}

}  // namespace localkube
