// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/options.h"

#include <algorithm>
#include <thread>

#include "base/strings.h"

namespace proxy {

std::string_view Options::help_text() {
  return "seine-proxy: the data plane of Seine\n"
         "\n"
         "  seine-proxy -c FILE          serve what Envoy's bootstrap FILE (YAML or JSON) says\n"
         "  seine-proxy sidecar|router   serve as a pod's sidecar, or as a gateway, of a mesh\n"
         "  seine-proxy capture ...      redirect this network namespace's traffic into a sidecar\n"
         "\n"
         "  -c, --config-path FILE       the bootstrap\n"
         "      --config-yaml TEXT       the bootstrap itself, or what goes over the file's\n"
         "      --concurrency N          worker threads (default: one for each core)\n"
         "  -l, --log-level LEVEL        trace, debug, info, warning, error, critical, off\n"
         "      --mode serve|validate    validate: read the bootstrap and say whether it is good\n"
         "      --drain-time-s N         how long connections of a changed listener may last, listeners that are "
         "drained\n"
         "                               gracefully still accept, and requests under way at SIGTERM may take (45)\n"
         "      --drain-strategy S       immediate: each is asked to close with its next response; gradual: more\n"
         "                               and more of them as that time passes (immediate)\n"
         "      --restart-epoch N        take over from the running proxy of epoch N-1: its listening sockets, then\n"
         "                               its traffic; it drains and ends (0: there is none)\n"
         "      --base-id N              tells apart proxies that do so on one machine (0)\n"
         "      --parent-shutdown-time-s N  the one before ends at the latest so long after draining began (900)\n"
         "      --disable-hot-restart    nobody can take over from this one\n"
         "      --log-path FILE          where the log goes (default: standard error)\n"
         "      --admin-address-path FILE  is told where the admin port listens\n"
         "      --service-cluster, --service-node, --service-zone NAME\n"
         "                               this proxy's node, where the bootstrap does not say\n"
         "      --allow-unknown-static-fields  pass over fields of the bootstrap that do not exist or do not act here\n"
         "      --version, --help\n"
         "\n"
         "example: seine-proxy -c bootstrap.yaml --concurrency 2 -l debug\n";
}

// Envoy's flags that have no meaning here: its own loggers, its threads, its shared memory. Said at the start, by name.
static constexpr std::string_view kUnheededSwitches[] = {
    "--use-dynamic-base-id",
    "--skip-hot-restart-on-no-parent",
    "--skip-hot-restart-parent-stats",
    "--enable-core-dump",
    "--cpuset-threads",
    "--enable-mutex-tracing",
    "--enable-fine-grain-logging",
    "--log-format-escaped",
    "--ignore-unknown-dynamic-fields",
    "--reject-unknown-dynamic-fields",
    "--skip-deprecated-logs",
    "--log-stacktrace-single-entry",
};
static constexpr std::string_view kUnheededValues[] = {
    "--file-flush-interval-msec",
    "--file-flush-min-size-kb",
    "--component-log-level",
    "--base-id-path",
    "--log-format",
    "--socket-path",
    "--socket-mode",
    "--local-address-ip-version",
    "--disable-extensions",
    "--stats-tag",
};

base::Result<Options> Options::parse(const std::vector<std::string>& arguments) {
  Options out;
  Handover::Options handover;
  bool disable_handover = false;
  out.process.concurrency = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i], value;
    bool has_value = false;
    if (size_t equals = name.find('='); name.starts_with("--") && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
      has_value = true;
    }
    auto take = [&]() -> base::Result<std::string> {
      if (has_value) return value;
      if (i + 1 >= arguments.size()) return base::fail(base::ErrorKind::Invalid, name + " needs a value");
      return arguments[++i];
    };
    auto number = [&]() -> base::Result<uint32_t> {
      std::string text = TRY(take());
      auto parsed = base::parse_number<uint32_t>(text);
      if (!parsed) return base::fail(base::ErrorKind::Invalid, name + ": \"" + text + "\" is not a number");
      return *parsed;
    };
    if (name == "-c" || name == "--config-path") {
      out.process.config_path = TRY(take());
    } else if (name == "--config-yaml") {
      out.config_yaml = TRY(take());
    } else if (name == "--concurrency") {
      out.process.concurrency = std::clamp(TRY(number()), 1u, 1024u);
    } else if (name == "-l" || name == "--log-level") {
      out.process.log_level = TRY(take());
      static constexpr std::string_view kLevels[] = {"trace",   "debug", "info",     "warn",
                                                     "warning", "error", "critical", "off"};
      if (std::find(std::begin(kLevels), std::end(kLevels), out.process.log_level) == std::end(kLevels))
        return base::fail(base::ErrorKind::Invalid, "unknown log level \"" + out.process.log_level +
                                                        "\": use trace, debug, info, warning, error, critical or off");
    } else if (name == "--mode") {
      std::string mode = TRY(take());
      if (mode != "serve" && mode != "validate")
        return base::fail(base::ErrorKind::Invalid, "--mode is serve or validate, not \"" + mode + "\"");
      out.mode = mode == "validate" ? Mode::Validate : Mode::Serve;
    } else if (name == "--drain-time-s") {
      out.process.drain_time = std::chrono::seconds(TRY(number()));
    } else if (name == "--allow-unknown-static-fields" || name == "--allow-unknown-fields") {
      out.unknown = UnknownFields::Ignore;
    } else if (name == "--help" || name == "-h") {
      out.help = true;
    } else if (name == "--version") {
      out.version = true;
    } else if (name == "--disable-hot-restart") {
      disable_handover = true;
    } else if (name == "--restart-epoch") {
      handover.epoch = TRY(number());
    } else if (name == "--base-id") {
      handover.base_id = TRY(number());
    } else if (name == "--parent-shutdown-time-s") {
      handover.parent_shutdown = std::chrono::seconds(TRY(number()));
    } else if (name == "--drain-strategy") {
      std::string strategy = TRY(take());
      if (strategy != "gradual" && strategy != "immediate")
        return base::fail(base::ErrorKind::Invalid,
                          "--drain-strategy is gradual or immediate, not \"" + strategy + "\"");
      out.process.drain_gradually = strategy == "gradual";
    } else if (name == "--log-path") {
      out.log_path = TRY(take());
    } else if (name == "--admin-address-path") {
      out.admin_address_path = TRY(take());
    } else if (name == "--service-cluster") {
      out.service_cluster = TRY(take());
    } else if (name == "--service-node") {
      out.service_node = TRY(take());
    } else if (name == "--service-zone") {
      out.service_zone = TRY(take());
    } else if (std::find(std::begin(kUnheededSwitches), std::end(kUnheededSwitches), name) !=
               std::end(kUnheededSwitches)) {
      out.unheeded.push_back(name);
    } else if (std::find(std::begin(kUnheededValues), std::end(kUnheededValues), name) != std::end(kUnheededValues)) {
      TRY(take());
      out.unheeded.push_back(name);
    } else {
      return base::fail(base::ErrorKind::Invalid, "unknown option " + name + "; see --help");
    }
  }
  out.process.exit_drain = out.process.drain_time;
  out.process.config_yaml = out.config_yaml;
  out.process.log_path = out.log_path;
  out.process.base_id = handover.base_id;
  out.process.epoch = handover.epoch;
  out.process.hot_restart = !disable_handover;
  out.process.parent_shutdown = handover.parent_shutdown;
  out.handover = disable_handover ? std::nullopt : std::optional(handover);
  if (disable_handover && handover.epoch)
    return base::fail(base::ErrorKind::Invalid, "--restart-epoch with --disable-hot-restart");
  if (!out.help && !out.version && out.process.config_path.empty() && out.config_yaml.empty())
    return base::fail(base::ErrorKind::Invalid, "a bootstrap is needed: -c FILE; see --help");
  return out;
}

}  // namespace proxy
