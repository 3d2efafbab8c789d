// SPDX-License-Identifier: Apache-2.0
#include "localkube/network/dns_zone.h"

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube::dns {
namespace {

const objects::Resource kServices{"", "v1", "services"};
const objects::Resource kSlices{"discovery.k8s.io", "v1", "endpointslices"};
const objects::Resource kNamespaces{"", "v1", "namespaces"};
constexpr std::string_view kZone = "cluster.local";

using Labels = std::vector<std::string_view>;

Reply no_such_name() { return {.code = Code::NoSuchName}; }

struct Named {
  const Api& api;
  const std::string& name;  // the whole one, which the answers carry
  Type type;

  void add_address(Reply& reply, std::string_view ip, const std::string& owner) const {
    bool wanted = type == Type::A || type == Type::Any;
    if (wanted) reply.answers.push_back({.name = owner, .type = Type::A, .data = std::string(ip)});
  }

  // Calls with each ready address of the Service: (ip, host name or empty, slice).
  template <typename Call>
  void each_endpoint(const objects::Object& service, Call call) const {
    bool unready_too = truth(service.spec(), "publishNotReadyAddresses");
    for (const objects::Object& slice : api.list(kSlices, service.ns())) {
      if (slice.label("kubernetes.io/service-name") != service.name()) continue;
      for (const base::Json& endpoint : items(slice.json(), "endpoints")) {
        const base::Json* ready = base::find(endpoint, "conditions", "ready");
        bool usable = unready_too || !ready || !ready->is_boolean() || ready->get<bool>();
        for (const base::Json& ip : items(endpoint, "addresses"))
          if (usable && ip.is_string()) call(ip.get<std::string>(), base::text(endpoint, "hostname"), slice);
      }
    }
  }

  Reply service(const objects::Object& service) const {
    Reply reply;
    if (base::text(service.spec(), "type") == "ExternalName") {
      reply.answers.push_back({.name = name, .type = Type::Cname, .data = string_at(service.spec(), "externalName")});
      return reply;
    }
    std::string_view ip = base::text(service.spec(), "clusterIP");
    if (!ip.empty() && ip != "None") {
      add_address(reply, ip, name);
      return reply;
    }
    each_endpoint(service, [&](const std::string& address, std::string_view, const objects::Object&) {
      add_address(reply, address, name);
    });
    return reply;
  }

  // A pod of a headless Service: web-0.web.default.svc.cluster.local.
  Reply host(const objects::Object& service, std::string_view host_name) const {
    Reply reply = no_such_name();
    each_endpoint(service, [&](const std::string& address, std::string_view host, const objects::Object&) {
      if (host != host_name) return;
      reply.code = Code::Ok;
      add_address(reply, address, name);
    });
    return reply;
  }

  // _http._tcp.web.default.svc.cluster.local
  Reply named_port(const objects::Object& service, std::string_view port_name, std::string_view protocol) const {
    for (const base::Json& port : items(service.spec(), "ports")) {
      std::string port_protocol = base::to_lower(string_at(port, "protocol"));
      if (port_protocol.empty()) port_protocol = "tcp";
      if (base::text(port, "name") != port_name || port_protocol != protocol) continue;
      Reply reply;
      if (type == Type::Srv || type == Type::Any)
        reply.answers.push_back(
            {.name = name,
             .type = Type::Srv,
             .data = std::string(service.name()) + "." + std::string(service.ns()) + ".svc." + std::string(kZone),
             .weight = 100,
             .port = static_cast<uint16_t>(number(port, "port"))});
      return reply;
    }
    return no_such_name();
  }

  Reply under_svc(const Labels& labels) const {
    if (labels.size() == 1) return api.get(kNamespaces, {}, labels[0]) ? Reply{} : no_such_name();
    if (labels.size() < 2 || labels.size() > 4) return no_such_name();
    auto found = api.get(kServices, labels.back(), labels[labels.size() - 2]);
    if (!found) return no_such_name();
    if (labels.size() == 2) return service(*found);
    if (labels.size() == 3) return host(*found, labels[0]);
    if (!labels[0].starts_with('_') || !labels[1].starts_with('_')) return no_such_name();
    return named_port(*found, labels[0].substr(1), labels[1].substr(1));
  }

  // 10-10-0-5.default.pod.cluster.local
  Reply under_pod(const Labels& labels) const {
    if (labels.size() != 2 || !api.get(kNamespaces, {}, labels[1])) return no_such_name();
    auto parts = base::split(labels[0], '-');
    if (parts.size() != 4) return no_such_name();
    for (std::string_view part : parts)
      if (!base::parse_number<uint8_t>(part)) return no_such_name();
    Reply reply;
    add_address(reply, base::join(parts, "."), name);
    return reply;
  }
};

}  // namespace

std::optional<Reply> look_up(const Api& api, const std::string& name, Type type) {
  if (name == kZone) return Reply{};
  if (!name.ends_with("." + std::string(kZone))) return std::nullopt;
  Labels labels = base::split(std::string_view(name).substr(0, name.size() - kZone.size() - 1), '.');
  Named named{.api = api, .name = name, .type = type};
  std::string_view kind = labels.back();
  labels.pop_back();
  if (labels.empty()) return kind == "svc" || kind == "pod" ? Reply{} : no_such_name();
  if (kind == "svc") return named.under_svc(labels);
  if (kind == "pod") return named.under_pod(labels);
  return no_such_name();
}

}  // namespace localkube::dns
