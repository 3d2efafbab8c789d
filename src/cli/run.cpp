// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/spelling.h"
#include "cli/table.h"

namespace cli {

void give_up(const base::Error& error) {
  std::fprintf(stderr, "Error: %s\n", for_terminal(error.message).c_str());
  std::exit(1);
}

// What Istio's program has and this one has not, and what serves instead.
static std::string_view instead_of(std::string_view command) {
  constexpr std::pair<std::string_view, std::string_view> kAbsent[] = {
      {"proxy-config", "kubectl exec POD -c istio-proxy -- curl -s localhost:15000/config_dump (or /clusters, /stats)"},
      {"pc", "kubectl exec POD -c istio-proxy -- curl -s localhost:15000/config_dump (or /clusters, /stats)"},
      {"dashboard", "istioctl proxy-status and istioctl analyze; there is no console"},
      {"dash", "istioctl proxy-status and istioctl analyze; there is no console"},
      {"validate", "istioctl analyze FILE, or kubectl apply --dry-run=server -f FILE"},
      {"verify-install", "kubectl get pods -n istio-system, and istioctl proxy-status"},
      {"upgrade", "istioctl install, which changes what is there"},
      {"operator", "istioctl install"},
      {"profile", "istioctl manifest generate --set profile=NAME; there are default, demo, minimal and empty"},
      {"experimental", "istioctl analyze and istioctl proxy-status"},
      {"x", "istioctl analyze and istioctl proxy-status"},
      {"bug-report", "the files below logs/ in the state directory (seine up --help), and kubectl logs"},
      {"tag", "the label istio-injection=enabled; there is one revision"},
      {"admin", "kubectl logs -n istio-system deploy/istiod"},
  };
  for (auto [name, instead] : kAbsent)
    if (name == command) return instead;
  return {};
}

// What the user typed wrong, and what it may have been meant to be.
static std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  const std::string help = "\nRun '" + command + " --help' for ";
  std::vector<std::string> unknown = app.remaining();
  if (!app.get_subcommands().empty() || unknown.empty()) return std::string(error.what()) + help + "usage.";
  const std::string& word = unknown.front();
  if (word.starts_with('-')) return "unknown flag: " + word + help + "usage.";
  if (auto instead = instead_of(word); !instead.empty())
    return "\"" + word + "\" is a command of Istio's that Seine does not have yet.\nInstead: " + std::string(instead);
  std::string out = "unknown command \"" + word + "\" for \"" + app.get_name() + "\"";
  std::string alike;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (near(word, command->get_name()) || command->get_name().starts_with(word)) alike += "\n\t" + command->get_name();
  if (!alike.empty()) out += "\n\nDid you mean this?" + alike + "\n";
  return out + help + "the list of commands.";
}

// "seine help proxy-status" as "seine proxy-status --help".
static std::string help_for(CLI::App& app, const std::vector<std::string>& words) {
  CLI::App* at = &app;
  std::string path;
  for (const std::string& word : words) {
    if (word.starts_with('-')) continue;
    auto found = at->get_subcommands([&](const CLI::App* command) { return command->check_name(word); });
    if (found.empty())
      give_up({.kind = base::ErrorKind::Invalid,
               .message = "unknown help topic \"" + base::join(words, " ") + "\"\nRun '" + app.get_name() +
                          " help' for the list of commands."});
    path += (path.empty() ? "" : " ") + at->get_name();
    at = found.front();
  }
  return at->help(path);
}

int run(int argc, char** argv) {
  base::start_log("seine", "warning");
  CLI::App app("Seine: a service mesh that speaks Istio's API. Also installed as istioctl.");
  app.name(std::filesystem::path(argv[0]).filename().string());
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
  add_analyze(app, flags);

  app.set_version_flag("--version", SEINE_VERSION, "print the version of this program");
  app.add_subcommand("help", "Print how a command is used")->prefix_command();

  if (argc > 1 && std::string_view(argv[1]) == "help") {
    std::printf("%s", help_for(app, std::vector<std::string>(argv + 2, argv + argc)).c_str());
    return 0;
  }
  if (argc == 1) {
    std::printf("%s", app.help().c_str());
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    give_up({.kind = base::ErrorKind::Invalid, .message = complaint(app, error)});
  } catch (const std::filesystem::filesystem_error& error) {
    std::string path = error.path1().string();
    give_up({.kind = base::ErrorKind::Invalid,
             .message = path + ": " + error.code().message() + "; is it a directory that you may write?"});
  }
  return 0;
}

}  // namespace cli
