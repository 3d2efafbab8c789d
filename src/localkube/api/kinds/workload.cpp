// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"
#include "localkube/api/kinds/pod.h"

namespace localkube {

namespace {

constexpr const char* kQuarter = "25%";

Json& pod_spec(Json& workload) { return workload["spec"]["template"]["spec"]; }

const Json& pod_spec(const Json& workload) {
  static const Json none = Json::object();
  const Json* spec = base::find(workload, "spec", "template", "spec");
  return spec ? *spec : none;
}

bool selects(const Json& selector, const Json* labels) {
  const Json* wanted = base::find(selector, "matchLabels");
  if (!wanted || !wanted->is_object()) return true;
  for (const auto& [key, value] : wanted->items()) {
    const Json* has = labels ? base::find(*labels, key) : nullptr;
    if (!has || *has != value) return false;
  }
  return true;
}

void no_status(Json& object) { object["status"] = Json::object(); }

void zero_replicas(Json& object) { object["status"] = {{"replicas", 0}}; }

void deployment_defaults(Json& object) {
  Json& spec = object["spec"];
  set_default(spec, "replicas", 1);
  set_default(spec, "revisionHistoryLimit", 10);
  set_default(spec, "progressDeadlineSeconds", 600);
  Json& strategy = spec["strategy"];
  if (!strategy.is_object()) strategy = Json::object();
  set_default(strategy, "type", "RollingUpdate");
  if (strategy["type"] == "RollingUpdate") {
    Json& rolling = strategy["rollingUpdate"];
    if (!rolling.is_object()) rolling = Json::object();
    set_default(rolling, "maxUnavailable", kQuarter);
    set_default(rolling, "maxSurge", kQuarter);
  }
  default_pod_spec(pod_spec(object));
}

void replica_set_defaults(Json& object) {
  set_default(object["spec"], "replicas", 1);
  default_pod_spec(pod_spec(object));
}

void daemon_set_defaults(Json& object) {
  Json& spec = object["spec"];
  set_default(spec, "revisionHistoryLimit", 10);
  Json& strategy = spec["updateStrategy"];
  if (!strategy.is_object()) strategy = Json::object();
  set_default(strategy, "type", "RollingUpdate");
  if (strategy["type"] == "RollingUpdate") {
    Json& rolling = strategy["rollingUpdate"];
    if (!rolling.is_object()) rolling = Json::object();
    set_default(rolling, "maxUnavailable", 1);
    set_default(rolling, "maxSurge", 0);
  }
  default_pod_spec(pod_spec(object));
}

void daemon_set_status(Json& object) {
  object["status"] = {
      {"currentNumberScheduled", 0}, {"numberMisscheduled", 0}, {"desiredNumberScheduled", 0}, {"numberReady", 0}};
}

void stateful_set_defaults(Json& object) {
  Json& spec = object["spec"];
  set_default(spec, "replicas", 1);
  set_default(spec, "revisionHistoryLimit", 10);
  set_default(spec, "podManagementPolicy", "OrderedReady");
  Json& strategy = spec["updateStrategy"];
  if (!strategy.is_object()) strategy = Json::object();
  set_default(strategy, "type", "RollingUpdate");
  if (strategy["type"] == "RollingUpdate" && !strategy.contains("rollingUpdate"))
    strategy["rollingUpdate"] = {{"partition", 0}};
  default_pod_spec(pod_spec(object));
}

void job_defaults(Json& object) {
  Json& spec = object["spec"];
  bool neither = !spec.contains("completions") && !spec.contains("parallelism");
  if (neither) spec["completions"] = 1;
  set_default(spec, "parallelism", 1);
  set_default(spec, "backoffLimit", 6);
  set_default(spec, "completionMode", "NonIndexed");
  set_default(spec, "suspend", false);
  set_default(spec, "manualSelector", false);
  set_default(spec, "podReplacementPolicy", "TerminatingOrFailed");
  default_pod_spec(pod_spec(object));
}

// A job selects its pods by its own uid.
void job_prepare(Json& object) {
  no_status(object);
  Json& spec = object["spec"];
  if (truth(spec, "manualSelector")) return;
  std::string uid = string_at(object, "metadata", "uid"), name = string_at(object, "metadata", "name");
  const Json labels = {{"batch.kubernetes.io/controller-uid", uid},
                       {"batch.kubernetes.io/job-name", name},
                       {"controller-uid", uid},
                       {"job-name", name}};
  spec["selector"] = {{"matchLabels", {{"batch.kubernetes.io/controller-uid", uid}}}};
  for (Json* metadata : {&object["metadata"], &spec["template"]["metadata"]}) {
    Json& to = (*metadata)["labels"];
    if (!to.is_object()) to = Json::object();
    to.update(labels);
  }
}

void validate_job(const Json& object, Problems& problems) {
  validate_pod_spec(pod_spec(object), "spec.template.spec", problems);
  std::string policy = string_at(pod_spec(object), "restartPolicy");
  if (policy == "Always")
    problems.not_supported("spec.template.spec.restartPolicy", in_quotes(policy), {"OnFailure", "Never"});
}

void cron_job_defaults(Json& object) {
  Json& spec = object["spec"];
  set_default(spec, "concurrencyPolicy", "Allow");
  set_default(spec, "suspend", false);
  set_default(spec, "successfulJobsHistoryLimit", 3);
  set_default(spec, "failedJobsHistoryLimit", 1);
  default_pod_spec(spec["jobTemplate"]["spec"]["template"]["spec"]);
}

void validate_workload(const Json& object, Problems& problems) {
  if (int64_t replicas = number(object, "spec", "replicas"); replicas < 0)
    problems.invalid("spec.replicas", std::to_string(replicas), "must be greater than or equal to 0");
  const Json* selector = base::find(object, "spec", "selector");
  const Json* labels = base::find(object, "spec", "template", "metadata", "labels");
  if (!selector || !selector->is_object()) {
    problems.required("spec.selector");
  } else if (selector->empty()) {
    problems.invalid("spec.selector",
                     "v1.LabelSelector{MatchLabels:map[string]string(nil), "
                     "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}",
                     "empty selector is invalid for deployment");
  } else if (!selects(*selector, labels)) {
    problems.invalid("spec.template.metadata.labels", labels ? Problems::text(*labels) : "map[string]string(nil)",
                     "`selector` does not match template `labels`");
  }
  validate_pod_spec(pod_spec(object), "spec.template.spec", problems);
  std::string policy = string_at(pod_spec(object), "restartPolicy");
  if (!policy.empty() && policy != "Always" && (policy == "OnFailure" || policy == "Never"))
    problems.not_supported("spec.template.spec.restartPolicy", in_quotes(policy), {"Always"});
}

void selector_stays(const Json& object, const Json& old, Problems& problems) {
  const Json* before = base::find(old, "spec", "selector");
  const Json* after = base::find(object, "spec", "selector");
  if (!before || !after || *before == *after) return;
  const Json* labels = base::find(*after, "matchLabels");
  problems.invalid("spec.selector",
                   "v1.LabelSelector{MatchLabels:" + (labels ? Problems::text(*labels) : "map[string]string(nil)") +
                       ", MatchExpressions:[]v1.LabelSelectorRequirement(nil)}",
                   "field is immutable");
}

std::string of(int64_t part, int64_t whole) { return std::to_string(part) + "/" + std::to_string(whole); }

std::vector<Json> deployment_cells(const Json& d) {
  return {of(number(d, "status", "readyReplicas"), number(d, "spec", "replicas")),
          std::to_string(number(d, "status", "updatedReplicas")),
          std::to_string(number(d, "status", "availableReplicas")),
          age_of(d),
          container_names(pod_spec(d)),
          container_images(pod_spec(d)),
          selector_text(base::find(d, "spec", "selector"))};
}

std::vector<Json> replica_set_cells(const Json& r) {
  return {number(r, "spec", "replicas"),
          number(r, "status", "replicas"),
          number(r, "status", "readyReplicas"),
          age_of(r),
          container_names(pod_spec(r)),
          container_images(pod_spec(r)),
          selector_text(base::find(r, "spec", "selector"))};
}

std::vector<Json> daemon_set_cells(const Json& d) {
  return {number(d, "status", "desiredNumberScheduled"),
          number(d, "status", "currentNumberScheduled"),
          number(d, "status", "numberReady"),
          number(d, "status", "updatedNumberScheduled"),
          number(d, "status", "numberAvailable"),
          labels_text(base::find(pod_spec(d), "nodeSelector")),
          age_of(d),
          container_names(pod_spec(d)),
          container_images(pod_spec(d)),
          selector_text(base::find(d, "spec", "selector"))};
}

std::vector<Json> stateful_set_cells(const Json& s) {
  return {of(number(s, "status", "readyReplicas"), number(s, "spec", "replicas")), age_of(s),
          container_names(pod_spec(s)), container_images(pod_spec(s))};
}

std::vector<Json> job_cells(const Json& job) {
  std::string status = "Running";
  for (const Json& condition : items(job, "status", "conditions"))
    if (base::text(condition, "status") == "True") {
      std::string type = string_at(condition, "type");
      if (type == "Complete" || type == "Failed" || type == "Suspended") status = type;
    }
  auto start = parse_time(base::text(job, "status", "startTime"));
  auto end = parse_time(base::text(job, "status", "completionTime"));
  std::string duration;
  if (start) duration = end ? duration_text(*end - *start) : age_text(base::text(job, "status", "startTime"));
  return {status,
          of(number(job, "status", "succeeded"), number(job, "spec", "completions")),
          duration,
          age_of(job),
          container_names(pod_spec(job)),
          container_images(pod_spec(job)),
          selector_text(base::find(job, "spec", "selector"))};
}

std::vector<Json> cron_job_cells(const Json& job) {
  static const Json none = Json::object();
  const Json* found = base::find(job, "spec", "jobTemplate", "spec", "template", "spec");
  const Json& spec = found ? *found : none;
  std::string zone = string_at(job, "spec", "timeZone"), last = string_at(job, "status", "lastScheduleTime");
  return {string_at(job, "spec", "schedule"),
          zone.empty() ? "<none>" : zone,
          truth(job, "spec", "suspend"),
          items(job, "status", "active").size(),
          last.empty() ? "<none>" : age_text(last),
          age_of(job),
          container_names(spec),
          container_images(spec),
          selector_text(base::find(job, "spec", "jobTemplate", "spec", "selector"))};
}

const std::vector<Column> kWide = {
    {"Containers", "string", "", 1}, {"Images", "string", "", 1}, {"Selector", "string", "", 1}};

std::vector<Column> columns(std::vector<Column> first, size_t wide) {
  first.insert(first.end(), kWide.begin(), kWide.begin() + static_cast<ptrdiff_t>(wide));
  return first;
}

KindRow apps(std::string kind, std::string singular, std::vector<std::string> short_names) {
  return {.group = "apps",
          .versions = {"v1"},
          .kind = std::move(kind),
          .plural = singular + "s",
          .singular = singular,
          .short_names = std::move(short_names),
          .categories = {"all"},
          .has_status = true,
          .counts_generations = true};
}

}  // namespace

std::vector<KindRow> workload_kinds() {
  KindRow deployment = apps("Deployment", "deployment", {"deploy"});
  deployment.has_scale = true;
  deployment.columns = columns({{"Ready"}, {"Up-to-date"}, {"Available"}, {"Age"}}, 3);
  deployment.rules = {.defaults = deployment_defaults,
                      .prepare_create = no_status,
                      .validate = validate_workload,
                      .validate_update = selector_stays,
                      .cells = deployment_cells};

  KindRow replica_set = apps("ReplicaSet", "replicaset", {"rs"});
  replica_set.has_scale = true;
  replica_set.columns = columns({{"Desired", "integer"}, {"Current", "integer"}, {"Ready", "integer"}, {"Age"}}, 3);
  replica_set.rules = {.defaults = replica_set_defaults,
                       .prepare_create = zero_replicas,
                       .validate = validate_workload,
                       .validate_update = selector_stays,
                       .cells = replica_set_cells,
                       .selectable = {"status.replicas"}};

  KindRow daemon_set = apps("DaemonSet", "daemonset", {"ds"});
  daemon_set.columns = columns({{"Desired", "integer"},
                                {"Current", "integer"},
                                {"Ready", "integer"},
                                {"Up-to-date", "integer"},
                                {"Available", "integer"},
                                {"Node Selector"},
                                {"Age"}},
                               3);
  daemon_set.rules = {.defaults = daemon_set_defaults,
                      .prepare_create = daemon_set_status,
                      .validate = validate_workload,
                      .validate_update = selector_stays,
                      .cells = daemon_set_cells};

  KindRow stateful_set = apps("StatefulSet", "statefulset", {"sts"});
  stateful_set.has_scale = true;
  stateful_set.columns = columns({{"Ready"}, {"Age"}}, 2);
  stateful_set.rules = {.defaults = stateful_set_defaults,
                        .prepare_create = zero_replicas,
                        .validate = validate_workload,
                        .validate_update = selector_stays,
                        .cells = stateful_set_cells};

  KindRow job = apps("Job", "job", {});
  job.group = "batch";
  job.columns = columns({{"Status"}, {"Completions"}, {"Duration"}, {"Age"}}, 3);
  job.rules = {.defaults = job_defaults,
               .prepare_create = job_prepare,
               .validate = validate_job,
               .validate_update = selector_stays,
               .cells = job_cells,
               .selectable = {"status.successful"}};

  KindRow cron_job = apps("CronJob", "cronjob", {"cj"});
  cron_job.group = "batch";
  cron_job.columns = columns(
      {{"Schedule"}, {"Timezone"}, {"Suspend", "boolean"}, {"Active", "integer"}, {"Last Schedule"}, {"Age"}}, 3);
  cron_job.rules = {.defaults = cron_job_defaults, .prepare_create = no_status, .cells = cron_job_cells};

  for (KindRow* row : {&daemon_set, &stateful_set, &cron_job, &job}) row->idle = true;
  return {daemon_set, deployment, replica_set, stateful_set, cron_job, job};
}

}  // namespace localkube
