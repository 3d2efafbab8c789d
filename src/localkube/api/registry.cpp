// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/registry.h"

#include "base/strings.h"
#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

constexpr size_t kMostGeneratedPrefix = 58;
constexpr const char* kOtherNamespace =
    "the namespace of the provided object does not match the namespace sent on the request";
constexpr int kAttempts = 16;  // at a write that others overtake

void stamp(const KindRow& row, std::string_view version, Json& object) {
  object["apiVersion"] = row.object_kind(version).api_version();
  object["kind"] = row.kind;
}

// What raises the generation when it changes. A pod's node is not asked for by
// anybody, so binding counts no generation; a Deployment's annotations do.
Json generation_part(const Json& object) {
  Json part = object;
  part.erase("metadata");
  part.erase("status");
  part.erase("apiVersion");
  if (object["kind"] == "Pod" && part["spec"].is_object()) part["spec"].erase("nodeName");
  if (object["kind"] == "Deployment")
    if (const Json* annotations = base::find(object, "metadata", "annotations")) part["annotations"] = *annotations;
  return part;
}

Json options_document(const char* kind, const Call& call) {
  Json options = {{"kind", kind}, {"apiVersion", "meta.k8s.io/v1"}};
  if (call.dry_run) options["dryRun"] = Json::array({"All"});
  if (!call.field_manager.empty()) options["fieldManager"] = call.field_manager;
  return options;
}

// Puts a new object where the URL says, without what only a server may set.
Answer<void> clear_metadata(const Target& target, Json& object) {
  if (!object.is_object()) return std::unexpected(bad_request("the object provided is not a JSON object"));
  Json& given = object["metadata"];
  if (!given.is_object()) given = Json::object();
  std::string said = string_at(given, "namespace");
  if (target.row->namespaced) {
    if (!said.empty() && said != target.ns) return std::unexpected(bad_request(kOtherNamespace));
    given["namespace"] = target.ns;
  } else {
    given.erase("namespace");
  }
  if (!base::text(given, "resourceVersion").empty())
    return std::unexpected(bad_request("resourceVersion should not be set on objects to be created"));
  for (const char* key : {"resourceVersion", "uid", "creationTimestamp", "deletionTimestamp", "generation", "selfLink",
                          "deletionGracePeriodSeconds"})
    given.erase(key);
  return {};
}

bool has_finalizers(const Json& object) {
  return !items(object, "metadata", "finalizers").empty() ||
         (base::text(object, "kind") == "Namespace" && !items(object, "spec", "finalizers").empty());
}

bool may_go(const Json& object) {
  return base::find(object, "metadata", "deletionTimestamp") && !has_finalizers(object) &&
         number(object, "metadata", "deletionGracePeriodSeconds") == 0;
}

}  // namespace

Registry::Registry(net::Loop& loop, Store& store, Catalog& catalog, Allocator& allocator, Admission& admission)
    : loop_(loop), store_(store), catalog_(catalog), allocator_(allocator), admission_(admission) {
  store_.each("apiextensions.k8s.io/customresourcedefinitions", "",
              [&](const std::string&, const std::string& name, const Record& record) {
                catalog_.set_custom(name, custom_row(*record.object));
                return true;
              });
  crds_ =
      store_.subscribe("apiextensions.k8s.io/customresourcedefinitions", [this](const Event& event) { on_crd(event); });
}

Registry::~Registry() = default;

void Registry::on_crd(const Event& event) {
  std::string name = string_at(*event.object, "metadata", "name");
  catalog_.set_custom(name, event.type == Event::Type::Deleted ? nullptr : custom_row(*event.object));
}

Json Registry::shown(const KindRow& row, std::string_view version, const Json& stored) {
  Json object = stored;
  stamp(row, version, object);
  if (row.from_stored) row.from_stored(object);
  return object;
}

Answer<objects::Object> Registry::read(const Target& target) const {
  const Record* record = store_.find(target.row->stored_in(), target.ns, target.name);
  if (!record) return std::unexpected(not_found(target.resource(), target.name));
  return objects::Object(shown(*target.row, target.version, *record->object));
}

net::Task<Answer<Json>> Registry::mutated(Review review, CallPointer call) {
  KindPointer row = review.row;
  std::string version = review.version;
  Json before = review.object;
  auto changed = co_await admission_.mutate(std::move(review), std::move(call));
  if (!changed || *changed == before) co_return changed;
  stamp(*row, version, *changed);
  CO_TRY(conform(*row, version, *changed, *in_process_call()));
  co_return changed;
}

// Makes the document the stored one of a new object: name, identity, first status.
void Registry::begin_life(Target& target, Json& object) const {
  const KindRow& row = *target.row;
  Json& metadata = object["metadata"];
  target.name = string_at(metadata, "name");
  if (target.name.empty() && !base::text(metadata, "generateName").empty()) {
    std::string prefix = string_at(metadata, "generateName").substr(0, kMostGeneratedPrefix);
    do target.name = prefix + random_suffix();
    while (store_.latest(key_of(target)));
    metadata["name"] = target.name;
  }
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = now_text();
  if (row.counts_generations) metadata["generation"] = 1;
  if (row.has_status && custom_has_status(row, target.version)) object.erase("status");
  if (row.to_stored) row.to_stored(object);
  if (row.rules.prepare_create) row.rules.prepare_create(object);
  if (row.rules.defaults) row.rules.defaults(object);
}

net::Task<Answer<objects::Object>> Registry::create_object(Target target, Json object, CallPointer call) {
  const KindRow& row = *target.row;
  CO_TRY(clear_metadata(target, object));
  CO_TRY(conform(row, target.version, object, *call));
  if (row.idle) call->warnings.push_back(row.kind + " is stored, but nothing acts on it in this one-machine cluster");
  Review review{.row = target.row,
                .version = target.version,
                .operation = "CREATE",
                .ns = target.ns,
                .name = string_at(object, "metadata", "name"),
                .subresource = {},
                .object = std::move(object),
                .old_object = nullptr,
                .options = options_document("CreateOptions", *call)};
  auto admitted = co_await mutated(review, call);
  if (!admitted) co_return std::unexpected(std::move(admitted.error()));
  object = std::move(*admitted);
  begin_life(target, object);

  Problems problems;
  validate_metadata(row, object, problems);
  validate_custom(row, target.version, object, nullptr, problems);
  if (row.rules.validate) row.rules.validate(object, problems);
  if (row.rules.validate_create) row.rules.validate_create(object, problems);
  Allocator::Reservation reservation(allocator_);
  if (row.stored_in() == "services" && problems.empty()) allocator_.allocate(object, nullptr, reservation, problems);
  if (!problems.empty()) co_return std::unexpected(invalid(row.object_kind(target.version), target.name, problems));

  review.object = shown(row, target.version, object);
  review.name = target.name;
  auto allowed = co_await admission_.validate(std::move(review), call);
  if (!allowed) co_return std::unexpected(std::move(allowed.error()));
  if (store_.latest(key_of(target))) co_return std::unexpected(already_exists(target.resource(), target.name));
  if (call->dry_run) co_return objects::Object(shown(row, target.version, object));
  auto record = co_await store_.put(key_of(target), 0, std::move(object));
  if (!record && record.error().kind == base::ErrorKind::Exhausted)
    co_return std::unexpected(cannot_store(record.error().message));
  if (!record) co_return std::unexpected(already_exists(target.resource(), target.name));
  reservation.keep();
  co_return objects::Object(shown(row, target.version, *record->object));
}

// The wanted document with all that an update cannot change put back.
Answer<Json> Registry::merged_update(const Target& target, const Json& current, Json wanted) const {
  const KindRow& row = *target.row;
  if (!wanted.is_object()) return std::unexpected(bad_request("the object provided is not a JSON object"));
  if (!wanted["metadata"].is_object()) wanted["metadata"] = Json::object();
  std::string name = string_at(wanted, "metadata", "name"), ns = string_at(wanted, "metadata", "namespace");
  if (name.empty()) name = target.name;
  if (name != target.name)
    return std::unexpected(
        bad_request("the name of the object (" + name + ") does not match the name on the URL (" + target.name + ")"));
  if (row.namespaced && !ns.empty() && ns != target.ns) return std::unexpected(bad_request(kOtherNamespace));
  std::string version = string_at(wanted, "metadata", "resourceVersion");
  if (!version.empty() && !base::parse_number<uint64_t>(version))
    return std::unexpected(
        Refusal{500, "", "strconv.ParseUint: parsing " + in_quotes(version) + ": invalid syntax", {}});
  if (!version.empty() && version != base::text(current, "metadata", "resourceVersion"))
    return std::unexpected(modified(target.resource(), target.name));
  std::string uid = string_at(wanted, "metadata", "uid");
  if (!uid.empty() && uid != base::text(current, "metadata", "uid"))
    return std::unexpected(conflict(target.resource(), target.name,
                                    "Precondition failed: UID in precondition: " + uid +
                                        ", UID in object meta: " + string_at(current, "metadata", "uid")));
  if (target.subresource == "status") {
    Json kept = current;
    Json status = wanted.value("status", Json());
    if (status.is_null())
      kept.erase("status");
    else
      kept["status"] = std::move(status);
    // A Deployment's controller keeps its count of revisions there.
    if (row.plural == "deployments" && row.group == "apps")
      if (const Json* annotations = base::find(wanted, "metadata", "annotations"))
        kept["metadata"]["annotations"] = *annotations;
    wanted = std::move(kept);
  } else if (target.subresource == "finalize") {
    Json kept = current;
    kept["spec"]["finalizers"] = items(wanted, "spec", "finalizers");
    wanted = std::move(kept);
  } else {
    for (const char* key : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation",
                            "deletionGracePeriodSeconds", "resourceVersion", "managedFields"}) {
      const Json* value = base::find(current, "metadata", key);
      if (value)
        wanted["metadata"][key] = *value;
      else
        wanted["metadata"].erase(key);
    }
    if (row.has_status && custom_has_status(row, target.version)) {
      const Json* status = base::find(current, "status");
      if (status)
        wanted["status"] = *status;
      else
        wanted.erase("status");
    }
  }
  stamp(row, target.version, wanted);
  return wanted;
}

net::Task<Answer<objects::Object>> Registry::modify(Target target, Transform transform, CallPointer call) {
  const KindRow& row = *target.row;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::optional<Record> record = store_.latest(key_of(target));
    if (!record) co_return std::unexpected(not_found(target.resource(), target.name));
    Json current = shown(row, target.version, *record->object);
    Answer<Json> wanted = transform(current);
    if (!wanted) co_return std::unexpected(std::move(wanted.error()));
    Json object = std::move(*wanted);
    CO_TRY(conform(row, target.version, object, *call));
    if (row.to_stored) row.to_stored(object);
    if (target.subresource == "status") {
      if (row.rules.prepare_status) row.rules.prepare_status(object, *record->object);
    } else if (target.subresource.empty() && row.rules.prepare_update) {
      row.rules.prepare_update(object, *record->object);
    }
    if (row.rules.defaults) row.rules.defaults(object);
    if (row.from_stored) row.from_stored(object);

    bool reviewed = target.subresource.empty() || target.subresource == "status";
    Review review{.row = target.row,
                  .version = target.version,
                  .operation = "UPDATE",
                  .ns = target.ns,
                  .name = target.name,
                  .subresource = target.subresource,
                  .object = nullptr,
                  .old_object = nullptr,
                  .options = nullptr};
    if (reviewed) {
      review.object = std::move(object);
      review.old_object = current;
      review.options = options_document("UpdateOptions", *call);
      auto admitted = co_await mutated(review, call);
      if (!admitted) co_return std::unexpected(std::move(admitted.error()));
      object = std::move(*admitted);
    }
    if (row.to_stored) row.to_stored(object);

    Problems problems;
    const Json& before = *record->object;
    Allocator::Reservation reservation(allocator_);
    if (target.subresource.empty()) {
      validate_metadata(row, object, problems);
      validate_metadata_update(object, before, problems);
      validate_custom(row, target.version, object, &current, problems);
      if (row.rules.validate) row.rules.validate(object, problems);
      if (row.rules.validate_update) row.rules.validate_update(object, before, problems);
      if (row.stored_in() == "services" && problems.empty())
        allocator_.allocate(object, &before, reservation, problems);
    } else if (target.subresource == "status") {
      validate_metadata(row, object, problems);
      validate_custom(row, target.version, object, &current, problems);
    }
    if (!problems.empty()) co_return std::unexpected(invalid(row.object_kind(target.version), target.name, problems));
    if (reviewed) {
      review.object = object;
      if (row.from_stored) row.from_stored(review.object);
      auto allowed = co_await admission_.validate(std::move(review), call);
      if (!allowed) co_return std::unexpected(std::move(allowed.error()));
    }

    // Compared in the same version, so that a write in another one is no change.
    Json same = before;
    same["apiVersion"] = object["apiVersion"];
    if (object == same) co_return objects::Object(std::move(current));
    if (row.counts_generations && target.subresource.empty() && generation_part(object) != generation_part(before))
      object["metadata"]["generation"] = number(before, "metadata", "generation") + 1;
    if (call->dry_run) co_return objects::Object(shown(row, target.version, object));

    bool going = may_go(object);
    Json last = going ? object : Json();
    base::Result<Record> written = base::fail(base::ErrorKind::Conflict, "");
    if (going)
      written = co_await store_.remove(key_of(target), record->revision);
    else
      written = co_await store_.put(key_of(target), record->revision, std::move(object));
    if (written) {
      reservation.keep();
      co_return objects::Object(shown(row, target.version, going ? last : *written->object));
    }
    if (written.error().kind == base::ErrorKind::Exhausted)
      co_return std::unexpected(cannot_store(written.error().message));
  }
  co_return std::unexpected(modified(target.resource(), target.name));
}

net::Task<Answer<objects::Object>> Registry::update_object(Target target, Json object, CallPointer call) {
  Transform transform = [this, target, object = std::move(object)](const Json& current) {
    return merged_update(target, current, object);
  };
  return modify(std::move(target), std::move(transform), std::move(call));
}

}  // namespace localkube
