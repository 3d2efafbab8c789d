// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/computed.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/table.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

const objects::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
constexpr std::chrono::seconds kLongest{3600};

// APIServices change where CRDs do.
struct State {
  net::Signal more;
  bool changed = true;
  bool over = false;

  void tell(bool& what) {
    what = true;
    more.notify();
  }
};

// One watch: what its client knows, and what it is told.
struct Watching {
  RestRequest request;
  LabelSelector labels;
  FieldSelector fields;
  bool defined = false;  // the column definitions were sent
  std::map<std::string, Json> known;

  std::map<std::string, Json> now(Registry& registry) const {
    std::map<std::string, Json> out;
    for (const Json& one : api_services(registry))
      if (labels.matches(one) && fields.matches(one)) out.emplace(string_at(one, "metadata", "name"), one);
    return out;
  }

  std::string line(const char* type, Json object, int64_t revision) {
    object["metadata"]["resourceVersion"] = std::to_string(revision);
    if (request.shape == Shape::Table) {
      std::string include = request.text("includeObject");
      RowObject carried = include == "None"     ? RowObject::None
                          : include == "Object" ? RowObject::Object
                                                : RowObject::Metadata;
      Json metadata = {{"resourceVersion", std::to_string(revision)}};
      object = table_of(*request.target.row, request.target.version, {object}, std::move(metadata), carried);
      if (std::exchange(defined, true)) object["columnDefinitions"] = nullptr;
    } else if (request.shape == Shape::Metadata) {
      object = metadata_only(object);
    }
    return std::string("{\"type\":\"") + type + "\",\"object\":" + dump(object) + "}\n";
  }

  // What is other than the client knows, a line each.
  std::string news(Registry& registry) {
    auto after = now(registry);
    const int64_t revision = registry.store().revision();
    std::string lines;
    for (const auto& [name, object] : known)
      if (!after.contains(name)) lines += line("DELETED", object, revision);
    for (const auto& [name, object] : after) {
      auto before = known.find(name);
      if (before == known.end())
        lines += line("ADDED", object, revision);
      else if (before->second != object)
        lines += line("MODIFIED", object, revision);
    }
    known = std::move(after);
    return lines;
  }
};

}  // namespace

net::Task<void> watch_api_services(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  Registry& registry = services.registry;
  auto labels = LabelSelector::parse(request.text("labelSelector"));
  auto fields = FieldSelector::parse(request.text("fieldSelector"), *request.target.row);
  auto seconds = request.number("timeoutSeconds");
  auto since = request.resource_version();
  if (!labels || !fields || !seconds || !since) {
    respond_refusal(*exchange, !labels    ? labels.error()
                               : !fields  ? fields.error()
                               : !seconds ? seconds.error()
                                          : since.error());
    co_return;
  }
  Watching watching{std::move(request), std::move(*labels), std::move(*fields)};
  const std::string crds = registry.catalog().find_resource(kCrds)->stored_in();
  // From a version on: what they were then is known only where nothing has changed.
  bool resumes = *since && **since != 0;
  if (resumes) {
    auto changes = registry.store().changes(crds, **since);
    if (!changes || !changes->empty()) {
      respond_refusal(*exchange, gone("too old resource version: " + std::to_string(**since)));
      co_return;
    }
    watching.known = watching.now(registry);
  }
  auto state = std::make_shared<State>();
  std::weak_ptr<State> weak = state;
  auto told = [weak](bool State::* what) {
    if (auto held = weak.lock()) held->tell((*held).*what);
  };
  // Once all that follows CRDs has been told of them, too.
  auto subscription = registry.store().subscribe(
      crds, [&loop = services.loop, told](const Event&) { loop.post([told] { told(&State::changed); }); });
  exchange->on_closed([told] { told(&State::over); });
  net::Timer end(services.loop, [told] { told(&State::over); });
  end.arm(*seconds ? std::min(kLongest, std::chrono::seconds(**seconds)) : kLongest);

  http::ResponseHead head;
  head.headers.set("content-type", "application/json");
  head.headers.set("cache-control", "no-cache, private");
  exchange->start(std::move(head));
  while (!state->over) {
    if (!std::exchange(state->changed, false)) {
      co_await state->more.wait();
      continue;
    }
    std::string lines = watching.news(registry);
    if (lines.empty()) continue;
    auto written = co_await exchange->write(std::move(lines));
    if (!written) co_return;
  }
  exchange->finish();
}

}  // namespace localkube
