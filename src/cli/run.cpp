// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/log.h"
#include "cli/commands.h"

namespace cli {

void give_up(const base::Error& error) {
  std::fprintf(stderr, "Error: %s\n", error.message.c_str());
  std::exit(1);
}

int run(int argc, char** argv) {
  base::start_log("seine", "warning");
  CLI::App app("Seine: a service mesh that speaks Istio's API. Also installed as istioctl.");
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(28);

  RootFlags flags;
  app.add_option("-c,--kubeconfig", flags.kubeconfig, "Kubernetes configuration file");
  app.add_option("--context", flags.context, "context of that file to use");
  app.add_option("-n,--namespace", flags.ns, "Kubernetes namespace");
  app.add_option("-i,--istioNamespace", flags.istio_ns, "namespace of the control plane")->capture_default_str();

  add_up(app, flags);
  add_down(app);
  add_env(app);
  add_install(app, flags);
  add_uninstall(app, flags);
  add_manifest(app);
  add_version(app, flags);
  add_proxy_status(app, flags);
  add_kube_inject(app, flags);
  add_service(app, flags);

  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace cli
