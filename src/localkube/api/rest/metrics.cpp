// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/metrics.h"

#include "base/memory.h"
#include "base/strings.h"

namespace localkube {

namespace {

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

// Resources by their methods, apart from those that HTTP does not tell apart.
std::string verb_of(const http::RequestHead& head, const Attributes& wish) {
  if (wish.subresource == "exec" || wish.subresource == "attach" || wish.subresource == "portforward" ||
      wish.subresource == "proxy")
    return "CONNECT";
  if (wish.verb == "create") return "POST";
  if (wish.verb == "update") return "PUT";
  if (wish.verb == "patch" && head.headers.get("content-type").value_or("").starts_with("application/apply-patch"))
    return "APPLY";
  return upper(wish.verb);
}

}  // namespace

Metrics::Subject Metrics::subject_of(const http::RequestHead& head, const Attributes& wish, std::string version) {
  std::string scope = wish.resource.empty() ? ""
                      : !wish.name.empty()  ? "resource"
                      : !wish.ns.empty()    ? "namespace"
                                            : "cluster";
  return {verb_of(head, wish), wish.group, std::move(version), wish.resource, wish.subresource, std::move(scope)};
}

void Metrics::count(const Subject& subject, int status) {
  auto labels = [&](const Subject& of) {
    return telemetry::Labels{{"code", std::to_string(status)},
                             {"component", "apiserver"},
                             {"group", of.group},
                             {"resource", of.resource},
                             {"scope", of.scope},
                             {"subresource", of.subresource},
                             {"verb", of.verb},
                             {"version", of.version}};
  };
  telemetry::Labels own = labels(subject);
  if (!requests_.contains(own) && requests_.size() >= kMostSeries) own = labels({.verb = "OTHER"});
  ++requests_[std::move(own)];
}

std::string Metrics::prometheus(Registry& registry) const {
  telemetry::Scrape scrape;
  for (const auto& [labels, count] : requests_) scrape.counter("apiserver_request_total", labels, count);
  for (const KindPointer& row : registry.catalog().all()) {
    std::string resource = row->group.empty() ? row->plural : row->plural + "." + row->group;
    scrape.gauge("apiserver_storage_objects", {{"resource", std::move(resource)}},
                 static_cast<double>(registry.store().count(row->stored_in())));
  }
  scrape.gauge("process_resident_memory_bytes", {}, static_cast<double>(base::resident_memory()));
  return scrape.prometheus();
}

CountedExchange::CountedExchange(std::shared_ptr<http::Exchange> inner, Metrics& metrics)
    : inner_(std::move(inner)), metrics_(metrics) {
  request_ = inner_->request();
  subject_.verb = upper(request_.method);
}

void CountedExchange::count(int status) {
  if (!std::exchange(counted_, true)) metrics_.count(subject_, status);
}

void CountedExchange::respond(http::Response response) {
  count(response.status);
  inner_->respond(std::move(response));
}

void CountedExchange::start(http::ResponseHead head) {
  count(head.status);
  inner_->start(std::move(head));
}

base::Result<std::unique_ptr<net::ByteStream>> CountedExchange::upgrade(http::Headers headers) {
  count(101);
  return inner_->upgrade(std::move(headers));
}

}  // namespace localkube
