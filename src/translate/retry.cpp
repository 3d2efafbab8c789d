// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.pb.h"
#include "translate/route.h"

namespace translate {
namespace {

namespace hosts = envoy::extensions::retry::host::previous_hosts::v3;
namespace priorities = envoy::extensions::retry::priority::previous_priorities::v3;

constexpr const char* kRetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
constexpr std::string_view kStatusCodes = "retriable-status-codes";

void avoid_previous_hosts(routes_v3::RetryPolicy& out) {
  auto* predicate = out.add_retry_host_predicate();
  predicate->set_name("envoy.retry_host_predicates.previous_hosts");
  pack(hosts::PreviousHostsPredicate(), predicate->mutable_typed_config());
  out.set_host_selection_retry_max_attempts(5);
}

// Istio's list mixes Envoy's conditions and status codes: "5xx,409".
void set_retry_on(routes_v3::RetryPolicy& out, std::string_view text) {
  std::vector<std::string> conditions;
  for (std::string_view piece : base::split(text, ',')) {
    piece = base::trim(piece);
    if (auto code = base::parse_number<uint32_t>(piece); code && *code >= 100 && *code < 600)
      out.add_retriable_status_codes(*code);
    else if (!piece.empty())
      conditions.emplace_back(piece);
  }
  bool named = std::ranges::find(conditions, kStatusCodes) != conditions.end();
  if (out.retriable_status_codes_size() > 0 && !named) conditions.emplace_back(kStatusCodes);
  out.set_retry_on(base::join(conditions, ","));
}

}  // namespace

void fill_default_retries(routes_v3::RetryPolicy& out, const mesh::MeshConfig& mesh) {
  out.mutable_num_retries()->set_value(static_cast<uint32_t>(mesh.default_retry_attempts.value_or(2)));
  set_retry_on(out, mesh.default_retry_on.empty() ? kRetryOn : mesh.default_retry_on);
  avoid_previous_hosts(out);
}

void fill_retries(routes_v3::RetryPolicy& out, const istio_api::HTTPRetry& retries) {
  out.mutable_num_retries()->set_value(static_cast<uint32_t>(retries.attempts()));
  set_retry_on(out, retries.retry_on().empty() ? kRetryOn : retries.retry_on());
  if (retries.has_per_try_timeout()) *out.mutable_per_try_timeout() = retries.per_try_timeout();
  if (!retries.has_retry_ignore_previous_hosts() || retries.retry_ignore_previous_hosts().value())
    avoid_previous_hosts(out);
  if (retries.has_backoff()) *out.mutable_retry_back_off()->mutable_base_interval() = retries.backoff();
  if (retries.has_retry_remote_localities() && retries.retry_remote_localities().value()) {
    auto* priority = out.mutable_retry_priority();
    priority->set_name("envoy.retry_priorities.previous_priorities");
    priorities::PreviousPrioritiesConfig previous;
    previous.set_update_frequency(2);
    pack(previous, priority->mutable_typed_config());
  }
}

}  // namespace translate
