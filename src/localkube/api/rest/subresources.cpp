// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/scale.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

constexpr int64_t kShortestToken = 600, kLongestToken = int64_t{1} << 32;
constexpr int64_t kUsualToken = 3600;

Json success(int code) {
  return {
      {"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"status", "Success"}, {"code", code}};
}

// Puts the pod on the node that a Binding names.
net::Task<void> serve_binding(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "CreateOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  Answer<Json> binding = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!binding) {
    respond_refusal(*request.exchange, binding.error());
    co_return;
  }
  std::string node = string_at(*binding, "target", "name");
  Answer<objects::Object> pod = services.registry.read(request.target);
  if (pod && !base::text(pod->spec(), "nodeName").empty())
    pod = std::unexpected(conflict(request.target.resource(), request.target.name,
                                   "pod " + request.target.name + " is already assigned to node " +
                                       in_quotes(base::text(pod->spec(), "nodeName"))));
  if (!pod) {
    respond_refusal(*request.exchange, pod.error());
    co_return;
  }
  Json wanted = pod->json();
  wanted["spec"]["nodeName"] = node;
  Target target = request.target;
  target.subresource.clear();
  auto bound = co_await services.registry.update_object(target, std::move(wanted), *call);
  if (!bound) {
    respond_refusal(*request.exchange, bound.error());
    co_return;
  }
  Json status = bound->json();
  Json conditions = items(status, "status", "conditions");
  std::erase_if(conditions.get_ref<Json::array_t&>(),
                [](const Json& one) { return base::text(one, "type") == "PodScheduled"; });
  conditions.push_back({{"type", "PodScheduled"}, {"status", "True"}, {"lastTransitionTime", now_text()}});
  status["status"]["conditions"] = std::move(conditions);
  target.subresource = "status";
  auto told = co_await services.registry.update_object(target, std::move(status), *call);
  if (!told)
    respond_refusal(*request.exchange, told.error());
  else
    respond_json(*request.exchange, 201, success(201));
}

// The namespace's budgets that select this pod.
std::vector<Json> budgets_of(const Services& services, const Json& pod) {
  std::vector<Json> out;
  std::string ns = string_at(pod, "metadata", "namespace");
  services.registry.store().each("policy/poddisruptionbudgets", ns,
                                 [&](const std::string&, const std::string&, const Record& record) {
                                   const Json* selector = base::find(*record.object, "spec", "selector");
                                   if (selector && selector->is_object() && LabelSelector::of(*selector).matches(pod))
                                     out.push_back(*record.object);
                                   return true;
                                 });
  return out;
}

Refusal put_off(const std::string& why) {
  Refusal refusal{429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {}};
  refusal.details = {{"causes", Json::array({{{"reason", "DisruptionBudget"}, {"message", why}}})}};
  return refusal;
}

bool is_ready(const Json& pod) {
  for (const Json& condition : items(pod, "status", "conditions"))
    if (base::text(condition, "type") == "Ready") return base::text(condition, "status") == "True";
  return false;
}

// A pod that is not ready may go where enough others are healthy, or always where the budget says so.
bool goes_unhealthy(const Json& budget, const Json& pod) {
  if (is_ready(pod)) return false;
  if (string_at(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow") return true;
  int64_t desired = number(budget, "status", "desiredHealthy");
  return desired > 0 && number(budget, "status", "currentHealthy") >= desired;
}

// Counts an eviction in the budget that selects the pod, or says why it has to wait. The budget's resource version
// lets no two evictions take the same place.
net::Task<Answer<void>> take_place(Services& services, Json pod, CallPointer call) {
  constexpr int kAttempts = 8;
  Target target{.row = services.registry.catalog().find("policy", "v1", "poddisruptionbudgets"),
                .version = "v1",
                .ns = string_at(pod, "metadata", "namespace"),
                .name = {},
                .subresource = "status"};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<Json> budgets = budgets_of(services, pod);
    if (budgets.empty()) co_return Answer<void>();
    if (budgets.size() > 1)
      co_return std::unexpected(Refusal{500,
                                        "InternalError",
                                        "This pod has more than one PodDisruptionBudget, which the eviction "
                                        "subresource does not support.",
                                        {}});
    Json budget = std::move(budgets.front());
    if (goes_unhealthy(budget, pod)) co_return Answer<void>();
    target.name = string_at(budget, "metadata", "name");
    if (number(budget, "status", "observedGeneration") < number(budget, "metadata", "generation"))
      co_return std::unexpected(
          put_off("The disruption budget " + target.name + " is still being processed by the server."));
    int64_t allowed = number(budget, "status", "disruptionsAllowed");
    if (allowed <= 0)
      co_return std::unexpected(put_off("The disruption budget " + target.name + " needs " +
                                        std::to_string(number(budget, "status", "desiredHealthy")) +
                                        " healthy pods and has " +
                                        std::to_string(number(budget, "status", "currentHealthy")) + " currently"));
    if (call->dry_run) co_return Answer<void>();
    budget["status"]["disruptionsAllowed"] = allowed - 1;
    budget["status"]["disruptedPods"][string_at(pod, "metadata", "name")] = now_text();
    auto counted = co_await services.registry.update_object(target, std::move(budget), call);
    if (counted) co_return Answer<void>();
    if (counted.error().code != 409 && counted.error().code != 404)
      co_return std::unexpected(std::move(counted.error()));
  }
  co_return std::unexpected(
      put_off("The disruption budget " + target.name + " is still being processed by the server."));
}

net::Task<void> serve_eviction(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "CreateOptions");
  Answer<objects::Object> pod = services.registry.read(request.target);
  if (!call || !pod) {
    respond_refusal(*request.exchange, call ? pod.error() : call.error());
    co_return;
  }
  Answer<Json> eviction = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!eviction) {
    respond_refusal(*request.exchange, eviction.error());
    co_return;
  }
  std::string phase = string_at(pod->json(), "status", "phase");
  Answer<DeleteOrder> order = DeleteOrder::of(eviction->value("deleteOptions", Json::object()));
  Answer<void> place;
  if (order && phase == "Running" && !pod->deleting()) {
    auto taken = co_await take_place(services, pod->json(), *call);
    place = std::move(taken);
  }
  if (!order || !place) {
    respond_refusal(*request.exchange, order ? place.error() : order.error());
    co_return;
  }
  Target target = request.target;
  target.subresource.clear();
  auto deleted = co_await services.registry.delete_object(std::move(target), std::move(*order), *call);
  if (!deleted)
    respond_refusal(*request.exchange, deleted.error());
  else
    respond_json(*request.exchange, 201, success(201));
}

// A member of the wrong type would give a token that is good for more than was asked.
Answer<void> check_token_order(const Json& document) {
  auto wrong = [](const char* member, const char* type) {
    return std::unexpected(bad_request(std::string("TokenRequest in version \"v1\" cannot be handled as a "
                                                   "TokenRequest: spec") +
                                       member + " must be of type " + type));
  };
  if (!document.is_object()) return std::unexpected(bad_request("a TokenRequest is a JSON object"));
  const Json* spec = base::find(document, "spec");
  if (!spec || spec->is_null()) return {};
  if (!spec->is_object()) return wrong("", "object");
  if (const Json* list = base::find(*spec, "audiences"); list && !list->is_null()) {
    if (!list->is_array()) return wrong(".audiences", "array of strings");
    for (const Json& one : *list)
      if (!one.is_string()) return wrong(".audiences", "array of strings");
  }
  const Json* seconds = base::find(*spec, "expirationSeconds");
  if (seconds && !seconds->is_null() && !seconds->is_number_integer()) return wrong(".expirationSeconds", "integer");
  const Json* bound = base::find(*spec, "boundObjectRef");
  if (bound && !bound->is_null() && !bound->is_object()) return wrong(".boundObjectRef", "object");
  return {};
}

net::Task<void> serve_token(Services& services, RestRequest request) {
  Answer<CallPointer> call = call_of(request, "CreateOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  Answer<Json> document = co_await read_document(request.exchange, request.target.row, request.target.version, *call);
  if (!document) {
    respond_refusal(*request.exchange, document.error());
    co_return;
  }
  if (auto sound = check_token_order(*document); !sound) {
    respond_refusal(*request.exchange, sound.error());
    co_return;
  }
  const Json* asked = base::find(*document, "spec", "expirationSeconds");
  int64_t seconds = asked && asked->is_number_integer() ? asked->get<int64_t>() : kUsualToken;
  if (seconds == 0) seconds = kUsualToken;
  if (seconds < kShortestToken || seconds > kLongestToken) {
    Problems problems;
    problems.invalid("spec.expirationSeconds", std::to_string(seconds),
                     seconds < kShortestToken ? "may not specify a duration less than 10 minutes"
                                              : "may not specify a duration larger than 2^32 seconds");
    respond_refusal(*request.exchange, invalid({"authentication.k8s.io", "v1", "TokenRequest"}, "", problems));
    co_return;
  }
  TokenOrder order;
  order.ns = request.target.ns;
  order.service_account = request.target.name;
  order.lifetime = std::chrono::seconds(seconds);
  for (const Json& one : items(*document, "spec", "audiences"))
    if (one.is_string()) order.audiences.push_back(one.get<std::string>());
  // A token bound to less than was asked for would be good for longer.
  const Json* bound = base::find(*document, "spec", "boundObjectRef");
  if (bound && !bound->is_null()) {
    if (string_at(*bound, "kind") != "Pod" || string_at(*bound, "name").empty()) {
      respond_refusal(*request.exchange,
                      bad_request("spec.boundObjectRef: tokens can be bound to a Pod, by name, only"));
      co_return;
    }
    order.pod_name = string_at(*document, "spec", "boundObjectRef", "name");
    order.pod_uid = string_at(*document, "spec", "boundObjectRef", "uid");
  }
  Answer<Token> token = services.tokens.issue(order);
  if (!token) {
    respond_refusal(*request.exchange, token.error());
    co_return;
  }
  if (order.audiences.empty()) order.audiences.push_back(kIssuer);
  int64_t expires = std::chrono::duration_cast<std::chrono::seconds>(token->expires.time_since_epoch()).count();
  respond_json(
      *request.exchange, 201,
      {{"kind", "TokenRequest"},
       {"apiVersion", "authentication.k8s.io/v1"},
       {"metadata",
        {{"name", request.target.name}, {"namespace", request.target.ns}, {"creationTimestamp", now_text()}}},
       {"spec",
        {{"audiences", order.audiences}, {"expirationSeconds", seconds}, {"boundObjectRef", bound ? *bound : Json()}}},
       {"status", {{"token", token->text}, {"expirationTimestamp", time_text(expires)}}}});
}

net::Task<void> serve_scale(Services& services, RestRequest request) {
  Target object = request.target;
  object.subresource.clear();
  const std::string method = request.method();
  if (method == "GET") {
    Answer<objects::Object> found = services.registry.read(object);
    if (!found)
      respond_refusal(*request.exchange, found.error());
    else
      respond_json(*request.exchange, 200, scale_of(*object.row, object.version, found->json()));
    co_return;
  }
  Answer<CallPointer> call = call_of(request, "UpdateOptions");
  if (!call) {
    respond_refusal(*request.exchange, call.error());
    co_return;
  }
  Answer<Json> wanted = co_await read_document(request.exchange, object.row, object.version, *call);
  if (!wanted) {
    respond_refusal(*request.exchange, wanted.error());
    co_return;
  }
  std::string type(request.exchange->request().headers.get("content-type").value_or(""));
  PatchType patch = type.starts_with("application/json-patch") ? PatchType::Json : PatchType::Merge;
  auto scaled = co_await services.registry.patch_object(request.target, patch, std::move(*wanted), *call, nullptr);
  if (!scaled)
    respond_refusal(*request.exchange, scaled.error());
  else
    respond_json(*request.exchange, 200, scale_of(*object.row, object.version, scaled->json()));
}

}  // namespace

bool is_special_subresource(const RestRequest& request) {
  const Target& target = request.target;
  const std::string table = target.row->stored_in();
  if (target.subresource == "scale") return target.row->has_scale;
  if (table == "serviceaccounts") return target.subresource == "token";
  if (table != "pods") return false;
  static const std::vector<std::string> of_pods = {"binding", "eviction", "log", "exec", "attach", "portforward"};
  return std::find(of_pods.begin(), of_pods.end(), target.subresource) != of_pods.end();
}

net::Task<void> serve_subresource(Services& services, RestRequest request) {
  const std::string sub = request.target.subresource, method = request.method();
  bool reads = method == "GET", writes = method == "PUT" || method == "PATCH", creates = method == "POST";
  bool fits = sub == "scale"                                             ? reads || writes
              : sub == "log"                                             ? reads
              : sub == "exec" || sub == "attach" || sub == "portforward" ? reads || creates
                                                                         : creates;
  if (!fits) {
    respond_refusal(*request.exchange, method_not_allowed());
    co_return;
  }
  if (sub == "scale")
    co_await serve_scale(services, std::move(request));
  else if (sub == "token")
    co_await serve_token(services, std::move(request));
  else if (sub == "binding")
    co_await serve_binding(services, std::move(request));
  else if (sub == "eviction")
    co_await serve_eviction(services, std::move(request));
  else if (sub == "log")
    co_await serve_log(services, std::move(request));
  else if (sub == "portforward")
    co_await serve_port_forward(services, std::move(request));
  else
    co_await serve_exec(services, std::move(request));
}

}  // namespace localkube
