// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/cluster.h"
#include "cli/files.h"
#include "cli/install/install.h"

namespace cli {

struct InstallFlags {
  std::vector<std::string> assignments;
  std::vector<std::string> files;
  bool yes = false;
  bool purge = false;
  std::string revision;
  int seconds = 300;
};

// Files first, then --set, as Istio lays them on one another.
static Choices choices_of(const InstallFlags& flags) {
  Choices choices;
  for (const std::string& file : flags.files)
    must(add_operator(choices, file == "-" ? "standard input" : file, read_all(file)));
  for (const std::string& assignment : flags.assignments) must(set(choices, assignment));
  return choices;
}

static InstallSettings settings_of(const InstallFlags& flags, const std::string& istio_ns) {
  Choices choices = choices_of(flags);
  choices.try_emplace("namespace", istio_ns);
  if (!flags.revision.empty()) choices["revision"] = flags.revision;
  return settings_of(choices);
}

static void confirm(bool yes, const std::string& question) {
  if (yes) return;
  std::printf("%s (y/N) ", question.c_str());
  std::fflush(stdout);
  int answer = std::getchar();
  if (answer == 'y' || answer == 'Y') return;
  std::printf("Cancelled.\n");
  std::exit(1);
}

static void add_settings(CLI::App& command, InstallFlags& flags) {
  command.add_option("-s,--set", flags.assignments, "setting as KEY=VALUE, e.g. profile=default")
      ->allow_extra_args(false);
  command.add_option("-f,--filename", flags.files, "file with an IstioOperator, or - for standard input")
      ->allow_extra_args(false);
  command.add_option("-r,--revision", flags.revision, "revision of the control plane");
}

void add_install(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("install", "Install the mesh in the cluster, or reconfigure it");
  command->alias("apply");
  command->footer("Example:\n  istioctl install --set profile=default -y");
  auto flags = std::make_shared<InstallFlags>();
  add_settings(*command, *flags);
  command->add_flag("-y,--skip-confirmation", flags->yes, "do not ask");
  command->add_option("--readiness-timeout", flags->seconds, "seconds to wait for the components")
      ->capture_default_str();
  command->callback([flags, &root] {
    InstallSettings settings = settings_of(*flags, root.istio_ns);
    confirm(flags->yes, "This will install Seine " SEINE_VERSION " with profile \"" + settings.profile +
                            "\" into the cluster. Proceed?");
    Cluster cluster(root);
    must(cluster.wait(install(*cluster.client, settings, std::chrono::seconds(flags->seconds))));
  });
}

void add_uninstall(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("uninstall", "Remove the mesh from the cluster");
  command->footer("Example:\n  istioctl uninstall --purge -y");
  auto flags = std::make_shared<InstallFlags>();
  add_settings(*command, *flags);
  command->add_flag("-y,--skip-confirmation", flags->yes, "do not ask");
  command->add_flag("--purge", flags->purge, "remove the namespace and the custom resources too");
  command->callback([flags, &root] {
    InstallSettings settings = settings_of(*flags, root.istio_ns);
    if (!flags->purge && flags->revision.empty() && flags->files.empty() && !choices_of(*flags).contains("revision"))
      give_up({.kind = base::ErrorKind::Invalid,
               .message = "at least one of the --revision (or --set revision=<revision>), --filename or --purge flags "
                          "must be set"});
    confirm(flags->yes, flags->purge
                            ? "All resources of the mesh, your VirtualServices among them, will be removed. Proceed?"
                            : "The control plane and the gateways will be removed. Proceed?");
    Cluster cluster(root);
    must(cluster.wait(uninstall(*cluster.client, settings, flags->purge)));
  });
}

void add_manifest(CLI::App& app) {
  auto* command = app.add_subcommand("manifest", "Render what install applies");
  command->callback([command] {
    if (command->get_subcommands().empty()) std::printf("%s", command->help(command->get_parent()->get_name()).c_str());
  });
  auto* generate = command->add_subcommand("generate", "Print the manifest as YAML");
  generate->footer("Example:\n  istioctl manifest generate --set profile=default | kubectl apply -f -");
  auto flags = std::make_shared<InstallFlags>();
  add_settings(*generate, *flags);
  generate->callback([flags] {
    for (const Component& component : must(manifest(settings_of(*flags, "istio-system"))))
      for (const objects::Object& object : component.objects)
        std::printf("%s---\n", base::to_yaml(object.json()).c_str());
  });
}

}  // namespace cli
