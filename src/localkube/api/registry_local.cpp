// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/registry.h"

namespace localkube {

CallPointer Registry::in_process_call() {
  auto call = std::make_shared<Call>();
  call->user = {
      .name = "system:localkube", .uid = "", .groups = {"system:masters", "system:authenticated"}, .extra = {}};
  call->field_manager = "localkube";
  call->validation = FieldValidation::Ignore;
  call->in_process = true;
  return call;
}

Answer<Target> Registry::target_of(const objects::Resource& resource, std::string_view ns,
                                   std::string_view name) const {
  KindPointer row = catalog_.find_resource(resource);
  if (!row) return std::unexpected(no_such_resource());
  return Target{row, resource.version, row->namespaced ? std::string(ns) : std::string(), std::string(name), {}};
}

std::vector<objects::Object> Registry::list(const objects::Resource& resource, std::string_view ns) const {
  std::vector<objects::Object> objects;
  KindPointer row = catalog_.find_resource(resource);
  if (!row) return objects;
  store_.each(row->stored_in(), ns, [&](const std::string&, const std::string&, const Record& record) {
    objects.emplace_back(shown(*row, resource.version, *record.object));
    return true;
  });
  return objects;
}

std::optional<objects::Object> Registry::get(const objects::Resource& resource, std::string_view ns,
                                             std::string_view name) const {
  auto target = target_of(resource, ns, name);
  if (!target) return std::nullopt;
  auto object = read(*target);
  if (!object) return std::nullopt;
  return std::move(*object);
}

std::shared_ptr<const Json> Registry::peek(const objects::Resource& resource, std::string_view ns,
                                           std::string_view name) const {
  KindPointer row = catalog_.find_resource(resource);
  const Record* record = row ? store_.find(row->stored_in(), row->namespaced ? ns : "", name) : nullptr;
  return record ? record->object : nullptr;
}

std::optional<objects::Resource> Registry::resource_of(std::string_view group, std::string_view kind) const {
  for (const KindPointer& row : catalog_.all())
    if (row->group == group && row->kind == kind) return row->resource();
  return std::nullopt;
}

net::Task<Answer<objects::Object>> Registry::create(objects::Resource resource, objects::Object object) {
  auto target = target_of(resource, object.ns(), "");
  if (!target) co_return std::unexpected(std::move(target.error()));
  auto answer = co_await create_object(std::move(*target), std::move(object.json()), in_process_call());
  co_return answer;
}

net::Task<Answer<objects::Object>> Registry::update(objects::Resource resource, objects::Object object) {
  auto target = target_of(resource, object.ns(), object.name());
  if (!target) co_return std::unexpected(std::move(target.error()));
  auto answer = co_await update_object(std::move(*target), std::move(object.json()), in_process_call());
  co_return answer;
}

net::Task<Answer<objects::Object>> Registry::update_status(objects::Resource resource, objects::Object object) {
  auto target = target_of(resource, object.ns(), object.name());
  if (!target) co_return std::unexpected(std::move(target.error()));
  target->subresource = "status";
  auto answer = co_await update_object(std::move(*target), std::move(object.json()), in_process_call());
  co_return answer;
}

net::Task<Answer<objects::Object>> Registry::patch(objects::Resource resource, std::string ns, std::string name,
                                                   PatchType type, objects::Json patch, std::string subresource) {
  auto target = target_of(resource, ns, name);
  if (!target) co_return std::unexpected(std::move(target.error()));
  target->subresource = std::move(subresource);
  auto answer = co_await patch_object(std::move(*target), type, std::move(patch), in_process_call(), nullptr);
  co_return answer;
}

net::Task<Answer<objects::Object>> Registry::remove(objects::Resource resource, std::string ns, std::string name,
                                                    std::optional<int> grace_seconds) {
  auto target = target_of(resource, ns, name);
  if (!target) co_return std::unexpected(std::move(target.error()));
  DeleteOrder order;
  order.grace_seconds = grace_seconds;
  auto answer = co_await delete_object(std::move(*target), std::move(order), in_process_call());
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  co_return std::move(answer->object);
}

namespace {

// A watch of Api: told of all there is by a job of its own, then of each change.
struct LocalWatch {
  KindPointer row;
  std::string version;
  std::function<void(const Change&)> call;
  bool started = false;
  Store::Handle subscription;
};

}  // namespace

Api::Handle Registry::watch(objects::Resource resource, std::function<void(const Change&)> call) {
  auto watch = std::make_shared<LocalWatch>();
  watch->row = catalog_.find_resource(resource);
  watch->version = resource.version;
  watch->call = std::move(call);
  if (!watch->row) return watch;
  std::weak_ptr<LocalWatch> weak = watch;
  watch->subscription = store_.subscribe(watch->row->stored_in(), [weak](const Event& event) {
    auto watch = weak.lock();
    if (!watch || !watch->started) return;
    Change::Type type = event.type == Event::Type::Added      ? Change::Type::Added
                        : event.type == Event::Type::Modified ? Change::Type::Modified
                                                              : Change::Type::Deleted;
    watch->call({type, objects::Object(shown(*watch->row, watch->version, *event.object))});
  });
  loop_.post([weak, &store = store_] {
    auto watch = weak.lock();
    if (!watch) return;
    std::vector<std::shared_ptr<const Json>> all;
    store.each(watch->row->stored_in(), "", [&](const std::string&, const std::string&, const Record& record) {
      all.push_back(record.object);
      return true;
    });
    watch->started = true;
    watch.reset();
    for (const auto& object : all) {
      auto held = weak.lock();
      if (!held) return;
      held->call({Change::Type::Added, objects::Object(shown(*held->row, held->version, *object))});
    }
  });
  return watch;
}

}  // namespace localkube
