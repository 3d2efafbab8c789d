// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/environment.h"

#include <cmath>

#include "base/strings.h"
#include "localkube/fields.h"

namespace localkube {
namespace {

using base::ErrorKind;

const objects::Resource kConfigMaps{"", "v1", "configmaps"};
const objects::Resource kSecrets{"", "v1", "secrets"};
const objects::Resource kServices{"", "v1", "services"};

// Variables in the order they were first set.
class Variables {
 public:
  void set(const std::string& name, const std::string& value) {
    for (std::string& variable : list)
      if (variable.starts_with(name + "=")) {
        variable = name + "=" + value;
        return;
      }
    list.push_back(name + "=" + value);
  }
  std::vector<std::string> list;
};

std::string variable_name(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '-' || c == '.' ? '_' : static_cast<char>(toupper(c));
  return out;
}

void add_service(const objects::Object& service, Variables& variables) {
  std::string ip = string_at(service.spec(), "clusterIP"), name = variable_name(service.name());
  if (ip.empty() || ip == "None") return;
  bool first = true;
  for (const base::Json& port : items(service.spec(), "ports")) {
    std::string number_text = std::to_string(number(port, "port")), label = string_at(port, "name");
    std::string protocol = string_at(port, "protocol").empty() ? "TCP" : string_at(port, "protocol");
    std::string url = base::to_lower(protocol) + "://" + ip + ":" + number_text;
    if (std::exchange(first, false)) {
      variables.set(name + "_SERVICE_HOST", ip);
      variables.set(name + "_SERVICE_PORT", number_text);
      variables.set(name + "_PORT", url);
    }
    if (!label.empty()) variables.set(name + "_SERVICE_PORT_" + variable_name(label), number_text);
    std::string prefix = name + "_PORT_" + number_text + "_" + protocol;
    variables.set(prefix, url);
    variables.set(prefix + "_PROTO", base::to_lower(protocol));
    variables.set(prefix + "_PORT", number_text);
    variables.set(prefix + "_ADDR", ip);
  }
}

void add_services(const Api& api, const objects::Object& pod, Variables& variables) {
  if (auto kubernetes = api.get(kServices, "default", "kubernetes")) add_service(*kubernetes, variables);
  const base::Json* links = base::find(pod.spec(), "enableServiceLinks");
  if (links && links->is_boolean() && !links->get<bool>()) return;
  for (const objects::Object& service : api.list(kServices, pod.ns())) add_service(service, variables);
}

// The data of a ConfigMap or Secret as texts.
std::map<std::string, std::string> data_of(const objects::Object& source, bool secret) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : fields(source.json(), "data").items()) {
    std::string text = value.is_string() ? value.get<std::string>() : "";
    out[key] = secret ? base::from_base64(text).value_or("") : text;
  }
  return out;
}

base::Result<std::optional<std::map<std::string, std::string>>> source_of(const Api& api, const objects::Object& pod,
                                                                          const base::Json& reference, bool secret) {
  std::string name = string_at(reference, "name");
  auto found = api.get(secret ? kSecrets : kConfigMaps, pod.ns(), name);
  if (found) return data_of(*found, secret);
  if (truth(reference, "optional")) return std::nullopt;
  return base::fail(ErrorKind::NotFound, std::string(secret ? "secret" : "configmap") + " \"" + name + "\" not found");
}

base::Result<void> add_from(const Api& api, const EnvironmentOrder& order, const base::Json& from,
                            Variables& variables) {
  for (const char* kind : {"configMapRef", "secretRef"}) {
    const base::Json* reference = base::find(from, kind);
    if (!reference) continue;
    auto data = TRY(source_of(api, order.facts.pod, *reference, std::string_view(kind) == "secretRef"));
    if (!data) continue;
    for (const auto& [key, value] : *data) variables.set(string_at(from, "prefix") + key, value);
  }
  return {};
}

base::Result<std::optional<std::string>> key_value(const Api& api, const objects::Object& pod,
                                                   const base::Json& reference, bool secret) {
  auto data = TRY(source_of(api, pod, reference, secret));
  if (!data) return std::nullopt;
  std::string key = string_at(reference, "key");
  auto found = data->find(key);
  if (found != data->end()) return found->second;
  if (truth(reference, "optional")) return std::nullopt;
  return base::fail(ErrorKind::NotFound, "couldn't find key " + key + " in " + (secret ? "Secret " : "ConfigMap ") +
                                             std::string(pod.ns()) + "/" + string_at(reference, "name"));
}

base::Result<std::optional<std::string>> value_from(const Api& api, const EnvironmentOrder& order,
                                                    const base::Json& source) {
  const PodFacts& facts = order.facts;
  if (const base::Json* field = base::find(source, "fieldRef"))
    return std::optional(TRY(field_value(facts, base::text(*field, "fieldPath"))));
  if (const base::Json* resource = base::find(source, "resourceFieldRef"))
    return std::optional(TRY(resource_value(facts, order.container, *resource)));
  if (const base::Json* key = base::find(source, "configMapKeyRef")) return key_value(api, facts.pod, *key, false);
  if (const base::Json* key = base::find(source, "secretKeyRef")) return key_value(api, facts.pod, *key, true);
  return std::nullopt;
}

}  // namespace

std::string expand(std::string_view text, const std::vector<std::string>& env) {
  std::string out;
  while (!text.empty() && out.size() <= kLongestVariable) {
    size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == text.npos) break;
    text.remove_prefix(dollar);
    if (text.starts_with("$$")) {
      out += '$';
      text.remove_prefix(2);
      continue;
    }
    size_t close = text.starts_with("$(") ? text.find(')') : text.npos;
    std::string name(close == text.npos ? "" : text.substr(2, close - 2));
    const std::string* found = nullptr;
    for (const std::string& variable : env)
      if (!name.empty() && variable.starts_with(name + "=")) found = &variable;
    if (close == text.npos) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    out += found ? std::string_view(*found).substr(name.size() + 1) : text.substr(0, close + 1);
    text.remove_prefix(close + 1);
  }
  return out;
}

std::optional<int64_t> milli_quantity(std::string_view text) {
  size_t digits = text.find_first_not_of("0123456789.+-eE");
  // An exponent's E is told from exa by what follows.
  if (digits == text.npos && !text.empty() && text.back() == 'E') digits = text.size() - 1;
  std::string_view unit = digits == text.npos ? std::string_view() : text.substr(digits);
  double value = 0;
  std::string_view amount = text.substr(0, digits);
  auto [end, error] = std::from_chars(amount.data(), amount.data() + amount.size(), value);
  if (error != std::errc{} || end != amount.data() + amount.size()) return std::nullopt;
  static constexpr std::pair<std::string_view, double> kUnits[] = {{"", 1e3},
                                                                   {"m", 1},
                                                                   {"k", 1e6},
                                                                   {"M", 1e9},
                                                                   {"G", 1e12},
                                                                   {"T", 1e15},
                                                                   {"P", 1e18},
                                                                   {"Ki", 1024e3},
                                                                   {"Mi", 1048576e3},
                                                                   {"Gi", 1073741824e3},
                                                                   {"Ti", 1099511627776e3},
                                                                   {"u", 1e-3},
                                                                   {"n", 1e-6}};
  for (const auto& [name, factor] : kUnits)
    if (name == unit) return static_cast<int64_t>(std::ceil(value * factor));
  return std::nullopt;
}

base::Result<std::string> field_value(const PodFacts& facts, std::string_view path) {
  const base::Json& pod = facts.pod.json();
  for (std::string_view map : {"labels", "annotations"}) {
    std::string prefix = "metadata." + std::string(map) + "['";
    if (path.starts_with(prefix) && path.ends_with("']"))
      return string_at(pod, "metadata", map, path.substr(prefix.size(), path.size() - prefix.size() - 2));
  }
  if (path == "metadata.name") return std::string(facts.pod.name());
  if (path == "metadata.namespace") return std::string(facts.pod.ns());
  if (path == "metadata.uid") return std::string(facts.pod.uid());
  if (path == "spec.nodeName") return facts.node;
  if (path == "spec.serviceAccountName") return string_at(pod, "spec", "serviceAccountName");
  if (path == "status.podIP" || path == "status.podIPs") return facts.pod_ip;
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  return base::fail(ErrorKind::Invalid, "unsupported fieldPath: " + std::string(path));
}

base::Result<std::string> resource_value(const PodFacts& facts, const base::Json& container,
                                         const base::Json& reference) {
  std::string resource = string_at(reference, "resource");
  auto cut = base::cut(resource, '.');
  if (!cut) return base::fail(ErrorKind::Invalid, "unsupported resource: " + resource);
  auto [list, name] = *cut;
  std::string said = string_at(container, "resources", list, name);
  bool cpu = name == "cpu";
  int64_t milli = milli_quantity(said).value_or(0);
  if (said.empty() && list == "limits") milli = cpu ? facts.node_milli_cpus : facts.node_bytes * 1000;
  int64_t divisor = milli_quantity(string_at(reference, "divisor")).value_or(0);
  if (divisor <= 0) divisor = 1000;
  return std::to_string((milli + divisor - 1) / divisor);
}

base::Result<std::vector<std::string>> environment_of(const Api& api, const EnvironmentOrder& order) {
  Variables variables;
  const objects::Object& pod = order.facts.pod;
  variables.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  std::string hostname = string_at(pod.spec(), "hostname");
  variables.set("HOSTNAME", hostname.empty() ? std::string(pod.name().substr(0, 63)) : hostname);
  for (const std::string& variable : order.image_env)
    if (auto cut = base::cut(variable, '=')) variables.set(std::string(cut->first), std::string(cut->second));
  add_services(api, pod, variables);
  for (const base::Json& from : items(order.container, "envFrom")) TRY(add_from(api, order, from, variables));
  size_t size = 0;
  for (const base::Json& entry : items(order.container, "env")) {
    std::string name = string_at(entry, "name");
    std::optional<std::string> value;
    if (const base::Json* source = base::find(entry, "valueFrom"))
      value = TRY(value_from(api, order, *source));
    else
      value = expand(base::text(entry, "value"), variables.list);
    if (!value) continue;
    // Variables that refer to each other can grow exponentially.
    size += value->size();
    if (value->size() > kLongestVariable || size > kMostVariables)
      return base::fail(ErrorKind::Exhausted,
                        "environment variable " + name + " makes the environment larger than a process may have");
    variables.set(name, *value);
  }
  return std::move(variables.list);
}

}  // namespace localkube
