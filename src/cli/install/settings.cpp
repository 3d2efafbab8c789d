// SPDX-License-Identifier: Apache-2.0
#include "cli/install/settings.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "cli/spelling.h"
#include "config/config.h"

namespace cli {
namespace {

using base::ErrorKind;
using base::Json;

enum class Type { Text, Truth, Number, Texts, Duration, LogFormat };

struct Setting {
  std::string_view path;  // "[]" for any index, a last ".*" for any key
  Type type = Type::Text;
  std::string_view choices = {};  // "a b": nothing else is taken
};

// All that acts. The two gateways have fixed names, so an index means nothing.
constexpr Setting kSettings[] = {
    {"profile", Type::Text, "default demo minimal empty"},
    {"hub"},
    {"tag"},
    {"revision"},
    {"namespace"},
    {"components.base.enabled", Type::Truth, "true"},
    {"components.pilot.enabled", Type::Truth, "true"},
    {"components.ingressGateways[].name", Type::Text, "istio-ingressgateway"},
    {"components.ingressGateways[].enabled", Type::Truth},
    {"components.egressGateways[].name", Type::Text, "istio-egressgateway"},
    {"components.egressGateways[].enabled", Type::Truth},
    {"values.global.hub"},
    {"values.global.tag"},
    {"values.global.istioNamespace"},
    {"values.gateways.istio-ingressgateway.type", Type::Text, "LoadBalancer NodePort ClusterIP"},
    {"values.gateways.istio-egressgateway.type", Type::Text, "LoadBalancer NodePort ClusterIP"},
    {"meshConfig.accessLogFile"},
    {"meshConfig.accessLogEncoding", Type::Text, "TEXT JSON"},
    {"meshConfig.accessLogFormat", Type::LogFormat},
    {"meshConfig.outboundTrafficPolicy.mode", Type::Text, "ALLOW_ANY REGISTRY_ONLY"},
    {"meshConfig.enableAutoMtls", Type::Truth},
    {"meshConfig.enablePrometheusMerge", Type::Truth},
    {"meshConfig.connectTimeout", Type::Duration},
    {"meshConfig.protocolDetectionTimeout", Type::Duration},
    {"meshConfig.trustDomainAliases", Type::Texts},
    {"meshConfig.defaultServiceExportTo", Type::Texts},
    {"meshConfig.defaultVirtualServiceExportTo", Type::Texts},
    {"meshConfig.defaultDestinationRuleExportTo", Type::Texts},
    {"meshConfig.defaultHttpRetryPolicy.attempts", Type::Number},
    {"meshConfig.defaultHttpRetryPolicy.retryOn"},
    {"meshConfig.localityLbSetting.enabled", Type::Truth},
    {"meshConfig.defaultConfig.holdApplicationUntilProxyStarts", Type::Truth},
    {"meshConfig.defaultConfig.proxyMetadata.*"},
};

struct Profile {
  std::string_view name;
  bool ingress_gateway, egress_gateway, access_log;
};
constexpr Profile kProfiles[] = {{"default", true, false, false},
                                 {"demo", true, true, true},
                                 {"minimal", false, false, false},
                                 {"empty", false, false, false}};

// "components.ingressGateways[0].enabled" as "components.ingressGateways[].enabled".
std::string without_indexes(std::string_view path) {
  std::string out;
  for (size_t at = 0; at < path.size(); ++at) {
    out += path[at];
    if (path[at] == '[')
      if (size_t end = path.find(']', at); end != path.npos) at = end - 1;
  }
  return out;
}

const Setting* find_setting(std::string_view path) {
  for (const Setting& setting : kSettings) {
    if (setting.path == path) return &setting;
    if (setting.path.ends_with(".*") && path.starts_with(setting.path.substr(0, setting.path.size() - 1)))
      return &setting;
  }
  return nullptr;
}

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

// What is wrong with a path, and which one was probably meant.
std::string unknown(const std::string& path) {
  std::string_view best;
  size_t least = std::numeric_limits<size_t>::max();
  for (const Setting& setting : kSettings) {
    bool tail = setting.path.ends_with("." + path);
    size_t changes = tail ? 0 : distance(path, setting.path);
    if ((tail || near(path, setting.path)) && changes < least) {
      least = changes;
      best = setting.path;
    }
  }
  if (!best.empty()) return "there is no setting " + in_quotes(path) + "; did you mean " + in_quotes(best) + "?";
  std::vector<std::string_view> all;
  for (const Setting& setting : kSettings) all.push_back(setting.path);
  return "there is no setting " + in_quotes(path) + ", or it does not act yet; those that do:\n  " +
         base::join(all, "\n  ");
}

bool is_duration(std::string_view text) {
  if (text.empty() || !isdigit(static_cast<unsigned char>(text[0])) ||
      !isalpha(static_cast<unsigned char>(text.back())))
    return false;
  return text.find_first_not_of("0123456789.hms") == text.npos;
}

// The value as the setting's type wants it, or why it cannot be.
base::Result<Json> fit(const Setting& setting, const Json& value) {
  auto refused = [&](std::string_view wanted) {
    return base::fail(ErrorKind::Invalid, (value.is_string() ? in_quotes(value.get<std::string>()) : value.dump()) +
                                              " is not " + std::string(wanted));
  };
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  std::vector<std::string_view> choices;
  if (!setting.choices.empty()) choices = base::split(setting.choices, ' ');
  if (!choices.empty() && std::ranges::find(choices, text) == choices.end())
    return refused((choices.size() == 1 ? "" : "one of ") + base::join(choices, ", "));
  switch (setting.type) {
    case Type::Truth:
      if (text == "true" || text == "false") return Json(text == "true");
      return refused("true or false");
    case Type::Number:
      if (auto number = base::parse_number<uint32_t>(text)) return Json(*number);
      return refused("a number");
    case Type::Texts:
      if (value.is_array()) return value;
      return Json::array({text});
    case Type::Duration:
      if (is_duration(text)) return Json(text);
      return refused("a duration, e.g. 10s");
    case Type::LogFormat:
      if (config::is_log_format(text)) return Json(text);
      return refused("a format with Envoy's command operators, e.g. \"%START_TIME% %RESPONSE_CODE%\"");
    case Type::Text:
      if (value.is_string() || value.is_number()) return Json(text);
      break;
  }
  return refused("a text");
}

base::Result<void> choose(Choices& choices, const std::string& written, const Json& value) {
  std::string path = without_indexes(written);
  const Setting* setting = find_setting(path);
  if (!setting) return base::fail(ErrorKind::Invalid, unknown(path));
  auto fitting = fit(*setting, value);
  if (!fitting) return base::fail(ErrorKind::Invalid, written + ": " + fitting.error().message);
  choices[path] = std::move(*fitting);
  return {};
}

// Every value of a document by its path. A list of texts is one value.
base::Result<void> choose_all(Choices& choices, const std::string& path, const Json& value) {
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) TRY(choose_all(choices, path.empty() ? key : path + "." + key, item));
    return {};
  }
  if (value.is_array() && !value.empty() && value.front().is_object()) {
    for (size_t i = 0; i < value.size(); ++i) TRY(choose_all(choices, path + "[" + std::to_string(i) + "]", value[i]));
    return {};
  }
  if (value.is_null()) return {};
  return choose(choices, path, value);
}

// Writes "meshConfig.a.b" as {"a": {"b": value}}. Keys below proxyMetadata have no dots.
void put(Json& mesh, std::string_view path, const Json& value) {
  Json* at = &mesh;
  for (std::string_view key : base::split(path, '.')) at = &(*at)[std::string(key)];
  *at = value;
}

}  // namespace

base::Result<void> set(Choices& choices, std::string_view assignment) {
  auto pair = base::cut(assignment, '=');
  if (!pair || pair->first.empty())
    return base::fail(ErrorKind::Invalid, "--set " + std::string(assignment) + ": write it as KEY=VALUE");
  auto chosen = choose(choices, std::string(pair->first), std::string(pair->second));
  if (!chosen)
    return base::fail(ErrorKind::Invalid, "--set " + std::string(assignment) + ": " + chosen.error().message);
  return {};
}

base::Result<void> add_operator(Choices& choices, const std::string& file, std::string_view text) {
  auto refused = [&](const std::string& why) { return base::fail(ErrorKind::Invalid, file + ": " + why); };
  auto documents = base::parse_yaml(text);
  if (!documents) return refused(documents.error().message);
  if (documents->empty()) return refused("there is nothing in it; an IstioOperator was expected");
  for (const Json& document : *documents) {
    std::string_view kind = base::text(document, "kind");
    if (kind != "IstioOperator" || base::text(document, "apiVersion") != "install.istio.io/v1alpha1")
      return refused((kind.empty() ? "it has no kind" : "it is a " + std::string(kind)) +
                     "; an IstioOperator of apiVersion install.istio.io/v1alpha1 was expected");
    for (const auto& [key, value] : document.items())
      if (key != "apiVersion" && key != "kind" && key != "metadata" && key != "spec")
        return refused("there is no field " + in_quotes(key) + "; settings stand below \"spec\"");
    const Json* spec = base::find(document, "spec");
    if (!spec || spec->is_null()) continue;
    if (!spec->is_object()) return refused("spec is not a map");
    auto chosen = choose_all(choices, "", *spec);
    if (!chosen) return refused("spec: " + chosen.error().message);
  }
  return {};
}

base::Result<Choices> remembered(std::string_view annotation) {
  Choices out;
  auto choices = TRY(base::parse_json(annotation));
  if (!choices.is_object()) return base::fail(ErrorKind::Invalid, "a JSON object was expected");
  for (const auto& [path, value] : choices.items()) TRY(choose(out, path, value));
  return out;
}

InstallSettings settings_of(const Choices& choices) {
  InstallSettings out;
  for (const auto& [path, value] : choices) out.chosen[path] = value;
  auto text = [&](const char* path, std::string& into) {
    if (auto it = choices.find(path); it != choices.end()) into = it->second.get<std::string>();
  };
  auto truth = [&](const char* path, bool& into) {
    if (auto it = choices.find(path); it != choices.end()) into = it->second.get<bool>();
  };
  text("profile", out.profile);
  const Profile& profile = *std::ranges::find(kProfiles, out.profile, &Profile::name);
  out.ingress_gateway = profile.ingress_gateway;
  out.egress_gateway = profile.egress_gateway;
  if (profile.access_log) out.mesh["accessLogFile"] = "/dev/stdout";
  text("hub", out.hub);
  text("values.global.hub", out.hub);
  text("tag", out.tag);
  text("values.global.tag", out.tag);
  text("revision", out.revision);
  text("namespace", out.ns);
  text("values.global.istioNamespace", out.ns);
  truth("components.ingressGateways[].enabled", out.ingress_gateway);
  truth("components.egressGateways[].enabled", out.egress_gateway);
  text("values.gateways.istio-ingressgateway.type", out.ingress_service);
  text("values.gateways.istio-egressgateway.type", out.egress_service);
  constexpr std::string_view kMesh = "meshConfig.";
  for (const auto& [path, value] : choices)
    if (path.starts_with(kMesh)) put(out.mesh, std::string_view(path).substr(kMesh.size()), value);
  return out;
}

}  // namespace cli
