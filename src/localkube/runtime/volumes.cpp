// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/volumes.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"
#include "localkube/runtime/atomic_directory.h"

namespace localkube {

using base::ErrorKind;

// Files under construction, with the mode of those that name none.
struct Projection {
  ProjectedFiles files;
  mode_t mode = 0644;

  void add(const std::string& path, std::string bytes, const base::Json& item) {
    files[path] = {.bytes = std::move(bytes), .mode = static_cast<mode_t>(number_or(item, mode, "mode"))};
  }
};

static const objects::Resource kConfigMaps{"", "v1", "configmaps"};
static const objects::Resource kSecrets{"", "v1", "secrets"};

// All keys of a ConfigMap or Secret, or those that `items` picks.
static base::Result<void> add_keys(const Api& api, const objects::Object& pod, const base::Json& source, bool secret,
                                   Projection& out) {
  std::string name = string_at(source, secret && base::find(source, "secretName") ? "secretName" : "name");
  auto found = api.get(secret ? kSecrets : kConfigMaps, pod.ns(), name);
  if (!found && truth(source, "optional")) return {};
  if (!found)
    return base::fail(ErrorKind::NotFound,
                      std::string(secret ? "secret" : "configmap") + " \"" + name + "\" not found");
  std::map<std::string, std::string> data;
  for (const auto& [key, value] : fields(found->json(), "data").items())
    if (value.is_string())
      data[key] = secret ? base::from_base64(value.get<std::string>()).value_or("") : value.get<std::string>();
  for (const auto& [key, value] : fields(found->json(), "binaryData").items())
    if (value.is_string()) data[key] = base::from_base64(value.get<std::string>()).value_or("");
  static const base::Json kNoItem = base::Json::object();
  if (!base::find(source, "items")) {
    for (auto& [key, bytes] : data) out.add(key, std::move(bytes), kNoItem);
    return {};
  }
  for (const base::Json& item : items(source, "items")) {
    auto key = data.find(string_at(item, "key"));
    if (key != data.end()) {
      out.add(string_at(item, "path"), key->second, item);
    } else if (!truth(source, "optional")) {
      return base::fail(ErrorKind::NotFound, std::string(secret ? "secret" : "configmap") + " \"" + name +
                                                 "\" references non-existent key: " + string_at(item, "key"));
    }
  }
  return {};
}

// One line a label or annotation: key="value", with the value quoted as in Go.
static std::string map_text(const objects::Labels& map) {
  std::string out;
  for (const auto& [key, value] : map) out += (out.empty() ? "" : "\n") + key + "=" + base::Json(value).dump();
  return out;
}

static base::Result<void> add_downward(const PodFacts& facts, const base::Json& source, Projection& out) {
  for (const base::Json& item : items(source, "items")) {
    std::string path = string_at(item, "path"), field = string_at(item, "fieldRef", "fieldPath");
    if (field == "metadata.labels") {
      out.add(path, map_text(facts.pod.labels()), item);
    } else if (field == "metadata.annotations") {
      out.add(path, map_text(facts.pod.annotations()), item);
    } else if (const base::Json* resource = base::find(item, "resourceFieldRef")) {
      for (const char* list : {"containers", "initContainers"})
        for (const base::Json& container : items(facts.pod.spec(), list))
          if (base::text(container, "name") == base::text(*resource, "containerName"))
            out.add(path, TRY(resource_value(facts, container, *resource)), item);
    } else {
      out.add(path, TRY(field_value(facts, field)), item);
    }
  }
  return {};
}

base::Result<void> Volumes::add_token(const PodFacts& facts, const base::Json& source, const std::string& key,
                                      Projection& out) {
  using std::chrono::system_clock;
  static const base::Json kNoItem = base::Json::object();
  Issued& issued = tokens_[key];
  if (issued.text.empty() || system_clock::now() >= issued.renew) {
    TokenOrder order{.ns = std::string(facts.pod.ns()),
                     .service_account = string_at(facts.pod.spec(), "serviceAccountName"),
                     .lifetime = std::chrono::seconds(number_or(source, 3600, "expirationSeconds")),
                     .pod_name = std::string(facts.pod.name()),
                     .pod_uid = std::string(facts.pod.uid())};
    if (order.service_account.empty()) order.service_account = "default";
    if (std::string audience = string_at(source, "audience"); !audience.empty()) order.audiences.push_back(audience);
    auto token = issue_token_(order);
    if (!token) return base::fail(ErrorKind::NotFound, "failed to fetch token: " + token.error().message);
    issued = {.text = token->text, .renew = system_clock::now() + (token->expires - system_clock::now()) * 4 / 5};
  }
  out.add(string_at(source, "path"), issued.text, kNoItem);
  return {};
}

base::Result<void> Volumes::prepare_empty(const PodFacts& facts, const std::string& name) {
  std::string at = path(name);
  if (access(at.c_str(), F_OK) == 0) return {};
  auto group = static_cast<gid_t>(number(facts.pod.spec(), "securityContext", "fsGroup"));
  TRY(make_directory(at, 0777));
  if (group != 0 && (chown(at.c_str(), 0, group) != 0 || chmod(at.c_str(), 02777) != 0))
    return std::unexpected(base::system_error("chown " + at, errno));
  return {};
}

base::Result<void> Volumes::prepare_one(const PodFacts& facts, const base::Json& volume) {
  std::string name = string_at(volume, "name");
  if (base::find(volume, "emptyDir")) return prepare_empty(facts, name);
  Projection out;
  if (const base::Json* source = base::find(volume, "configMap")) {
    out.mode = static_cast<mode_t>(number_or(*source, 0644, "defaultMode"));
    TRY(add_keys(api_, facts.pod, *source, false, out));
  } else if (const base::Json* source = base::find(volume, "secret")) {
    out.mode = static_cast<mode_t>(number_or(*source, 0644, "defaultMode"));
    TRY(add_keys(api_, facts.pod, *source, true, out));
  } else if (const base::Json* source = base::find(volume, "downwardAPI")) {
    out.mode = static_cast<mode_t>(number_or(*source, 0644, "defaultMode"));
    TRY(add_downward(facts, *source, out));
  } else if (const base::Json* projected = base::find(volume, "projected")) {
    out.mode = static_cast<mode_t>(number_or(*projected, 0644, "defaultMode"));
    for (const base::Json& source : items(*projected, "sources")) {
      if (const base::Json* one = base::find(source, "serviceAccountToken")) {
        TRY(add_token(facts, *one, name + "/" + string_at(*one, "path"), out));
      } else if (const base::Json* one = base::find(source, "configMap")) {
        TRY(add_keys(api_, facts.pod, *one, false, out));
      } else if (const base::Json* one = base::find(source, "secret")) {
        TRY(add_keys(api_, facts.pod, *one, true, out));
      } else if (const base::Json* one = base::find(source, "downwardAPI")) {
        TRY(add_downward(facts, *one, out));
      } else {
        return base::fail(ErrorKind::Invalid, "this projected source is not supported here: " + source.dump());
      }
    }
  } else {
    std::string type = "unknown";
    for (const auto& [key, value] : volume.items())
      if (key != "name") type = key;
    return base::fail(ErrorKind::Invalid,
                      "volumes of type " + type + " are not supported on this machine" +
                          (type == "hostPath" ? ": pods see nothing of the host but its programs" : ""));
  }
  return write_atomically(path(name), out.files,
                          static_cast<gid_t>(number(facts.pod.spec(), "securityContext", "fsGroup")));
}

base::Result<void> Volumes::prepare(const PodFacts& facts) {
  for (const base::Json& volume : items(facts.pod.spec(), "volumes")) {
    auto prepared = prepare_one(facts, volume);
    if (prepared) continue;
    base::Error error = std::move(prepared.error());
    error.message = "MountVolume.SetUp failed for volume \"" + string_at(volume, "name") + "\" : " + error.message;
    return std::unexpected(std::move(error));
  }
  return {};
}

base::Json Volumes::memory_volumes(const objects::Object& pod) const {
  base::Json out = base::Json::array();
  for (const base::Json& volume : items(pod.spec(), "volumes")) {
    const base::Json* empty = base::find(volume, "emptyDir");
    if (!empty || base::text(*empty, "medium") != "Memory") continue;
    int64_t bytes = milli_quantity(base::text(*empty, "sizeLimit")).value_or(0) / 1000;
    if (bytes <= 0) bytes = 64 << 20;
    out.push_back({{"path", path(string_at(volume, "name"))}, {"size", std::to_string(bytes)}});
  }
  return out;
}

std::optional<std::chrono::system_clock::time_point> Volumes::next_renewal() const {
  std::optional<std::chrono::system_clock::time_point> next;
  for (const auto& [key, issued] : tokens_)
    if (!next || issued.renew < *next) next = issued.renew;
  return next;
}

}  // namespace localkube
