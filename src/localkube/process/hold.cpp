// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/hold.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>

#include "base/log.h"
#include "localkube/process/cgroups.h"
#include "localkube/process/children.h"
#include "localkube/process/files.h"
#include "localkube/process/host_ports.h"
#include "localkube/process/program.h"
#include "localkube/process/restart_delay.h"
#include "localkube/process/spawn.h"

namespace localkube {
namespace {

class Hold {
 public:
  Hold(net::Loop& loop, const HoldOptions& options)
      : loop_(loop),
        options_(options),
        children_(loop),
        signals_(loop, {SIGTERM, SIGINT, SIGHUP}, [this](int) { stop(); }),
        ports_(loop, options.state / "ports.json"),
        cgroups_(Cgroups::open(options.state)),
        again_(loop, [this] { start(); }),
        impatience_(loop, [this] { kill(keeper_, SIGKILL); }) {}

  void start() {
    auto ends = packet_pair();
    if (!ends) return give_up(ends.error());
    Spawn spawn{.argv = {"keep", "--state", options_.state.string(), "--listen", options_.listen},
                .namespaces = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC,
                .fds = {ends->second.get()},
                .life = Spawn::Life::EndsWithParent};
    auto pid = spawn_self(spawn);
    if (!pid) return give_up(pid.error());
    keeper_ = *pid;
    started_ = loop_.now();
    children_.on_exit(keeper_, [this](int code) { ended(code); });
    channel_ = std::make_unique<PacketChannel>(
        loop_, std::move(ends->first),
        PacketChannel::Calls{.packet = [this](Packet packet) { ports_.answer(*channel_, packet.body); },
                             .closed = [] {}});
    base::Json record = {{"pid", getpid()},
                         {"start", start_time(getpid()).value_or(0)},
                         {"keeper", keeper_},
                         {"keeper_start", start_time(keeper_).value_or(0)},
                         {"cgroups", base::Json::array()}};
    for (const auto& group : cgroups_.own()) record["cgroups"].push_back(group.string());
    // By this file it is found, and ended; one that tells of an earlier keeper will do.
    const auto file = options_.state / "hold.json";
    auto written = write_file(file, record.dump() + "\n", 0644);
    if (!written && !std::filesystem::exists(file)) return give_up(written.error());
    if (!written) base::log::error("{}", written.error().message);
  }

  int code() const { return code_; }
  const Cgroups& cgroups() const { return cgroups_; }

 private:
  void stop() {
    stopping_ = true;
    if (keeper_ == 0) return loop_.stop();
    kill(keeper_, SIGTERM);
    impatience_.arm(std::chrono::seconds(8));
  }

  void ended(int code) {
    keeper_ = 0;
    channel_.reset();
    if (stopping_) return loop_.stop();
    if (code == kHopeless) {
      code_ = kHopeless;
      return loop_.stop();
    }
    base::log::error("the keeper ended with code {}, starting it again", code);
    again_.arm(delay_.after(loop_.now() - started_));
  }

  void give_up(const base::Error& error) {
    base::log::error("{}", error.message);
    code_ = 1;
    loop_.stop();
  }

  net::Loop& loop_;
  const HoldOptions& options_;
  Children children_;
  SignalWatch signals_;
  HostPorts ports_;
  Cgroups cgroups_;
  net::Timer again_;
  net::Timer impatience_;
  std::unique_ptr<PacketChannel> channel_;
  pid_t keeper_ = 0;
  net::Clock::time_point started_{};
  RestartDelay delay_{std::chrono::milliseconds(5'000)};
  bool stopping_ = false;
  int code_ = 0;
};

}  // namespace

int hold(const HoldOptions& options) {
  if (auto made = make_directory(options.state, 0700); !made) {
    base::log::error("{}", made.error().message);
    return 1;
  }
  Fd lock(open((options.state / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    base::log::error("{} is in use by another seine-localkube", options.state.string());
    return 3;
  }
  if (auto swept = sweep(options.state); !swept) {
    base::log::error("{}", swept.error().message);
    return 1;
  }
  net::Loop loop;
  Hold process(loop, options);
  loop.post([&] { process.start(); });
  loop.run();
  Cgroups::remove_all(process.cgroups().own());
  retire_file(options.state / "hold.json");
  return process.code();
}

}  // namespace localkube
