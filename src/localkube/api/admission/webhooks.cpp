// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/admission/webhooks.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "http/client.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/metadata.h"
#include "localkube/api/selectors.h"
#include "objects/patch.h"

namespace localkube {

namespace {

constexpr const char* kMutating = "admissionregistration.k8s.io/mutatingwebhookconfigurations";
constexpr const char* kValidating = "admissionregistration.k8s.io/validatingwebhookconfigurations";

bool lists(const Json& list, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [&](const Json& one) { return one == "*" || one == value; });
}

bool lists_resource(const Json& list, const std::string& plural, const std::string& subresource) {
  for (const Json& one : list) {
    if (!one.is_string()) continue;
    auto parts = base::cut(one.get_ref<const std::string&>(), '/');
    std::string_view name = parts ? parts->first : std::string_view(one.get_ref<const std::string&>());
    std::string_view sub = parts ? parts->second : std::string_view();
    if ((name == "*" || name == plural) && (sub == "*" || sub == subresource)) return true;
  }
  return false;
}

// The version in which a rule of the hook takes the review's resource; empty where none does.
std::string matched_version(const Json& hook, const Review& review) {
  std::vector<std::string> versions = {review.version};
  if (base::text(hook, "matchPolicy") != "Exact")
    for (const std::string& other : review.row->versions)
      if (other != review.version) versions.push_back(other);
  for (const std::string& version : versions)
    for (const Json& rule : items(hook, "rules")) {
      std::string scope = string_at(rule, "scope");
      bool scoped = scope.empty() || scope == "*" || (scope == "Namespaced") == review.row->namespaced;
      if (scoped && lists(items(rule, "operations"), review.operation) &&
          lists(items(rule, "apiGroups"), review.row->group) && lists(items(rule, "apiVersions"), version) &&
          lists_resource(items(rule, "resources"), review.row->plural, review.subresource))
        return version;
    }
  return {};
}

bool namespace_fits(const Store& store, const Json& hook, const Review& review) {
  const Json* wanted = base::find(hook, "namespaceSelector");
  if (!wanted || wanted->empty()) return true;
  if (review.row->stored_in() == "namespaces")
    return LabelSelector::of(*wanted).matches(review.object.is_null() ? review.old_object : review.object);
  if (!review.row->namespaced) return true;
  const Record* record = store.find("namespaces", "", review.ns);
  return record && LabelSelector::of(*wanted).matches(*record->object);
}

bool object_fits(const Json& hook, const Review& review) {
  const Json* wanted = base::find(hook, "objectSelector");
  if (!wanted || wanted->empty()) return true;
  LabelSelector selector = LabelSelector::of(*wanted);
  return (!review.object.is_null() && selector.matches(review.object)) ||
         (!review.old_object.is_null() && selector.matches(review.old_object));
}

Json in_version(Json object, const KindRow& row, const std::string& version) {
  if (object.is_object()) object["apiVersion"] = row.object_kind(version).api_version();
  return object;
}

std::chrono::seconds seconds_of(const Json& hook) {
  return std::chrono::seconds(std::clamp<int64_t>(number(hook, "timeoutSeconds"), 1, 30));
}

Json review_document(const Review& review, const std::string& version, const Call& call) {
  const KindRow& row = *review.row;
  auto kind = [&](const std::string& v) { return Json{{"group", row.group}, {"version", v}, {"kind", row.kind}}; };
  auto resource = [&](const std::string& v) {
    return Json{{"group", row.group}, {"version", v}, {"resource", row.plural}};
  };
  Json user = {{"username", call.user.name}, {"groups", call.user.groups}};
  if (!call.user.uid.empty()) user["uid"] = call.user.uid;
  if (call.user.extra.is_object() && !call.user.extra.empty()) user["extra"] = call.user.extra;
  Json request = {{"uid", new_uid()},
                  {"kind", kind(version)},
                  {"resource", resource(version)},
                  {"requestKind", kind(review.version)},
                  {"requestResource", resource(review.version)},
                  {"operation", review.operation},
                  {"userInfo", std::move(user)},
                  {"object", in_version(review.object, row, version)},
                  {"oldObject", in_version(review.old_object, row, version)},
                  {"dryRun", call.dry_run},
                  {"options", review.options}};
  if (!review.name.empty()) request["name"] = review.name;
  if (!review.ns.empty()) request["namespace"] = review.ns;
  if (!review.subresource.empty()) {
    request["subResource"] = review.subresource;
    request["requestSubResource"] = review.subresource;
  }
  return {{"kind", "AdmissionReview"}, {"apiVersion", "admission.k8s.io/v1"}, {"request", std::move(request)}};
}

Refusal denial(const std::string& hook, const Json& response) {
  static const Json none = Json::object();
  const Json* found = base::find(response, "status");
  const Json& status = found ? *found : none;
  int code = static_cast<int>(number(status, "code"));
  std::string message = string_at(status, "message"), reason = string_at(status, "reason");
  std::string text = "admission webhook " + in_quotes(hook) + " denied the request";
  if (!message.empty())
    text += ": " + message;
  else if (!reason.empty())
    text += ": " + reason;
  else
    text += " without explanation";
  Json details = status.value("details", Json());
  return {code < 400 ? 400 : code, reason, text, std::move(details)};
}

}  // namespace

// Where a hook is reached, and what its URL is called in messages.
struct Webhooks::Place {
  std::string host;
  uint16_t port = 443;
  std::string server_name;
  std::string path;
  std::string url;
};

std::vector<MatchedHook> Webhooks::matching(std::string_view table, const Review& review) const {
  std::vector<MatchedHook> hooks;
  if (review.row->group == "admissionregistration.k8s.io") return hooks;  // hooks cannot lock out their own repair
  store_.each(table, "", [&](const std::string&, const std::string& name, const Record& record) {
    for (const Json& hook : items(*record.object, "webhooks"))
      if (!matched_version(hook, review).empty() && namespace_fits(store_, hook, review) && object_fits(hook, review))
        hooks.push_back({name, hook});
    return true;
  });
  return hooks;
}

// A ready endpoint of the Service's port, else its clusterIP.
base::Result<std::pair<std::string, uint16_t>> Webhooks::address_of(const Json& reference) const {
  std::string ns = string_at(reference, "namespace"), name = string_at(reference, "name");
  int64_t wanted = number(reference, "port");
  if (wanted == 0) wanted = 443;
  const Record* service = store_.find("services", ns, name);
  if (!service) return base::fail(base::ErrorKind::NotFound, "service " + in_quotes(name) + " not found");
  const Json* port = nullptr;
  for (const Json& one : items(*service->object, "spec", "ports"))
    if (number(one, "port") == wanted) port = &one;
  if (!port)
    return base::fail(base::ErrorKind::NotFound,
                      "no service port " + std::to_string(wanted) + " found for service " + in_quotes(name));
  std::optional<std::pair<std::string, uint16_t>> found;
  store_.each("discovery.k8s.io/endpointslices", ns, [&](const std::string&, const std::string&, const Record& record) {
    const Json& slice = *record.object;
    if (base::text(slice, "metadata", "labels", "kubernetes.io/service-name") != name) return true;
    for (const Json& one : items(slice, "ports")) {
      if (base::text(one, "name") != base::text(*port, "name")) continue;
      for (const Json& endpoint : items(slice, "endpoints")) {
        const Json* ready = base::find(endpoint, "conditions", "ready");
        if ((ready && *ready == false) || items(endpoint, "addresses").empty()) continue;
        found.emplace(items(endpoint, "addresses")[0].get<std::string>(), static_cast<uint16_t>(number(one, "port")));
        return false;
      }
    }
    return true;
  });
  if (found) return *found;
  std::string address = string_at(*service->object, "spec", "clusterIP");
  if (items(*service->object, "spec", "selector").empty() && !address.empty() && address != "None" &&
      !base::find(*service->object, "spec", "selector"))
    return std::pair(address, static_cast<uint16_t>(wanted));
  return base::fail(base::ErrorKind::Unavailable, "no endpoints available for service " + in_quotes(name));
}

// `place.url` is set in any case, for messages.
base::Result<void> Webhooks::find_place(const Json& hook, Place& place) const {
  std::string query = "timeout=" + std::to_string(seconds_of(hook).count()) + "s";
  auto finish = [&](std::string& url) { url += (url.find('?') == url.npos ? "?" : "&") + query; };
  if (const Json* service = base::find(hook, "clientConfig", "service")) {
    int64_t port = number(*service, "port");
    place.path = string_at(*service, "path");
    if (place.path.empty()) place.path = "/";
    finish(place.path);
    place.server_name = string_at(*service, "name") + "." + string_at(*service, "namespace") + ".svc";
    place.url = "https://" + place.server_name + ":" + std::to_string(port == 0 ? 443 : port) + place.path;
    std::tie(place.host, place.port) = TRY(address_of(*service));
    return {};
  }
  place.url = string_at(hook, "clientConfig", "url");
  finish(place.url);
  std::string_view rest = place.url;
  if (rest.starts_with("https://")) rest.remove_prefix(8);
  size_t path = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, path);
  place.path = rest.substr(path);
  if (!place.path.starts_with('/')) place.path = "/" + place.path;
  auto parts = base::cut(authority, ':');
  place.host = parts ? parts->first : authority;
  place.server_name = place.host;
  if (parts) place.port = base::parse_number<uint16_t>(parts->second).value_or(443);
  return {};
}

// The `response` of the review.
net::Task<base::Result<Json>> Webhooks::ask(Place place, Json hook, Json review) {
  net::TlsSettings settings;
  settings.trusted_roots = base::from_base64(base::text(hook, "clientConfig", "caBundle")).value_or("");
  auto tls = net::TlsContext::client(settings);
  if (!tls) co_return std::unexpected(std::move(tls.error()));
  http::ClientOptions options;
  options.host = place.host;
  options.port = place.port;
  options.tls = *tls;
  options.server_name = place.server_name;
  options.timeout = options.connect_timeout = seconds_of(hook);
  http::Client client(loop_, std::move(options));
  http::Request request;
  request.method = "POST";
  request.path = place.path;
  request.authority = place.server_name;
  request.headers.set("content-type", "application/json");
  request.headers.set("accept", "application/json");
  request.headers.set("user-agent", "kube-apiserver-admission");
  request.body = review.dump(-1, ' ', false, Json::error_handler_t::replace);
  auto response = co_await client.fetch(std::move(request));
  if (!response) co_return std::unexpected(std::move(response.error()));
  if (response->status != 200) {
    std::string said = response->body.empty() ? "" : ": " + base::printable(response->body, 256);
    co_return base::fail(base::ErrorKind::Unavailable,
                         "the server responded with status " + std::to_string(response->status) + said);
  }
  auto document = base::parse_json(response->body);
  const Json* found = document ? base::find(*document, "response") : nullptr;
  if (!found) co_return base::fail(base::ErrorKind::Invalid, "invalid AdmissionReview in the response");
  std::string_view wanted = base::text(review, "request", "uid"), uid = base::text(*found, "uid");
  if (uid != wanted)
    co_return base::fail(base::ErrorKind::Invalid,
                         "expected response.uid=" + in_quotes(wanted) + ", got " + in_quotes(uid));
  co_return *found;
}

// What the hook said, where it allows the request; its failurePolicy decides when it says nothing.
net::Task<Answer<Json>> Webhooks::call_hook(MatchedHook matched, Review review, CallPointer call) {
  const Json& hook = matched.hook;
  std::string name = string_at(hook, "name");
  Place place;
  base::Result<void> found = find_place(hook, place);
  base::Result<Json> answer = base::fail(base::ErrorKind::Unavailable, found ? "" : found.error().message);
  if (found) {
    Json document = review_document(review, matched_version(hook, review), *call);
    answer = co_await ask(place, hook, std::move(document));
  }
  if (!answer) {
    std::string sentence = "failed calling webhook " + in_quotes(name) + ": failed to call webhook: Post " +
                           in_quotes(place.url) + ": " + answer.error().message;
    if (base::text(hook, "failurePolicy") != "Ignore") co_return std::unexpected(internal(sentence));
    base::log::warn("{}; ignored, as its failurePolicy says", base::printable(sentence));
    Json passed = {{"allowed", true}};
    co_return passed;
  }
  for (const Json& warning : items(*answer, "warnings"))
    if (warning.is_string()) call->warnings.push_back(warning.get<std::string>());
  if (!truth(*answer, "allowed")) co_return std::unexpected(denial(name, *answer));
  co_return std::move(*answer);
}

net::Task<Answer<Json>> Webhooks::mutate(Review review, CallPointer call) {
  std::vector<MatchedHook> hooks = matching(kMutating, review);
  size_t last_change = 0;  // the hook (counted from 1) that changed the object last
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < hooks.size(); ++i) {
      bool again = base::text(hooks[i].hook, "reinvocationPolicy") == "IfNeeded" && last_change > i + 1;
      if (round == 1 && !again) continue;
      if (!object_fits(hooks[i].hook, review)) continue;
      auto answer = co_await call_hook(hooks[i], review, call);
      if (!answer) co_return std::unexpected(std::move(answer.error()));
      auto encoded = base::from_base64(base::text(*answer, "patch"));
      if (!encoded || encoded->empty() || review.object.is_null()) continue;
      std::string name = string_at(hooks[i].hook, "name");
      auto patch = base::parse_json(*encoded);
      if (!patch) co_return std::unexpected(internal("webhook " + in_quotes(name) + " sent a patch that is not JSON"));
      auto changed = objects::json_patched(review.object, *patch);
      if (!changed)
        co_return std::unexpected(
            internal("webhook " + in_quotes(name) + " sent a patch that does not apply: " + changed.error().message));
      if (*changed != review.object && round == 0) last_change = i + 1;
      review.object = std::move(*changed);
    }
  }
  co_return std::move(review.object);
}

net::Task<Answer<void>> Webhooks::validate(Review review, CallPointer call) {
  std::vector<MatchedHook> hooks = matching(kValidating, review);
  for (MatchedHook& hook : hooks) {
    auto answer = co_await call_hook(std::move(hook), review, call);
    if (!answer) co_return std::unexpected(std::move(answer.error()));
  }
  co_return Answer<void>{};
}

}  // namespace localkube
