// SPDX-License-Identifier: Apache-2.0
#include "control/webhooks.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "config/config.h"
#include "config/kinds.h"
#include "config/specs.h"

namespace control {

using base::ErrorKind;
using config::Finding;
using config::Severity;
using objects::Json;
using objects::Object;

namespace {

// Joining the whole mesh for a warning must not make an apply slow.
constexpr size_t kMaxObjectsForClashes = 5000;
constexpr size_t kMaxWarnings = 10;

base::Result<const Json*> request_of(const Json& review) {
  const Json* request = base::find(review, "request");
  if (base::text(review, "kind") != "AdmissionReview" || !request || base::text(*request, "uid").empty())
    return base::fail(ErrorKind::Invalid, "not an AdmissionReview with a request");
  return request;
}

Json answer(const Json& review, Json response) {
  response["uid"] = review["request"]["uid"];
  std::string_view version = base::text(review, "apiVersion");
  return {{"apiVersion", version.empty() ? "admission.k8s.io/v1" : version},
          {"kind", "AdmissionReview"},
          {"response", std::move(response)}};
}

// Lines that kubectl prints after "Warning: ".
Json warnings(const std::vector<Finding>& findings) {
  Json lines = Json::array();
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::Info || lines.size() == kMaxWarnings) continue;
    std::string line = finding.object.text();
    if (!finding.path.empty()) line += ", " + finding.path;
    line += ": " + finding.message;
    if (!finding.hint.empty()) line += " (" + finding.hint + ")";
    lines.push_back(std::move(line));
  }
  return lines;
}

Json verdict_of(bool allowed, const std::vector<Finding>& findings) {
  Json out = {{"allowed", allowed}};
  if (Json lines = warnings(findings); !lines.empty()) out["warnings"] = std::move(lines);
  return out;
}

Json denial(const std::string& message, const std::vector<Finding>& findings = {}) {
  Json out = verdict_of(false, findings);
  out["status"]["message"] = message;
  return out;
}

}  // namespace

inject::Settings Webhooks::injection_settings() const {
  inject::Settings out = settings_;
  if (!ingest_.snapshot()) return out;
  const mesh::MeshConfig& mesh = ingest_.snapshot()->mesh;
  out.trust_domain = mesh.trust_domain;
  out.mesh_id = mesh.trust_domain;
  const auto* entry = ingest_.inputs().find({.kind = "ConfigMap", .ns = mesh.root_namespace, .name = "istio"});
  if (!entry) return out;
  auto documents = base::parse_yaml(base::text(entry->object->json(), "data", "mesh"));
  if (!documents || documents->size() != 1) return out;
  const Json& written = documents->front();
  if (const Json* defaults = base::find(written, "defaultConfig"); defaults && defaults->is_object()) {
    out.proxy_config = *defaults;
    if (std::string_view id = base::text(*defaults, "meshId"); !id.empty()) out.mesh_id = id;
  }
  if (const Json* merge = base::find(written, "enablePrometheusMerge"); merge && merge->is_boolean())
    out.merge_metrics = merge->get<bool>();
  return out;
}

base::Result<Json> Webhooks::inject(const Json& review) {
  const Json& request = *TRY(request_of(review));
  const Json* pod = base::find(request, "object");
  if (!pod || !pod->is_object()) return base::fail(ErrorKind::Invalid, "the review has no object");
  std::string ns(base::text(request, "namespace"));
  inject::Settings settings = injection_settings();
  inject::Verdict verdict = inject::decide(*pod, ns, settings);
  inject::Owner owner = inject::owner_of(*pod);
  std::string who = base::printable(ns + "/" + owner.name);
  if (!verdict.inject) {
    ++metrics_.injections_skipped;
    base::log::info("inject: {} is left alone: {}", who, base::printable(verdict.why));
    return answer(review, {{"allowed", true}});
  }
  auto injected = inject::into_pod(*pod, ns, owner, settings);
  if (!injected) {
    ++metrics_.injection_failures;
    base::log::warn("inject: {}: {}", who, base::printable(injected.error().message));
    return answer(review, denial("sidecar injection: " + injected.error().message));
  }
  ++metrics_.injections;
  base::log::info("inject: {} gets a sidecar: {}", who, base::printable(verdict.why));
  Json patch = inject::patch_between(*pod, *injected);
  return answer(review, {{"allowed", true}, {"patchType", "JSONPatch"}, {"patch", base::to_base64(patch.dump())}});
}

// What would be wrong in the mesh with this object in it, as far as it takes part in it.
std::vector<Finding> Webhooks::clashes(const Object& object) const {
  if (!ingest_.snapshot()) return {};
  size_t count = 0;
  for (const config::IstioKind& kind : config::istio_kinds())
    count += ingest_.inputs().table(kind.group, kind.kind).size();
  if (count > kMaxObjectsForClashes) return {};
  mesh::Inputs with = ingest_.inputs();
  Object changed = object;  // an update still has the stored object's version, which would make it the same
  changed.json()["metadata"].erase("resourceVersion");
  with.put(std::move(changed));
  auto snapshot = mesh::Snapshot::build(with, ingest_.snapshot().get());
  std::vector<Finding> out;
  objects::Ref ref = object.ref();
  std::string name = ref.text();
  for (Finding& finding : mesh::analyze(with, *snapshot))
    if (finding.object == ref || finding.message.find(name) != std::string::npos) out.push_back(std::move(finding));
  return out;
}

base::Result<Json> Webhooks::validate(const Json& review, Caller caller) {
  const Json& request = *TRY(request_of(review));
  const Json* document = base::find(request, "object");
  if (!document || !document->is_object()) return answer(review, {{"allowed", true}});  // a deletion
  if (const Json* metadata = base::find(*document, "metadata"); !metadata || !metadata->is_object())
    return base::fail(ErrorKind::Invalid, "the review's object has no metadata");
  Object object(*document);
  if (object.ns().empty()) object.json()["metadata"]["namespace"] = base::text(request, "namespace");
  std::vector<Finding> findings = config::validate(object);
  std::string message = config::admission_message(findings);
  if (!message.empty()) {
    ++metrics_.validations_failed;
    base::log::info("validate: {} is denied: {}", base::printable(object.ref().text()), base::printable(message));
    return answer(review, denial(message, findings));  // in Istio's words; the warnings say where
  }
  ++metrics_.validations_passed;
  if (caller == Caller::ApiServer)
    for (Finding& finding : clashes(object)) findings.push_back(std::move(finding));
  return answer(review, verdict_of(true, findings));
}

}  // namespace control
