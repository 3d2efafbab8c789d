// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "inject/inject.h"

namespace inject {

namespace {

// "backup-28012345" of Job: a CronJob's name and the minute it was due.
std::optional<std::string_view> cron_job_of(std::string_view job) {
  size_t dash = job.rfind('-');
  if (dash == job.npos || dash == 0) return std::nullopt;
  std::string_view digits = job.substr(dash + 1);
  bool is_time = digits.size() >= 8 && digits.size() <= 10 &&
                 std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  return is_time ? std::optional(job.substr(0, dash)) : std::nullopt;
}

}  // namespace

Owner owner_of(const Json& pod) {
  if (const Json* owners = base::find(pod, "metadata", "ownerReferences"); owners && owners->is_array())
    for (const Json& owner : *owners) {
      const Json* controller = base::find(owner, "controller");
      if (!controller || !controller->is_boolean() || !controller->get<bool>()) continue;
      Owner out{std::string(base::text(owner, "apiVersion")), std::string(base::text(owner, "kind")),
                std::string(base::text(owner, "name"))};
      std::string_view hash = base::text(pod, "metadata", "labels", "pod-template-hash");
      if (out.kind == "ReplicaSet" && !hash.empty() && out.name.ends_with("-" + std::string(hash))) {
        out.kind = "Deployment";
        out.name.resize(out.name.size() - hash.size() - 1);
      } else if (out.kind == "Job") {
        if (auto name = cron_job_of(out.name)) out = {"batch/v1", "CronJob", std::string(*name)};
      }
      return out;
    }
  Owner out{.name = std::string(base::text(pod, "metadata", "name"))};
  if (out.name.empty()) {
    out.name = base::text(pod, "metadata", "generateName");
    while (out.name.ends_with('-')) out.name.pop_back();
  }
  return out;
}

std::string Owner::path(std::string_view ns) const {
  return "kubernetes://apis/" + api_version + "/namespaces/" + std::string(ns) + "/" + base::to_lower(kind) + "s/" +
         name;
}

}  // namespace inject
