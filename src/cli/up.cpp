// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/log.h"
#include "cli/cluster.h"
#include "cli/host_ports.h"
#include "cli/install/install.h"
#include "cli/state.h"
#include "net/address.h"

namespace cli {

using base::ErrorKind;

// Starts the cluster's holder as a process that outlives this one.
static pid_t start_hold(const State& where, const std::string& listen) {
  std::string log = (where.logs() / "hold.log").string();
  std::string exe = program("seine-localkube").string();
  pid_t child = fork();
  if (child != 0) return child;
  setsid();
  int in = open("/dev/null", O_RDONLY);
  int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dup2(in, 0);
  dup2(out, 1);
  dup2(out, 2);
  std::vector<std::string> words = {exe, "hold", "--state", where.dir.string()};
  if (!listen.empty()) words.insert(words.end(), {"--listen", listen});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(exe.c_str(), argv.data());
  std::fprintf(stderr, "%s cannot be started: %s\n", exe.c_str(), std::strerror(errno));
  _exit(127);
}

static std::string last_lines(const std::filesystem::path& file, size_t most) {
  std::ifstream in(file);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > most) lines.pop_front();
  }
  std::string out;
  for (const std::string& line : lines) out += "  " + line + "\n";
  return out;
}

// On a full disk, too, which its own check of the store tells: reads are answered, and a write says why it is not.
static net::Task<bool> ready(kube::Client& client) {
  auto response = co_await client.request("GET", "/readyz?exclude=etcd");
  co_return response && response->status == 200;
}

// True if the API server that the kubeconfig names answers.
static bool answers(const State& where) {
  // The kubeconfig outlives the cluster, for the shells that name it.
  if (!std::filesystem::exists(where.hold_record()) || !std::filesystem::exists(where.kubeconfig())) return false;
  if (!where.running()) return false;
  auto access = kube::find_access(where.kubeconfig().string(), "seine");
  if (!access) return false;
  Cluster cluster(std::move(*access));
  return cluster.wait(ready(*cluster.client));
}

// Two at once would each start a cluster in one directory. The lock goes with this process.
static void take_turn(const State& where) {
  int lock = open((where.dir / "up.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0)
    give_up({.kind = ErrorKind::Denied,
             .message = (where.dir / "up.lock").string() + " cannot be opened: " + std::strerror(errno)});
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return;
  std::printf("%s is in use by another seine up, waiting for it\n", where.dir.c_str());
  std::fflush(stdout);
  while (flock(lock, LOCK_EX) != 0 && errno == EINTR) continue;
}

// What stopped, and the end of the log that says why.
static std::string with_log(const State& where, const std::string& what) {
  std::filesystem::path log = where.logs() / "hold.log";
  return what + "; the end of " + log.string() + ":\n" + last_lines(log, 10);
}

static constexpr const char* kStopped = "the cluster was stopped while it started, as seine down does";

static void await_cluster(const State& where, pid_t hold, std::chrono::seconds patience) {
  constexpr int kInUse = 3;  // hold's exit code where another one has the directory: that one is starting
  auto limit = net::Clock::now() + patience;
  while (!answers(where)) {
    int status = 0;
    bool ended = hold != 0 && waitpid(hold, &status, WNOHANG) == hold;
    bool in_use = ended && WIFEXITED(status) && WEXITSTATUS(status) == kInUse;
    if (in_use) hold = 0;
    if (ended && (WIFSIGNALED(status) || WEXITSTATUS(status) == 0))
      give_up({.kind = ErrorKind::Closed, .message = kStopped});
    if (ended && !in_use)
      give_up({.kind = ErrorKind::Unavailable, .message = with_log(where, "the cluster did not start")});
    if (net::Clock::now() > limit)
      give_up({.kind = ErrorKind::Timeout, .message = with_log(where, "the cluster did not answer in time")});
    usleep(10'000);
  }
}

// Why nobody can listen at that address, or nothing.
static std::string listen_fault(const std::string& text) {
  auto address = net::Address::parse(text, 0);
  if (!address || address->family() != AF_INET) return "it must be an IPv4 address, e.g. 0.0.0.0";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool bound = fd >= 0 && bind(fd, address->data(), address->size()) == 0;
  std::string why = bound ? "" : std::strerror(errno);
  if (fd >= 0) close(fd);
  return bound ? "" : "nothing can listen there: " + why;
}

// Where ports of Services went that were not free, a line each.
static net::Task<std::vector<std::string>> moved_ports(kube::Client& client) {
  kube::Resource services{"", "v1", "services"};
  std::vector<std::string> lines;
  kube::ListOptions options;
  std::string everywhere;
  auto list = co_await client.list(services, everywhere, options);
  if (!list) co_return lines;
  for (const objects::Object& service : list->items)
    for (std::string& line : moved_ports_of(service)) lines.push_back(std::move(line));
  co_return lines;
}

struct UpFlags {
  std::string state;
  std::string listen;
  std::string profile;
};

// What the mesh that is there was installed with; nothing where there is none.
static Choices choices_before(Cluster& cluster, const std::string& ns) {
  kube::Resource maps{"", "v1", "configmaps"};
  auto mesh = cluster.wait(cluster.client->get(maps, ns, "istio"));
  if (!mesh && mesh.error().kind != ErrorKind::NotFound) give_up(mesh.error());
  const std::string_view text = mesh ? mesh->annotation(kChoicesAnnotation) : "";
  if (text.empty()) return {};
  auto choices = remembered(text);
  if (!choices)
    give_up({.kind = ErrorKind::Invalid,
             .message = "configmap " + ns + "/istio, annotation " + kChoicesAnnotation + ": " +
                        choices.error().message + "; istioctl install -y writes it anew"});
  std::string words;
  for (const auto& [path, value] : *choices)
    if (path != "namespace" && !(path == "profile" && value == "default"))
      words += " " + path + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  if (!words.empty()) std::printf("  As it was installed:%s\n", base::printable(words).c_str());
  return std::move(*choices);
}

static void up(const UpFlags& flags, const RootFlags& root) {
  Choices choices;
  if (!flags.profile.empty()) must(set(choices, "profile=" + flags.profile));
  if (std::string fault = flags.listen.empty() ? "" : listen_fault(flags.listen); !fault.empty())
    give_up({.kind = ErrorKind::Invalid, .message = "--listen " + flags.listen + ": " + fault});
  State where = must(state(flags.state));
  if (geteuid() != 0)
    give_up({.kind = ErrorKind::Denied, .message = "seine up needs root today, for network namespaces: sudo seine up"});
  std::filesystem::create_directories(where.logs());
  std::filesystem::permissions(where.dir, std::filesystem::perms::owner_all);
  take_turn(where);
  auto began = net::Clock::now();
  if (answers(where)) {
    if (!flags.listen.empty())
      give_up({.kind = ErrorKind::Conflict,
               .message = "--listen acts when the cluster starts, and it runs already: seine down first"});
    std::printf("✔ Cluster runs already\n");
  } else {
    // The old kubeconfig stands until the new one takes its place: shells name it.
    await_cluster(where, start_hold(where, flags.listen), std::chrono::seconds(30));
    std::printf("✔ Cluster started\n");
  }
  std::fflush(stdout);
  Cluster cluster(must(kube::find_access(where.kubeconfig().string(), "seine")));
  if (choices.empty()) choices = choices_before(cluster, root.istio_ns);
  choices["namespace"] = root.istio_ns;
  auto installed = cluster.wait(install(*cluster.client, settings_of(choices), std::chrono::seconds(60)));
  if (!installed && !where.running()) give_up({.kind = ErrorKind::Closed, .message = kStopped});
  must(std::move(installed));
  for (const std::string& line : cluster.wait(moved_ports(*cluster.client))) std::printf("  %s\n", line.c_str());
  double seconds = std::chrono::duration<double>(net::Clock::now() - began).count();
  std::printf("Ready in %.1f s. Next: eval \"$(%s env)\"\n", seconds, shell_quoted(program("seine").string()).c_str());
}

void add_up(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("up", "Start the one-machine cluster and install the mesh in it");
  command->footer("Example:\n  seine up && eval \"$(seine env)\"");
  auto flags = std::make_shared<UpFlags>();
  command->add_option("--state", flags->state, "state directory (default ${XDG_STATE_HOME:-~/.local/state}/seine)");
  command->add_option("--listen", flags->listen, "address for gateways besides the loopback, e.g. 0.0.0.0");
  command->add_option("--profile", flags->profile,
                      "what to install: default, demo, minimal or empty (default: as it was installed, or default)");
  command->callback([flags, &root] { up(*flags, root); });
}

// Deletes the directory of a cluster, through a link, too; never another one.
static void forget(const State& where) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(where.dir, error);
  if (error) return;  // it is not there
  std::filesystem::remove_all(real);
  std::filesystem::remove(where.dir, error);
}

// Every cluster's directory has its lock; one that is empty can go as well.
static void refuse_foreign(const State& where) {
  std::error_code error;
  if (!std::filesystem::exists(where.dir) || std::filesystem::exists(where.dir / "lock") ||
      std::filesystem::is_empty(where.dir, error))
    return;
  give_up({.kind = ErrorKind::Invalid,
           .message = where.dir.string() + " is not deleted: it is no state directory of a cluster (it has no lock)"});
}

// The cluster program knows what it made; this only asks it to undo that.
static void down(const std::string& state_flag, bool purge) {
  State where = must(state(state_flag));
  if (purge) refuse_foreign(where);
  bool ran = std::filesystem::exists(where.hold_record());
  std::string exe = program("seine-localkube").string();
  pid_t child = fork();
  if (child == 0) {
    execl(exe.c_str(), exe.c_str(), "sweep", "--state", where.dir.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    give_up({.kind = ErrorKind::Internal, .message = "not everything could be removed; see " + where.logs().string()});
  if (purge) forget(where);
  std::printf("%s%s\n", ran ? "✔ Cluster stopped" : "No cluster was running", purge ? ", its state is gone" : "");
}

void add_down(CLI::App& app) {
  auto* command = app.add_subcommand("down", "Stop the one-machine cluster: every process, namespace and rule it made");
  command->footer("Example:\n  seine down\n  seine down --purge   # forget its objects too");
  struct Flags {
    std::string state;
    bool purge = false;
  };
  auto flags = std::make_shared<Flags>();
  command->add_option("--state", flags->state, "state directory");
  command->add_flag("--purge", flags->purge, "delete the state directory: objects, keys, logs");
  command->callback([flags] { down(flags->state, flags->purge); });
}

}  // namespace cli
