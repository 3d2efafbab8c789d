// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/program.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include <algorithm>

#include "base/strings.h"
#include "localkube/process/children.h"
#include "localkube/process/files.h"
#include "localkube/process/packets.h"
#include "localkube/process/signals.h"
#include "localkube/shim/rootfs.h"
#include "localkube/shim/seccomp.h"

namespace localkube {
namespace {

// Numbers at which a fresh process keeps what it was given; all others are closed.
constexpr int kReport = 3;
constexpr int kHandles = 4;

[[noreturn]] void fail(std::string error) {
  (void)send_packet(kReport, {{"error", std::move(error)}});
  _exit(128);
}
[[noreturn]] void fail_system(const std::string& what) { fail(base::system_error(what, errno).message); }

// Lays the descriptors out as 0, 1, 2, report, handles... and closes the rest.
void arrange(const Streams& streams, int report, const std::vector<int>& handles = {}) {
  std::vector<int> wanted = {streams.in.get(), streams.out.get(), streams.err.get(), report};
  wanted.insert(wanted.end(), handles.begin(), handles.end());
  std::vector<int> high;
  for (int fd : wanted) high.push_back(fcntl(fd >= 0 ? fd : open("/dev/null", O_RDWR), F_DUPFD, 100));
  for (size_t i = 0; i < high.size(); i++) dup2(high[i], static_cast<int>(i));
  close_range(static_cast<unsigned>(high.size()), ~0u, 0);
  for (size_t i = kReport; i < high.size(); i++) fcntl(static_cast<int>(i), F_SETFD, FD_CLOEXEC);
}

// The groups that limit the container, opened while their files can be seen.
std::vector<int> open_groups(const ContainerSpec& spec) {
  std::vector<int> groups;
  for (const std::string& file : spec.cgroups) {
    int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail_system("open " + file);
    groups.push_back(fd);
  }
  return groups;
}

void join(const std::vector<int>& groups) {
  for (int fd : groups)
    if (write(fd, "0", 1) != 1) fail_system("join the container's control group");
}

// A terminal of the container's own devpts; the master goes to the shim.
void take_terminal() {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  char name[64];
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, name, sizeof name) != 0)
    fail_system("open a terminal");
  int slave = open(name, O_RDWR | O_NOCTTY);
  if (slave < 0) fail_system("open the terminal " + std::string(name));
  (void)fchmod(slave, 0620);
  for (int fd : {0, 1, 2}) dup2(slave, fd);
  if (slave > 2) close(slave);
  (void)send_packet(kReport, {{"terminal", true}}, {master});
  close(master);
}

void limit_rights(const ContainerSpec& spec) {
  uint64_t granted = 0;
  for (const std::string& name : spec.capabilities)
    if (auto number = capability_number(name)) granted |= uint64_t{1} << *number;
  std::vector<gid_t> groups(spec.groups.begin(), spec.groups.end());
  if (setgroups(groups.size(), groups.data()) != 0 || setresgid(spec.gid, spec.gid, spec.gid) != 0)
    fail_system("take group " + std::to_string(spec.gid));
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; number++)
    if (!(granted >> number & 1) && prctl(PR_CAPBSET_DROP, number) != 0) fail_system("drop capabilities");
  if (setresuid(spec.uid, spec.uid, spec.uid) != 0) fail_system("take user " + std::to_string(spec.uid));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  uint64_t held = spec.uid == 0 ? granted : 0;
  __user_cap_data_struct sets[2] = {};
  for (int half : {0, 1}) {
    auto bits = static_cast<uint32_t>(held >> (32 * half));
    sets[half] = {.effective = bits, .permitted = bits, .inheritable = 0};
  }
  if (syscall(SYS_capset, &header, sets) != 0) fail_system("set capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail_system("set no_new_privs");
  if (auto barred = bar_system_calls(); !barred) fail(barred.error().message);
}

std::string path_of(const std::vector<std::string>& env) {
  for (const std::string& variable : env)
    if (variable.starts_with("PATH=")) return variable.substr(5);
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// execve with the container's PATH, and the words that container runtimes use.
[[noreturn]] void become(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
  std::vector<char*> words, variables;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& variable : env) variables.push_back(const_cast<char*>(variable.c_str()));
  words.push_back(nullptr);
  variables.push_back(nullptr);
  int why = ENOENT;
  if (argv.at(0).find('/') != std::string::npos) {
    execve(argv[0].c_str(), words.data(), variables.data());
    why = errno;
  } else {
    std::string path = path_of(env);
    for (std::string_view directory : base::split(path, ':')) {
      std::string file = std::string(directory.empty() ? "." : directory) + "/" + argv[0];
      execve(file.c_str(), words.data(), variables.data());
      if (errno != ENOENT && errno != ENOTDIR) why = errno;
    }
  }
  bool by_path = argv[0].find('/') == std::string::npos;
  fail("exec: \"" + argv[0] + "\": " +
       (why == ENOENT && by_path ? "executable file not found in $PATH"
                                 : base::system_error("stat " + argv[0], why).message));
}

// From here to the program: session, terminal, directory, rights.
[[noreturn]] void run_program(const ContainerSpec& spec, const std::vector<std::string>& argv, bool tty) {
  setsid();
  if (tty) {
    take_terminal();
    if (ioctl(0, TIOCSCTTY, 0) != 0) fail_system("take the terminal");
    (void)fchown(0, spec.uid, 5);
  }
  limit_rights(spec);
  if (chdir(spec.working_dir.c_str()) != 0) fail_system("chdir to " + spec.working_dir);
  umask(0022);
  signal(SIGPIPE, SIG_DFL);
  unblock_signals();
  std::vector<std::string> env = spec.env;
  if (tty && std::none_of(env.begin(), env.end(), [](const std::string& v) { return v.starts_with("TERM="); }))
    env.push_back("TERM=xterm");
  become(argv, env);
}

[[noreturn]] void wait_as_process_one(pid_t program) {
  prctl(PR_SET_NAME, "container");
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == program) _exit(exit_code_of(status));
    int number = sigwaitinfo(&all, nullptr);
    if (number > 0 && number != SIGCHLD) kill(program, number);
  }
}

[[noreturn]] void run_container(const ContainerSpec& spec, const Streams& streams, const Fd& report) {
  arrange(streams, report.get());
  join(open_groups(spec));
  if (auto entered = enter_root(spec); !entered) fail(entered.error().message);
  pid_t program = fork();
  if (program < 0) fail_system("fork");
  if (program == 0) run_program(spec, spec.argv, spec.tty);
  close_range(0, ~0u, 0);
  wait_as_process_one(program);
}

[[noreturn]] void run_exec(const ContainerSpec& spec, const ExecSpec& exec, const Streams& streams, const Fd& report,
                           int pid_ns, int mnt_ns) {
  arrange(streams, report.get(), {pid_ns, mnt_ns});
  std::vector<int> groups = open_groups(spec);
  if (setns(kHandles, CLONE_NEWPID) != 0 || setns(kHandles + 1, CLONE_NEWNS) != 0) fail_system("enter the container");
  pid_t program = fork();  // its child is in the pid namespace, it is not
  if (program < 0) fail_system("fork");
  if (program == 0) {
    join(groups);
    run_program(spec, exec.argv, exec.tty);
  }
  close_range(0, ~0u, 0);
  prctl(PR_SET_NAME, "exec");
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int status;
    if (waitpid(program, &status, WNOHANG) == program) _exit(exit_code_of(status));
    int number = sigwaitinfo(&all, nullptr);
    if (number > 0 && number != SIGCHLD) kill(-program, number);
  }
}

base::Result<pid_t> fork_into(int namespaces) {
  // Whatever comes before the child can handle signals waits for it.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  long pid = syscall(SYS_clone, static_cast<unsigned long>(namespaces) | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  int why = errno;
  if (pid != 0) sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return std::unexpected(base::system_error("start a container's process", why));
  return static_cast<pid_t>(pid);
}

}  // namespace

base::Result<pid_t> start_container(const ContainerSpec& spec, Streams streams, Fd report) {
  if (spec.argv.empty()) return base::fail(base::ErrorKind::Invalid, "no command specified");
  pid_t pid = TRY(fork_into(CLONE_NEWNS | CLONE_NEWPID));
  if (pid == 0) run_container(spec, streams, report);
  return pid;
}

base::Result<pid_t> start_exec(const ContainerSpec& spec, pid_t inside, const ExecSpec& exec, Streams streams,
                               Fd report) {
  if (exec.argv.empty()) return base::fail(base::ErrorKind::Invalid, "no command specified");
  std::string ns = "/proc/" + std::to_string(inside) + "/ns/";
  Fd pid_ns(open((ns + "pid").c_str(), O_RDONLY | O_CLOEXEC));
  Fd mnt_ns(open((ns + "mnt").c_str(), O_RDONLY | O_CLOEXEC));
  if (!pid_ns || !mnt_ns) return base::fail(base::ErrorKind::NotFound, "container " + spec.name + " is not running");
  pid_t pid = TRY(fork_into(0));
  if (pid == 0) run_exec(spec, exec, streams, report, pid_ns.get(), mnt_ns.get());
  return pid;
}

}  // namespace localkube
