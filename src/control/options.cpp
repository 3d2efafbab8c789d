// SPDX-License-Identifier: Apache-2.0
#include "control/options.h"

#include "base/strings.h"

namespace control {

using base::ErrorKind;

std::string_view usage() {
  return "usage: seined [discovery] [FLAGS]\n\n"
         "The control plane: reads Kubernetes objects, serves xDS, signs certificates, injects sidecars.\n\n"
         "  --kubeconfig FILE        the API server; default: as kubectl finds it, or the pod's own account\n"
         "  --context NAME           of the kubeconfig\n"
         "  --config-dir DIR         read objects from DIR/*.yaml and follow changes, without Kubernetes\n"
         "  --plaintext PORT         serve xDS in clear text too, to anybody who can connect (Istio: 15010)\n"
         "  --address IP             to listen on; default 0.0.0.0\n"
         "  --secure-port PORT       xDS and certificates; default 15012\n"
         "  --webhook-port PORT      injection and validation; default 15017\n"
         "  --monitoring-port PORT   /metrics, /version, /debug; default 15014\n"
         "  --ready-port PORT        /ready; default 8080\n"
         "  --log-level LEVEL        trace, debug, info, warning, error; default info\n\n"
         "Example: seined --config-dir ./mesh --plaintext 15010\n";
}

namespace {

base::Result<uint16_t> port_of(std::string_view flag, std::string_view value) {
  if (value.starts_with(':')) value.remove_prefix(1);  // Istio writes ":15012"
  auto port = base::parse_number<uint16_t>(value);
  if (!port)
    return base::fail(ErrorKind::Invalid, std::string(flag) + ": \"" + std::string(value) + "\" is not a port");
  return *port;
}

void take_environment(Options& out, const std::function<std::string(const char*)>& environment) {
  auto take = [&](const char* name, std::string& into) {
    if (std::string value = environment(name); !value.empty()) into = std::move(value);
  };
  take("POD_NAMESPACE", out.ns);
  take("POD_NAME", out.pod_name);
  take("REVISION", out.revision);
  take("CLUSTER_ID", out.cluster_id);
  take("PROXY_IMAGE", out.injection.proxy_image);
  if (environment("ENABLE_NATIVE_SIDECARS") == "false") out.injection.native_sidecars = false;
}

base::Result<void> take_flag(Options& out, std::string_view flag, std::string_view value) {
  if (flag == "--kubeconfig")
    out.kubeconfig = value;
  else if (flag == "--context")
    out.kube_context = value;
  else if (flag == "--config-dir" || flag == "--configDir")
    out.config_dir = value;
  else if (flag == "--address")
    out.address = value;
  else if (flag == "--log-level")
    out.log_level = value;
  else if (flag == "--plaintext" || flag == "--grpcAddr")
    out.plaintext_port = TRY(port_of(flag, value));
  else if (flag == "--secure-port" || flag == "--secureGRPCAddr")
    out.secure_port = TRY(port_of(flag, value));
  else if (flag == "--webhook-port" || flag == "--httpsAddr")
    out.webhook_port = TRY(port_of(flag, value));
  else if (flag == "--monitoring-port" || flag == "--monitoringAddr")
    out.monitoring_port = TRY(port_of(flag, value));
  else if (flag == "--ready-port" || flag == "--httpAddr")
    out.ready_port = TRY(port_of(flag, value));
  else
    return base::fail(ErrorKind::Invalid, "unknown flag " + std::string(flag) + "; see seined --help");
  return {};
}

}  // namespace

base::Result<Options> parse_options(std::span<const char* const> arguments,
                                    const std::function<std::string(const char*)>& environment) {
  Options out;
  take_environment(out, environment);
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (i == 0 && argument == "discovery") continue;  // as Istio's image is started
    if (argument == "--help" || argument == "-h") {
      out.help = true;
      return out;
    }
    if (!argument.starts_with("--"))
      return base::fail(ErrorKind::Invalid, "unexpected argument \"" + std::string(argument) + "\"; see seined --help");
    if (auto parts = base::cut(argument, '=')) {
      TRY(take_flag(out, parts->first, parts->second));
    } else {
      if (i + 1 == arguments.size()) return base::fail(ErrorKind::Invalid, std::string(argument) + " needs a value");
      TRY(take_flag(out, argument, arguments[++i]));
    }
  }
  out.injection.revision = out.revision;
  out.injection.cluster_id = out.cluster_id;
  out.injection.ca_address = "istiod." + out.ns + ".svc:15012";
  return out;
}

}  // namespace control
