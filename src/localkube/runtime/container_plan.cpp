// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/container_plan.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/strings.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"
#include "localkube/runtime/sandbox.h"

namespace localkube {
namespace {

using Fault = std::unexpected<PlanError>;

Fault config_fault(std::string message) {
  return Fault(PlanError{.reason = "CreateContainerConfigError", .message = std::move(message)});
}

std::vector<std::string> words(const base::Json& container, const char* key, const std::vector<std::string>& env) {
  std::vector<std::string> out;
  for (const base::Json& word : items(container, key))
    if (word.is_string()) out.push_back(expand(word.get<std::string>(), env));
  return out;
}

// The container's own setting, else the pod's.
int64_t context_number(const PlanOrder& order, const char* key, int64_t otherwise) {
  int64_t of_pod = number_or(order.facts.pod.spec(), otherwise, "securityContext", key);
  return number_or(order.container, of_pod, "securityContext", key);
}

bool must_not_be_root(const PlanOrder& order) {
  for (const base::Json* context :
       {base::find(order.container, "securityContext"), base::find(order.facts.pod.spec(), "securityContext")})
    if (context)
      if (const base::Json* said = base::find(*context, "runAsNonRoot"); said && said->is_boolean())
        return said->get<bool>();
  return false;
}

std::expected<void, PlanError> decide_rights(const PlanOrder& order, ContainerSpec& spec) {
  spec.uid = static_cast<uint32_t>(context_number(order, "runAsUser", 0));
  spec.gid = static_cast<uint32_t>(context_number(order, "runAsGroup", 0));
  if (int64_t group = number_or(order.facts.pod.spec(), -1, "securityContext", "fsGroup"); group >= 0)
    spec.groups.push_back(static_cast<uint32_t>(group));
  for (const base::Json& group : items(order.facts.pod.spec(), "securityContext", "supplementalGroups"))
    if (group.is_number()) spec.groups.push_back(group.get<uint32_t>());
  if (spec.uid == 0 && must_not_be_root(order))
    return config_fault("container has runAsNonRoot and image will run as root (pod: \"" +
                        std::string(order.facts.pod.name()) + "_" + std::string(order.facts.pod.ns()) + "(" +
                        std::string(order.facts.pod.uid()) + ")\", container: " + spec.name + ")");
  const base::Json& context = fields(order.container, "securityContext");
  if (truth(context, "privileged")) return config_fault("privileged containers are not run on this machine");
  spec.read_only_root = truth(context, "readOnlyRootFilesystem");
  for (const base::Json& capability : items(context, "capabilities", "add")) {
    std::string name = capability.is_string() ? capability.get<std::string>() : "";
    if (!capability_number(name)) return config_fault("capability " + name + " is not granted on this machine");
    spec.capabilities.push_back(name);
  }
  return {};
}

std::string hosts_file(const PodFacts& facts, const std::string& hostname) {
  std::string subdomain = string_at(facts.pod.spec(), "subdomain");
  std::string own = subdomain.empty() ? hostname
                                      : hostname + "." + subdomain + "." + std::string(facts.pod.ns()) +
                                            ".svc.cluster.local\t" + hostname;
  std::string out =
      "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
      facts.pod_ip + "\t" + own + "\n";
  for (const base::Json& alias : items(facts.pod.spec(), "hostAliases")) {
    out += string_at(alias, "ip");
    for (const base::Json& name : items(alias, "hostnames"))
      if (name.is_string()) out += "\t" + name.get<std::string>();
    out += "\n";
  }
  return out;
}

std::string resolv_conf(const PodFacts& facts) {
  const base::Json& spec = facts.pod.spec();
  std::string out, search, options = "ndots:5";
  if (base::text(spec, "dnsPolicy") != "None") {
    out = std::string("nameserver ") + kDnsAddress + "\n";
    search = std::string(facts.pod.ns()) + ".svc.cluster.local svc.cluster.local cluster.local";
  } else {
    options.clear();
  }
  for (const base::Json& server : items(spec, "dnsConfig", "nameservers"))
    if (server.is_string()) out += "nameserver " + server.get<std::string>() + "\n";
  for (const base::Json& domain : items(spec, "dnsConfig", "searches"))
    if (domain.is_string()) search += (search.empty() ? "" : " ") + domain.get<std::string>();
  for (const base::Json& option : items(spec, "dnsConfig", "options")) {
    std::string value = string_at(option, "value");
    options += (options.empty() ? "" : " ") + string_at(option, "name") + (value.empty() ? "" : ":" + value);
  }
  if (!search.empty()) out += "search " + search + "\n";
  return options.empty() ? out : out + "options " + options + "\n";
}

std::expected<void, PlanError> place_volumes(const PlanOrder& order, ContainerSpec& spec) {
  std::set<std::string> content, known;
  for (const base::Json& volume : items(order.facts.pod.spec(), "volumes")) {
    known.insert(string_at(volume, "name"));
    if (!base::find(volume, "emptyDir")) content.insert(string_at(volume, "name"));  // written by the node alone
  }
  for (const base::Json& mount : items(order.container, "volumeMounts")) {
    std::string name = string_at(mount, "name");
    if (!known.contains(name)) return config_fault("volume \"" + name + "\" is not one of the pod's");
    std::string sub_path = string_at(mount, "subPath");
    if (std::string expression = string_at(mount, "subPathExpr"); !expression.empty())
      sub_path = expand(expression, spec.env);
    if (sub_path.find("..") != sub_path.npos || sub_path.starts_with('/'))
      return config_fault("invalid subPath " + sub_path);
    spec.mounts.push_back({.source = order.volumes.path(name),
                           .sub_path = sub_path,
                           .made = !content.contains(name),
                           .target = string_at(mount, "mountPath"),
                           .read_only = truth(mount, "readOnly") || content.contains(name)});
  }
  // A mount below another one comes after it.
  std::stable_sort(spec.mounts.begin(), spec.mounts.end(),
                   [](const auto& a, const auto& b) { return a.target < b.target; });
  return {};
}

base::Result<void> make_files(const PlanOrder& order, ContainerSpec& spec) {
  std::string own = pod_directory(order.facts.pod.uid()) + "/containers/" + spec.name;
  TRY(make_directory(own));
  TRY(make_directory(std::filesystem::path(spec.log).parent_path()));
  spec.message_path = string_at(order.container, "terminationMessagePath");
  if (spec.message_path.empty()) spec.message_path = "/dev/termination-log";
  spec.message_file = own + "/message";
  return write_file(spec.message_file, "", 0666);
}

}  // namespace

std::string log_directory(const objects::Object& pod) {
  return "logs/pods/" + std::string(pod.ns()) + "_" + std::string(pod.name()) + "_" + std::string(pod.uid());
}

std::string log_path(const objects::Object& pod, std::string_view container, int attempt) {
  return log_directory(pod) + "/" + std::string(container) + "/" + std::to_string(attempt) + ".log";
}

std::expected<ContainerSpec, PlanError> plan_container(Node& node, const PlanOrder& order) {
  const base::Json& container = order.container;
  auto image = node.images.find(base::text(container, "image"));
  if (!image) return Fault(PlanError{.reason = "ErrImagePull", .message = image.error().message});
  ContainerSpec spec{.name = string_at(container, "name"), .attempt = order.attempt};
  auto env = environment_of(node.api, {.facts = order.facts, .container = container, .image_env = image->env});
  if (!env) return config_fault(env.error().message);
  spec.env = std::move(*env);
  TRY(decide_rights(order, spec));
  if (std::none_of(spec.env.begin(), spec.env.end(), [](const std::string& v) { return v.starts_with("HOME="); }))
    spec.env.push_back(spec.uid == 0 ? "HOME=/root" : "HOME=/");
  auto command = words(container, "command", spec.env), args = words(container, "args", spec.env);
  spec.argv = command.empty() ? image->entrypoint : command;
  const auto& rest = !args.empty() || !command.empty() ? args : image->arguments;
  spec.argv.insert(spec.argv.end(), rest.begin(), rest.end());
  spec.working_dir = string_at(container, "workingDir");
  if (spec.working_dir.empty()) spec.working_dir = image->working_dir;
  spec.tty = truth(container, "tty");
  spec.in = truth(container, "stdin");
  spec.in_once = truth(container, "stdinOnce");
  spec.programs = node.programs;
  spec.staging = pod_directory(order.facts.pod.uid()) + "/root";
  spec.log = log_path(order.facts.pod, spec.name, order.attempt);
  std::string hostname = string_at(order.facts.pod.spec(), "hostname");
  if (hostname.empty()) hostname = order.facts.pod.name().substr(0, 63);
  spec.files = {{"hosts", hosts_file(order.facts, hostname)},
                {"resolv.conf", resolv_conf(order.facts)},
                {"hostname", hostname + "\n"}};
  TRY(place_volumes(order, spec));
  if (auto made = make_files(order, spec); !made)
    return Fault(PlanError{.reason = "CreateContainerError", .message = made.error().message});
  return spec;
}

}  // namespace localkube
