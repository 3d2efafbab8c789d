// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/authz_network.h"

#include <optional>

#include "base/strings.h"
#include "base/utf8.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "proxy/access/tls_facts.h"
#include "proxy/listener/session.h"
#include "proxy/runtime/worker.h"

namespace proxy {
namespace {

namespace v3 = envoy::service::auth::v3;
namespace core = envoy::config::core::v3;

void set_address(const net::Address& from, core::Address& to) {
  if (from.is_unix()) {
    to.mutable_pipe()->set_path(from.ip());
    return;
  }
  to.mutable_socket_address()->set_address(from.ip());
  to.mutable_socket_address()->set_port_value(from.port());
}

std::string principal_of(const Origin& origin) {
  if (!origin.mutual_tls) return {};
  if (!origin.peer_uri.empty()) return origin.peer_uri;
  return origin.tls->dns_names.empty() ? origin.subject : origin.tls->dns_names[0];
}

std::string own_principal_of(const Origin& origin) {
  const net::TlsPeer* own = origin.own();
  if (!own) return {};
  if (!own->uri_names.empty()) return own->uri_names[0];
  return own->dns_names.empty() ? subject_of(*own) : own->dns_names[0];
}

std::string pem_of(const std::string& der) {
  std::string text = base::to_base64(der), out = "-----BEGIN CERTIFICATE-----\n";
  for (size_t at = 0; at < text.size(); at += 64) out += text.substr(at, 64) + "\n";
  return out + "-----END CERTIFICATE-----\n";
}

// Goes with the connection: where that ends, nobody waits for the call any more.
struct Asked final : Origin::Kept {
  explicit Asked(Worker& worker) { call.emplace(worker); }
  std::optional<SideCall> call;
};

}  // namespace

void AuthzConnectionFacts::describe(const Origin& origin, v3::AttributeContext& out) const {
  set_address(origin.remote, *out.mutable_source()->mutable_address());
  set_address(origin.local, *out.mutable_destination()->mutable_address());
  out.mutable_source()->set_principal(base::to_utf8(principal_of(origin)));
  out.mutable_destination()->set_principal(base::to_utf8(own_principal_of(origin)));
  if (certificate && origin.mutual_tls)
    out.mutable_source()->set_certificate(http::percent_encode(pem_of(origin.tls->certificate_der)));
  if (tls_session && !origin.server_name.empty()) out.mutable_tls_session()->set_sni(base::to_utf8(origin.server_name));
}

bool AuthzNetworkFilter::asks(Worker& worker, const Origin& origin, Answer answer) const {
  v3::CheckRequest check;
  config_.facts.describe(origin, *check.mutable_attributes());
  worker.count(config_.total);
  Asked& asked = origin.keep<Asked>(this, worker);
  asked.call->call(config_.target, config_.authority, "/envoy.service.auth.v3.Authorization/Check",
                   check.SerializeAsString(), config_.to_add,
                   [this, &worker, &asked, answer = std::move(answer)](SideAnswer& said) mutable {
                     auto refusal = judge(worker, said);
                     Answer tell = std::move(answer);
                     asked.call.reset();
                     tell(std::move(refusal));
                   });
  return true;
}

std::optional<NetworkFilter::Refusal> AuthzNetworkFilter::judge(Worker& worker, const SideAnswer& answer) const {
  v3::CheckResponse response;
  const bool understood =
      answer.grpc_status == 0 && response.ParseFromString(answer.body) && !response.has_error_response();
  if (understood && response.status().code() == 0 && !response.has_denied_response()) {
    worker.count(config_.ok);
    return std::nullopt;
  }
  const bool denied = understood && response.status().code() != 0;
  worker.count(denied ? config_.denied : config_.error);
  if (!denied && config_.allow_on_error) {
    worker.count(config_.allowed_on_error);
    return std::nullopt;
  }
  worker.count(config_.closed);
  return Refusal{.details = denied ? "ext_authz_denied" : "ext_authz_error",
                 .flags = static_cast<uint32_t>(telemetry::Flag::UnauthorizedExternal)};
}

}  // namespace proxy
