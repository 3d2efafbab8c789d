// SPDX-License-Identifier: Apache-2.0
#include "inject/options.h"

#include "base/strings.h"

namespace inject {

using base::ErrorKind;

namespace {

std::unexpected<base::Error> refuse(std::string_view key, std::string_view value, std::string_view wanted) {
  return base::fail(ErrorKind::Invalid, "annotation " + std::string(key) + ": \"" + std::string(value.substr(0, 200)) +
                                            "\" is not " + std::string(wanted));
}

// One pod's annotations, with reading that names the key in its errors.
struct Annotations {
  const Json& pod;

  std::string_view text(std::string_view key) const { return base::text(pod, "metadata", "annotations", key); }

  base::Result<bool> boolean(std::string_view key, bool otherwise) const {
    std::string_view value = text(key);
    if (value.empty()) return otherwise;
    if (value == "true") return true;
    if (value == "false") return false;
    return refuse(key, value, "true or false");
  }

  base::Result<std::optional<int>> number(std::string_view key, int most) const {
    std::string_view value = text(key);
    if (value.empty()) return std::nullopt;
    auto parsed = base::parse_number<int>(value);
    if (!parsed || *parsed < 0 || *parsed > most)
      return refuse(key, value, "a number from 0 to " + std::to_string(most));
    return parsed;
  }

  base::Result<std::string> ports(std::string_view key) const {
    std::string_view value = text(key);
    if (value.empty() || value == "*") return std::string(value);
    std::string out;
    for (std::string_view piece : base::split(value, ',')) {
      piece = base::trim(piece);
      if (auto port = base::parse_number<int>(piece); !port || *port < 1 || *port > 65535)
        return refuse(key, value, "a list of ports, like \"80,8443\"");
      out += (out.empty() ? "" : ",") + std::string(piece);
    }
    return out;
  }

  base::Result<std::string> cidrs(std::string_view key) const {
    std::string_view value = text(key);
    if (value.empty() || value == "*") return std::string(value);
    std::string out;
    for (std::string_view piece : base::split(value, ',')) {
      piece = base::trim(piece);
      auto parts = base::cut(piece, '/');
      auto bits = parts ? base::parse_number<int>(parts->second) : std::nullopt;
      if (!bits || *bits < 0 || *bits > 128 || parts->first.find_first_not_of("0123456789abcdefABCDEF.:") != piece.npos)
        return refuse(key, value, "a list of address ranges, like \"10.0.0.0/8,192.168.0.0/16\"");
      out += (out.empty() ? "" : ",") + std::string(piece);
    }
    return out;
  }

  // A JSON or YAML object.
  base::Result<Json> object(std::string_view key) const {
    std::string_view value = text(key);
    if (base::trim(value).empty()) return Json::object();
    auto documents = base::parse_yaml(value);
    if (!documents) return refuse(key, value, "YAML: " + documents.error().message);
    if (documents->size() != 1 || !documents->front().is_object()) return refuse(key, value, "one YAML object");
    return std::move(documents->front());
  }
};

void merge(Json& into, const Json& from) {
  for (auto& [key, value] : from.items())
    if (value.is_object() && into[key].is_object())
      merge(into[key], value);
    else
      into[key] = value;
}

// Once one of the four is written, the defaults of all four are gone, as in Istio.
Json resources_of(const Annotations& annotations) {
  Json out = Json::object();
  constexpr std::string_view kKeys[][3] = {{"sidecar.istio.io/proxyCPU", "requests", "cpu"},
                                           {"sidecar.istio.io/proxyMemory", "requests", "memory"},
                                           {"sidecar.istio.io/proxyCPULimit", "limits", "cpu"},
                                           {"sidecar.istio.io/proxyMemoryLimit", "limits", "memory"}};
  for (auto& [key, part, name] : kKeys)
    if (std::string_view value = annotations.text(key); !value.empty())
      out[std::string(part)][std::string(name)] = value;
  if (!out.empty()) return out;
  return {{"limits", {{"cpu", "2"}, {"memory", "1Gi"}}}, {"requests", {{"cpu", "100m"}, {"memory", "128Mi"}}}};
}

// userVolume: {"NAME": {volume source}}; userVolumeMount: {"NAME": {mountPath...}}.
Json named(const Json& by_name) {
  Json out = Json::array();
  for (auto& [name, value] : by_name.items()) {
    Json one = value.is_object() ? value : Json::object();
    one["name"] = name;
    out.push_back(std::move(one));
  }
  return out;
}

base::Result<void> read_capture(const Annotations& annotations, Options& out) {
  constexpr std::string_view kMode = "sidecar.istio.io/interceptionMode";
  std::string_view mode = annotations.text(kMode);
  if (mode.empty()) mode = base::text(out.proxy_config, "interceptionMode");
  if (mode == "TPROXY") return refuse(kMode, mode, "supported; REDIRECT does the same job and NONE captures nothing");
  if (!mode.empty() && mode != "REDIRECT" && mode != "NONE") return refuse(kMode, mode, "REDIRECT or NONE");
  out.capture = mode != "NONE";
  out.include_inbound_ports = TRY(annotations.ports("traffic.sidecar.istio.io/includeInboundPorts"));
  out.exclude_inbound_ports = TRY(annotations.ports("traffic.sidecar.istio.io/excludeInboundPorts"));
  out.include_outbound_ports = TRY(annotations.ports("traffic.sidecar.istio.io/includeOutboundPorts"));
  out.exclude_outbound_ports = TRY(annotations.ports("traffic.sidecar.istio.io/excludeOutboundPorts"));
  out.include_outbound_cidrs = TRY(annotations.cidrs("traffic.sidecar.istio.io/includeOutboundIPRanges"));
  out.exclude_outbound_cidrs = TRY(annotations.cidrs("traffic.sidecar.istio.io/excludeOutboundIPRanges"));
  return {};
}

}  // namespace

base::Result<Options> options_of(const Json& pod, const Settings& settings) {
  Annotations annotations{pod};
  Options out;
  for (std::string_view name : base::split(annotations.text("inject.istio.io/templates"), ',')) {
    name = base::trim(name);
    if (name == "gateway")
      out.kind = Options::Template::Gateway;
    else if (!name.empty() && name != "sidecar")
      return refuse("inject.istio.io/templates", name, "a template; there are \"sidecar\" and \"gateway\"");
  }
  out.proxy_config = settings.proxy_config.is_object() ? settings.proxy_config : Json::object();
  merge(out.proxy_config, TRY(annotations.object("proxy.istio.io/config")));

  out.native = TRY(annotations.boolean("sidecar.istio.io/nativeSidecar", settings.native_sidecars)) &&
               out.kind == Options::Template::Sidecar;
  out.rewrite_probes = TRY(annotations.boolean("sidecar.istio.io/rewriteAppHTTPProbers", settings.rewrite_probes));
  out.merge_metrics = TRY(annotations.boolean("prometheus.istio.io/merge-metrics", settings.merge_metrics));
  if (const Json* hold = base::find(out.proxy_config, "holdApplicationUntilProxyStarts"); hold && hold->is_boolean())
    out.hold_application = hold->get<bool>();
  std::string_view image = annotations.text("sidecar.istio.io/proxyImage");
  out.image = image.empty() ? settings.proxy_image : std::string(image);
  out.log_level = annotations.text("sidecar.istio.io/logLevel");
  out.status_port = TRY(annotations.number("status.sidecar.istio.io/port", 65535)).value_or(15020);
  out.resources = resources_of(annotations);
  out.readiness = Json::object();
  for (const char* field : {"initialDelaySeconds", "periodSeconds", "failureThreshold"})
    if (auto value = TRY(annotations.number("readiness.status.sidecar.istio.io/" + std::string(field), 86400)))
      out.readiness[field] = *value;
  out.user_volumes = named(TRY(annotations.object("sidecar.istio.io/userVolume")));
  out.user_mounts = named(TRY(annotations.object("sidecar.istio.io/userVolumeMount")));
  TRY(read_capture(annotations, out));
  return out;
}

}  // namespace inject
