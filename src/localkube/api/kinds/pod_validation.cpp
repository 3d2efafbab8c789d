// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/pod.h"
#include "localkube/api/metadata.h"
#include "net/address.h"

namespace localkube {

namespace {

constexpr int64_t kHighestId = 2147483647;

// A name that becomes part of paths, so nothing but a DNS label will do.
void check_label(const std::string& name, const std::string& at, Problems& problems) {
  if (name.empty()) return problems.required(at);
  if (std::string fault = name_fault(NameRule::Label, name); !fault.empty())
    problems.invalid(at, in_quotes(name), fault);
}

void check_range(const Json& object, const char* key, int64_t low, int64_t high, const std::string& path,
                 Problems& problems) {
  const Json* value = base::find(object, key);
  if (!value || value->is_null()) return;
  int64_t is = number(object, key);
  if (is < low || is > high)
    problems.invalid(path + "." + key, std::to_string(is),
                     "must be between " + std::to_string(low) + " and " + std::to_string(high) + ", inclusive");
}

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void check_security_context(const Json& owner, const std::string& path, Problems& problems) {
  const Json* context = base::find(owner, "securityContext");
  if (!context || !context->is_object()) return;
  std::string at = path + ".securityContext";
  for (const char* key : {"runAsUser", "runAsGroup", "fsGroup"})
    check_range(*context, key, 0, kHighestId, at, problems);
  for (const Json& group : items(*context, "supplementalGroups"))
    if (!group.is_number_integer() || group.get<int64_t>() < 0 || group.get<int64_t>() > kHighestId)
      problems.invalid(at + ".supplementalGroups", Problems::text(group),
                       "must be between 0 and 2147483647, inclusive");
  if (truth(*context, "privileged"))
    problems.forbidden(at + ".privileged", "this machine runs no privileged containers");
  if (!items(*context, "sysctls").empty())
    problems.forbidden(at + ".sysctls", "this machine sets no sysctls for a pod");
}

void check_port(const Json& action, const std::string& at, Problems& problems) {
  const Json* port = base::find(action, "port");
  if (port && port->is_number_integer() && (port->get<int64_t>() < 1 || port->get<int64_t>() > 65535))
    problems.invalid(at + ".port", port->dump(), "must be between 1 and 65535, inclusive");
}

void check_probe(const Json& container, const char* name, const std::string& path, Problems& problems) {
  const Json* probe = base::find(container, name);
  if (!probe || !probe->is_object()) return;
  std::string at = path + "." + name;
  int handlers = 0;
  for (const char* handler : {"exec", "httpGet", "tcpSocket", "grpc"})
    if (const Json* action = base::find(*probe, handler); action && action->is_object()) {
      ++handlers;
      check_port(*action, at + "." + handler, problems);
      if (!printable(base::text(*action, "path")))
        problems.invalid(at + "." + handler + ".path", Problems::text((*action)["path"]),
                         "must not have control characters");
    }
  if (handlers == 0) problems.required(at, "must specify a handler type");
  if (handlers > 1) problems.forbidden(at, "may not specify more than 1 handler type");
  check_range(*probe, "initialDelaySeconds", 0, kHighestId, at, problems);
  for (const char* key : {"timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    check_range(*probe, key, 1, kHighestId, at, problems);
  if (std::string_view(name) != "readinessProbe" && number(*probe, "successThreshold") > 1)
    problems.invalid(at + ".successThreshold", std::to_string(number(*probe, "successThreshold")), "must be 1");
}

void check_mounts(const Json& container, const std::set<std::string>& volumes, const std::string& path,
                  Problems& problems) {
  size_t m = 0;
  std::set<std::string> paths;
  for (const Json& mount : items(container, "volumeMounts")) {
    std::string at = path + ".volumeMounts[" + std::to_string(m++) + "]";
    std::string volume = string_at(mount, "name"), target = string_at(mount, "mountPath"),
                sub = string_at(mount, "subPath");
    if (volume.empty())
      problems.required(at + ".name");
    else if (!volumes.contains(volume))
      problems.not_found(at + ".name", in_quotes(volume));
    if (target.empty())
      problems.required(at + ".mountPath");
    else if (!paths.insert(target).second)
      problems.invalid(at + ".mountPath", in_quotes(target), "must be unique");
    else if (target.find(':') != target.npos)
      problems.invalid(at + ".mountPath", in_quotes(target), "must not contain ':'");
    if (sub.starts_with('/')) problems.invalid(at + ".subPath", in_quotes(sub), "must be a relative path");
    for (std::string_view step : base::split(sub, '/'))
      if (step == "..") problems.invalid(at + ".subPath", in_quotes(sub), "must not contain '..'");
  }
}

void check_container(const Json& container, const std::string& path, Problems& problems) {
  if (base::text(container, "image").empty())
    problems.required(path + ".image");
  else if (!printable(base::text(container, "image")))
    problems.invalid(path + ".image", Problems::text(container["image"]), "must not have control characters");
  size_t p = 0;
  for (const Json& port : items(container, "ports")) {
    std::string at = path + ".ports[" + std::to_string(p++) + "]";
    if (number(port, "containerPort") == 0)
      problems.required(at + ".containerPort");
    else
      check_range(port, "containerPort", 1, 65535, at, problems);
    check_range(port, "hostPort", 0, 65535, at, problems);
  }
  size_t e = 0;
  for (const Json& variable : items(container, "env")) {
    std::string at = path + ".env[" + std::to_string(e++) + "].name", name = string_at(variable, "name");
    if (name.empty())
      problems.required(at);
    else if (name.find('=') != name.npos || !printable(name))
      problems.invalid(
          at, Problems::text(variable["name"]),
          "a valid environment variable name must consist only of printable ASCII characters other than '='");
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    check_probe(container, probe, path, problems);
  check_security_context(container, path, problems);
  std::string policy = string_at(container, "imagePullPolicy");
  if (!policy.empty() && policy != "Always" && policy != "IfNotPresent" && policy != "Never")
    problems.not_supported(path + ".imagePullPolicy", in_quotes(policy), {"Always", "IfNotPresent", "Never"});
}

void check_containers(const Json& spec, const char* list, const std::string& path, std::set<std::string>& names,
                      const std::set<std::string>& volumes, Problems& problems) {
  size_t i = 0;
  for (const Json& container : items(spec, list)) {
    std::string here = path + "." + list + "[" + std::to_string(i++) + "]";
    std::string name = string_at(container, "name");
    check_label(name, here + ".name", problems);
    if (!name.empty() && !names.insert(name).second) problems.duplicate(here + ".name", in_quotes(name));
    check_mounts(container, volumes, here, problems);
    check_container(container, here, problems);
  }
}

// Where a file lies in its volume, whose own names begin with "..".
void check_file_path(const std::string& path, const std::string& at, Problems& problems) {
  auto steps = base::split(path, '/');
  if (path.empty())
    problems.required(at);
  else if (path.starts_with('/'))
    problems.invalid(at, in_quotes(path), "must be a relative path");
  else if (std::find(steps.begin(), steps.end(), "..") != steps.end())
    problems.invalid(at, in_quotes(path), "must not contain '..'");
  else if (path.starts_with(".."))
    problems.invalid(at, in_quotes(path), "must not start with '..'");
}

void check_files(const Json& source, const std::string& path, Problems& problems) {
  for (const char* kind : {"configMap", "secret", "downwardAPI"}) {
    size_t i = 0;
    for (const Json& item : items(source, kind, "items"))
      check_file_path(string_at(item, "path"), path + "." + kind + ".items[" + std::to_string(i++) + "].path",
                      problems);
  }
  if (base::find(source, "serviceAccountToken"))
    check_file_path(string_at(source, "serviceAccountToken", "path"), path + ".serviceAccountToken.path", problems);
}

std::set<std::string> check_volumes(const Json& spec, const std::string& path, Problems& problems) {
  std::set<std::string> names;
  size_t i = 0;
  for (const Json& volume : items(spec, "volumes")) {
    std::string at = path + ".volumes[" + std::to_string(i++) + "]", name = string_at(volume, "name");
    check_label(name, at + ".name", problems);
    if (!name.empty() && !names.insert(name).second) problems.duplicate(at + ".name", in_quotes(name));
    check_files(volume, at, problems);
    size_t s = 0;
    for (const Json& source : items(volume, "projected", "sources")) {
      check_files(source, at + ".projected.sources[" + std::to_string(s) + "]", problems);
      if (base::find(source, "serviceAccountToken") && base::text(spec, "serviceAccountName").empty() && path == "spec")
        problems.forbidden(at + ".projected.sources[" + std::to_string(s) + "].serviceAccountToken",
                           "must not be specified when serviceAccountName is not set");
      ++s;
    }
  }
  return names;
}

// What ends up in the pod's /etc/hosts and /etc/resolv.conf.
void check_names_and_dns(const Json& spec, const std::string& path, Problems& problems) {
  for (const char* key : {"hostname", "subdomain"})
    if (std::string name = string_at(spec, key); !name.empty()) check_label(name, path + "." + key, problems);
  auto check_domain = [&](const Json& name, const std::string& at) {
    std::string text = name.is_string() ? name.get<std::string>() : "";
    if (text.ends_with('.')) text.pop_back();
    if (std::string fault = name_fault(NameRule::Subdomain, text); !fault.empty())
      problems.invalid(at, Problems::text(name), fault);
  };
  auto check_address = [&](const std::string& text, const std::string& at) {
    if (!net::Address::parse(text, 0)) problems.invalid(at, in_quotes(text), "must be a valid IP address");
  };
  for (const Json& alias : items(spec, "hostAliases")) {
    check_address(string_at(alias, "ip"), path + ".hostAliases.ip");
    for (const Json& name : items(alias, "hostnames")) check_domain(name, path + ".hostAliases.hostnames");
  }
  for (const Json& server : items(spec, "dnsConfig", "nameservers"))
    check_address(server.is_string() ? server.get<std::string>() : "", path + ".dnsConfig.nameservers");
  for (const Json& search : items(spec, "dnsConfig", "searches")) check_domain(search, path + ".dnsConfig.searches");
  for (const Json& option : items(spec, "dnsConfig", "options"))
    if (!printable(string_at(option, "name") + string_at(option, "value")))
      problems.invalid(path + ".dnsConfig.options", Problems::text(option), "must not have control characters");
}

}  // namespace

void validate_pod_spec(const Json& spec, const std::string& path, Problems& problems) {
  std::set<std::string> volumes = check_volumes(spec, path, problems), names;
  if (items(spec, "containers").empty()) problems.required(path + ".containers");
  check_containers(spec, "containers", path, names, volumes, problems);
  check_containers(spec, "initContainers", path, names, volumes, problems);
  check_names_and_dns(spec, path, problems);
  check_security_context(spec, path, problems);
  check_range(spec, "terminationGracePeriodSeconds", 0, kHighestId, path, problems);
  for (const char* key : {"hostNetwork", "hostPID", "hostIPC"})
    if (truth(spec, key)) problems.forbidden(path + "." + key, "pods of this machine have namespaces of their own");
  if (const Json* limit = base::find(spec, "activeDeadlineSeconds"); limit && !limit->is_null())
    problems.forbidden(path + ".activeDeadlineSeconds", "this machine does not end pods by a deadline");
  std::string policy = string_at(spec, "restartPolicy");
  if (!policy.empty() && policy != "Always" && policy != "OnFailure" && policy != "Never")
    problems.not_supported(path + ".restartPolicy", in_quotes(policy), {"Always", "OnFailure", "Never"});
}

}  // namespace localkube
