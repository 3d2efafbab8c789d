// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <fstream>

#include "cli/commands.h"
#include "cli/files.h"
#include "inject/inject.h"

namespace cli {

struct KubeInjectFlags {
  std::string file;
  std::string output;
  std::string revision = "default";
};

static void kube_inject(const KubeInjectFlags& flags) {
  inject::Settings settings;
  settings.revision = flags.revision;
  std::string out;
  auto of_file = [&](base::Error error) {
    error.message = (flags.file == "-" ? "standard input" : flags.file) + ": " + error.message;
    return error;
  };
  auto documents = base::parse_yaml(read_all(flags.file));
  if (!documents) give_up(of_file(std::move(documents.error())));
  for (base::Json& document : *documents) {
    auto injected = inject::into_manifest(std::move(document), settings);
    if (!injected) give_up(of_file(std::move(injected.error())));
    if (!out.empty()) out += "---\n";
    out += base::to_yaml(*injected);
  }
  if (flags.output.empty()) {
    std::fputs(out.c_str(), stdout);
    return;
  }
  std::ofstream file(flags.output);
  file << out;
  if (!file.flush()) give_up({.kind = base::ErrorKind::Internal, .message = flags.output + " cannot be written"});
}

void add_kube_inject(CLI::App& app, const RootFlags&) {
  auto* command = app.add_subcommand("kube-inject", "Inject the sidecar into a manifest");
  command->footer("Example:\n  istioctl kube-inject -f samples/helloworld/helloworld.yaml | kubectl apply -f -");
  auto flags = std::make_shared<KubeInjectFlags>();
  command->add_option("-f,--filename", flags->file, "manifest to read; - is standard input")->required();
  command->add_option("-o,--output", flags->output, "file to write instead of standard output");
  command->add_option("-r,--revision", flags->revision, "revision of the control plane")->capture_default_str();
  command->callback([flags] { kube_inject(*flags); });
}

}  // namespace cli
