// SPDX-License-Identifier: Apache-2.0
// A whole cluster of real processes. Needs root: its network and its pods are namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <filesystem>

#include "base/file.h"
#include "base/strings.h"
#include "kube/client.h"
#include "localkube/fields.h"
#include "localkube/process/cgroups.h"
#include "localkube/process/files.h"
#include "localkube/process/program.h"
#include "localkube/process/spawn.h"
#include "localkube/testing/spdy_peer.h"
#include "net/tls.h"

namespace localkube {
namespace {

using base::Json;
using testing::HasSubstr;

const kube::Resource kPods{"", "v1", "pods"};
const kube::Resource kServices{"", "v1", "services"};
constexpr auto kPatience = std::chrono::seconds(60);  // of a busy machine

// Children of a process, and theirs.
std::vector<pid_t> descendants(pid_t of) {
  std::map<pid_t, std::vector<pid_t>> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    auto pid = base::parse_number<pid_t>(entry.path().filename().string());
    auto stat = pid ? base::read_file(entry.path() / "stat") : base::fail(base::ErrorKind::NotFound, "");
    if (!stat) continue;
    auto fields = base::split(std::string_view(*stat).substr(stat->rfind(')') + 2), ' ');
    children[base::parse_number<pid_t>(fields[1]).value_or(0)].push_back(*pid);
  }
  std::vector<pid_t> out = children[of];
  for (size_t i = 0; i < out.size(); i++) out.insert(out.end(), children[out[i]].begin(), children[out[i]].end());
  return out;
}

Json pod(const std::string& name, const std::string& script) {
  Json container = {{"name", "main"}, {"image", "busybox"}, {"command", {"sh", "-c", script}}};
  return {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", {{"name", name}, {"namespace", "default"}, {"labels", {{"app", name}}}}},
      {"spec",
       {{"restartPolicy", "Never"}, {"terminationGracePeriodSeconds", 1}, {"containers", Json::array({container})}}}};
}

// Answers "hi" on port 8080; Perl is on every Debian.
const std::string kServer =
    "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalPort=>8080,Listen=>9,ReuseAddr=>1)||die;"
    "while($c=$s->accept){while(<$c>){last if /^\\r?$/}print $c \"HTTP/1.0 200 OK\\r\\nContent-Length: "
    "3\\r\\n\\r\\nhi\\n\";close $c}'";

class ClusterTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    state_ = std::filesystem::temp_directory_path() / ("localkube_test." + std::to_string(getpid()));
    std::filesystem::create_directories(state_);
    start();
  }
  static void TearDownTestSuite() {
    kill(hold_, SIGTERM);
    waitpid(hold_, nullptr, 0);
    for (const auto& group : groups_) EXPECT_FALSE(std::filesystem::exists(group)) << "nothing is left behind";
    std::filesystem::remove_all(state_);
  }

  static void start() {
    std::filesystem::remove(state_ / "kubeconfig");
    auto pid = spawn_self({.argv = {"hold", "--state", state_.string()}, .life = Spawn::Life::EndsWithParent});
    ASSERT_TRUE(pid) << pid.error().message;
    hold_ = *pid;
    ASSERT_TRUE(until([] { return answers(); })) << "the cluster did not start; these tests need root";
    groups_ = Cgroups::open(state_).own();
  }

  // Tries until it is so, or until patience ends.
  static bool until(std::function<bool()> so) {
    auto limit = net::Clock::now() + kPatience;
    while (!so()) {
      if (net::Clock::now() > limit) return false;
      usleep(10'000);
    }
    return true;
  }

  static base::Result<http::Response> ask(std::string method, std::string path, const Json& body = nullptr) {
    auto access = kube::find_access((state_ / "kubeconfig").string());
    if (!access) return std::unexpected(access.error());
    net::Loop loop;
    auto client = kube::Client::make(loop, *access);
    if (!client) return std::unexpected(client.error());
    std::string text = body.is_null() ? "" : body.dump();
    return net::run_to_end(loop, (*client)->request(method, path, text, "application/json"));
  }
  static bool answers() {
    if (!std::filesystem::exists(state_ / "kubeconfig")) return false;
    auto ready = ask("GET", "/readyz");
    auto account = ask("GET", "/api/v1/namespaces/default/serviceaccounts/default");
    return ready && ready->status == 200 && account && account->status == 200;
  }
  static void create(const Json& object) {
    std::string plural = object["kind"] == "Pod" ? "pods" : "services";
    auto made = ask("POST", "/api/v1/namespaces/default/" + plural, object);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->status, 201) << made->body;
  }
  static Json get(const std::string& name) {
    auto found = ask("GET", "/api/v1/namespaces/default/pods/" + name);
    auto json = found ? base::parse_json(found->body) : base::Result<Json>(Json());
    return json ? *json : Json();
  }
  static std::string log(const std::string& name, const std::string& options = "") {
    auto text = ask("GET", "/api/v1/namespaces/default/pods/" + name + "/log?" + options);
    return text ? text->body : text.error().message;
  }
  static bool ready(const std::string& name) {
    Json object = get(name);
    for (const Json& condition : items(object, "status", "conditions"))
      if (condition["type"] == "Ready") return condition["status"] == "True";
    return false;
  }
  static std::string phase(const std::string& name) { return string_at(get(name), "status", "phase"); }
  static pid_t keeper() {
    auto record = base::read_file(state_ / "hold.json");
    auto json = record ? base::parse_json(*record) : base::Result<Json>(Json());
    return json ? static_cast<pid_t>(number(*json, "keeper")) : 0;
  }

  static std::filesystem::path state_;
  static pid_t hold_;
  static std::vector<std::filesystem::path> groups_;
};

std::filesystem::path ClusterTest::state_;
pid_t ClusterTest::hold_ = 0;
std::vector<std::filesystem::path> ClusterTest::groups_;

TEST_F(ClusterTest, ASubPathIsMadeInVolumesOfMemoryAndOfTheDisk) {
  Json object = pod("sub", "touch /memory/file /disk/file && cat /proc/self/mounts");
  object["spec"]["volumes"] = {{{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}}}},
                               {{"name", "disk"}, {"emptyDir", Json::object()}}};
  object["spec"]["containers"][0]["volumeMounts"] = {{{"name", "memory"}, {"mountPath", "/memory"}, {"subPath", "a/b"}},
                                                     {{"name", "disk"}, {"mountPath", "/disk"}, {"subPath", "a/b"}}};
  create(object);
  ASSERT_TRUE(until([] { return phase("sub") == "Succeeded" || phase("sub") == "Failed"; })) << get("sub").dump(2);
  EXPECT_EQ(phase("sub"), "Succeeded") << get("sub").dump(2);
  EXPECT_THAT(log("sub"), HasSubstr("tmpfs /memory tmpfs"));
}

TEST_F(ClusterTest, APodRunsAndItsOutputAndExitCodeAreKept) {
  create(pod("speaks", "echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(until([] { return phase("speaks") == "Failed"; })) << get("speaks").dump(2);
  EXPECT_EQ(number(get("speaks")["status"]["containerStatuses"][0], "state", "terminated", "exitCode"), 3);
  std::string text = log("speaks");
  EXPECT_THAT(text, HasSubstr("out\n"));
  EXPECT_THAT(text, HasSubstr("err\n"));
}

bool told(const Json& events, const std::string& pod, const std::string& reason) {
  for (const Json& event : items(events, "items"))
    if (string_at(event, "involvedObject", "name") == pod && base::text(event, "reason") == reason) return true;
  return false;
}

TEST_F(ClusterTest, MemoryBeyondTheLimitEndsTheContainerOrItIsToldThatNothingLimitsIt) {
  Json greedy = pod("greedy", "perl -e '$x = \"a\" x 200_000_000; print length $x'");
  greedy["spec"]["containers"][0]["resources"] = {{"limits", {{"memory", "32Mi"}, {"cpu", "500m"}}}};
  create(greedy);
  ASSERT_TRUE(until([] { return phase("greedy") == "Failed" || phase("greedy") == "Succeeded"; }));
  const Json end = get("greedy")["status"]["containerStatuses"][0]["state"]["terminated"];
  if (Cgroups::open(state_).limits_memory()) {
    EXPECT_EQ(number(end, "exitCode"), 137);
    EXPECT_EQ(string_at(end, "reason"), "OOMKilled");
    auto its = [uid = string_at(get("greedy"), "metadata", "uid")](const auto& group) {
      return group.starts_with(uid);
    };
    EXPECT_TRUE(until([&] {
      auto groups = Cgroups::open(state_).groups();
      return std::none_of(groups.begin(), groups.end(), its);
    })) << "its group goes with it";
  } else {
    auto events = ask("GET", "/api/v1/namespaces/default/events");
    ASSERT_TRUE(events);
    EXPECT_TRUE(told(*base::parse_json(events->body), "greedy", "LimitsNotEnforced")) << events->body;
  }
}

TEST_F(ClusterTest, AForkBombFillsItsContainerOnly) {
  if (!Cgroups::open(state_).limits_processes()) GTEST_SKIP() << "no control groups can be made here";
  create(pod("bomber",
             "exec perl -MPOSIX -e '$| = 1; while ($n < 5000) { $p = fork; if (!defined $p) { print \"$!\\n\"; last } "
             "if (!$p) { POSIX::pause() } $n++ } print(($n < 1024) ? \"held\\n\" : \"$n\\n\"); exit 1'"));
  ASSERT_TRUE(until([] { return phase("bomber") == "Failed"; })) << get("bomber").dump(2);
  EXPECT_EQ(log("bomber"), "Resource temporarily unavailable\nheld\n");
}

TEST_F(ClusterTest, AContainerSeesNothingOfTheHostAndHasNoRights) {
  create(
      pod("curious",
          "ls -d /root/* /home/* /etc/shadow 2>/dev/null; grep CapBnd /proc/self/status; "
          "(echo 1 > /proc/sys/kernel/sysrq) 2>/dev/null && echo wrote; touch /usr/x 2>/dev/null && echo wrote; true"));
  ASSERT_TRUE(until([] { return phase("curious") == "Succeeded"; })) << get("curious").dump(2);
  EXPECT_EQ(log("curious"), "CapBnd:\t0000000000000000\n");
}

// By their numbers, as a program would that brings its own.
TEST_F(ClusterTest, AContainerMakesNoNamespacesMountsNothingAndCannotChangeTheMachinesDevices) {
  struct stat before{}, after{};
  ASSERT_EQ(stat("/dev/full", &before), 0);
  create(pod("escapes",
             "perl -e 'use POSIX; sub try { my $n = shift; my $r = syscall($n, @_); "
             "printf \"%s\\n\", $r == -1 ? POSIX::strerror($!) : \"done\" }"
             "try(" +
                 std::to_string(SYS_unshare) + ", 0x10000000); try(" + std::to_string(SYS_unshare) + ", 0x400); try(" +
                 std::to_string(SYS_clone) + ", 0x10000011, 0, 0, 0, 0); try(" + std::to_string(SYS_clone3) +
                 ", 0, 0); try(" + std::to_string(SYS_setns) + ", 0, 0); try(" + std::to_string(SYS_mount) +
                 ", 0, 0, 0, 0, 0)'; "
                 "grep Seccomp: /proc/self/status; chmod 600 /dev/full 2>/dev/null && echo changed; "
                 "echo x > /dev/null && echo written; (echo y > /dev/full) 2>/dev/null || echo full"));
  ASSERT_TRUE(until([] { return phase("escapes") == "Succeeded"; })) << get("escapes").dump(2) << log("escapes");
  std::string refused = "Operation not permitted\n";
  EXPECT_EQ(log("escapes"), refused + "done\n" + refused + "Function not implemented\n" + refused + refused +
                                "Seccomp:\t2\nwritten\nfull\n");
  ASSERT_EQ(stat("/dev/full", &after), 0);
  EXPECT_EQ(before.st_mode, after.st_mode);
}

TEST_F(ClusterTest, WhatHasNoOwnerAnyMoreGoesAndOwnersAreFew) {
  const std::string maps = "/api/v1/namespaces/default/configmaps";
  auto map = [](const std::string& name, const Json& owners) {
    return Json{
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}, {"ownerReferences", owners}}}};
  };
  auto owner = [](const std::string& name, const std::string& uid) {
    return Json{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", name}, {"uid", uid}};
  };
  auto made = ask("POST", maps, map("owner", Json::array()));
  ASSERT_TRUE(made && made->status == 201) << made->body;
  std::string uid = string_at(*base::parse_json(made->body), "metadata", "uid");
  ASSERT_EQ(ask("POST", maps, map("kept", Json::array({owner("gone", "1-2"), owner("owner", uid)})))->status, 201);
  ASSERT_EQ(ask("POST", maps, map("stray", Json::array({owner("owner", "1-2"), owner("gone", uid + "x")})))->status,
            201);
  EXPECT_TRUE(until([&] { return ask("GET", maps + "/stray")->status == 404; }));
  EXPECT_EQ(ask("GET", maps + "/kept")->status, 200);
  ASSERT_EQ(ask("DELETE", maps + "/owner")->status, 200);
  EXPECT_TRUE(until([&] { return ask("GET", maps + "/kept")->status == 404; }));
  Json many = Json::array();
  for (int i = 0; i < 65; i++) many.push_back(owner("owner", std::to_string(i)));
  auto refused = ask("POST", maps, map("owned", many));
  EXPECT_EQ(refused->status, 422);
  EXPECT_THAT(refused->body, HasSubstr("metadata.ownerReferences"));
}

TEST_F(ClusterTest, AServiceReachesItsPodsAndAPodItself) {
  Json server = pod("server", "(until curl -s -m 2 http://hello/; do sleep 0.1; done) & " + kServer);
  server["spec"]["containers"][0]["readinessProbe"] = {{"tcpSocket", {{"port", 8080}}}};
  create(server);
  create(
      {{"apiVersion", "v1"},
       {"kind", "Service"},
       {"metadata", {{"name", "hello"}, {"namespace", "default"}}},
       {"spec", {{"selector", {{"app", "server"}}}, {"ports", Json::array({{{"port", 80}, {"targetPort", 8080}}})}}}});
  create(pod("client", "until curl -s -m 2 http://hello.default.svc.cluster.local; do sleep 0.1; done"));
  ASSERT_TRUE(until([] { return phase("client") == "Succeeded"; })) << get("client").dump(2) << log("client");
  EXPECT_EQ(log("client"), "hi\n");
  EXPECT_TRUE(until([] { return log("server").find("hi\n") != std::string::npos; })) << log("server");
}

// The API over TLS, as kubectl's streams use it.
net::Task<base::Result<std::unique_ptr<net::ByteStream>>> dial_api(net::Loop& loop, kube::Access access) {
  net::TlsSettings settings;
  settings.trusted_roots = access.roots;
  settings.certificate_chain = access.certificate;
  settings.private_key = access.key;
  net::ConnectOptions options;
  options.tls = CO_TRY(net::TlsContext::client(settings));
  options.server_name = access.host;
  auto address = net::Address::parse(access.host, access.port);
  auto stream = co_await net::connect(loop, *address, std::move(options));
  co_return stream;
}

TEST_F(ClusterTest, WhoAttachesHearsWhatIsSaidFromThenOnAndNobodyAttachesToWhatHasEnded) {
  Json object = pod("talks", "echo early; read said; echo got $said");
  object["spec"]["containers"][0]["stdin"] = true;
  create(object);
  ASSERT_TRUE(until([] { return log("talks") == "early\n" && phase("talks") == "Running"; })) << log("talks");
  net::Loop loop;
  auto access = kube::find_access((state_ / "kubeconfig").string());
  const std::string path = "/api/v1/namespaces/default/pods/talks/attach?stdin=true&stdout=true&container=main";
  const std::string protocol = "v4.channel.k8s.io";
  auto talk = [&]() -> net::Task<std::string> {
    auto stream = co_await dial_api(loop, *access);
    if (!stream) co_return stream.error().message;
    SpdyPeer peer(std::move(*stream));
    std::string head = co_await SpdyPeer::upgrade(&peer, path, protocol);
    if (!head.starts_with("HTTP/1.1 101")) co_return head;
    std::map<std::string, std::string> error = {{"streamtype", "error"}}, in = {{"streamtype", "stdin"}},
                                       out = {{"streamtype", "stdout"}};
    (void)co_await SpdyPeer::open(&peer, error);
    uint32_t to = co_await SpdyPeer::open(&peer, in);
    uint32_t from = co_await SpdyPeer::open(&peer, out);
    std::string line = "hello\n";
    co_await SpdyPeer::send(&peer, to, line);
    std::string said = co_await SpdyPeer::all_of(&peer, from);
    co_return said;
  };
  EXPECT_EQ(net::run_to_end(loop, talk()), "got hello\n");
  ASSERT_TRUE(until([] { return phase("talks") == "Succeeded"; }));
  std::string refused = net::run_to_end(loop, talk());
  EXPECT_THAT(refused, HasSubstr("HTTP/1.1 500"));
  EXPECT_THAT(refused, HasSubstr("unable to upgrade connection: container main not found in pod talks_default"));
}

TEST_F(ClusterTest, ACommandThatIsOverAtOnceIsNotOfferedForAttaching) {
  Json object = pod("quick", "echo done");
  object["spec"]["containers"][0]["stdin"] = true;
  auto made = ask("POST", "/api/v1/namespaces/default/pods", object);
  ASSERT_TRUE(made && made->status == 201);
  ASSERT_TRUE(until([] { return phase("quick") == "Succeeded"; })) << get("quick").dump(2);
  auto seen = ask("GET",
                  "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dquick&"
                  "resourceVersion=" +
                      string_at(*base::parse_json(made->body), "metadata", "resourceVersion"));
  ASSERT_TRUE(seen);
  EXPECT_THAT(seen->body, HasSubstr("\"phase\":\"Succeeded\""));
  EXPECT_EQ(seen->body.find("\"phase\":\"Running\""), std::string::npos) << seen->body;
}

TEST_F(ClusterTest, APortThatNobodyListensOnIsToldToWhoForwardsIt) {
  create(pod("silent", "exec sleep infinity"));
  ASSERT_TRUE(until([] { return ready("silent"); }));
  net::Loop loop;
  auto access = kube::find_access((state_ / "kubeconfig").string());
  auto talk = [&]() -> net::Task<std::string> {
    auto stream = co_await dial_api(loop, *access);
    if (!stream) co_return stream.error().message;
    SpdyPeer peer(std::move(*stream));
    const std::string path = "/api/v1/namespaces/default/pods/silent/portforward", protocol = "portforward.k8s.io";
    std::string head = co_await SpdyPeer::upgrade(&peer, path, protocol);
    if (!head.starts_with("HTTP/1.1 101")) co_return head;
    std::map<std::string, std::string> error = {{"streamtype", "error"}, {"port", "81"}, {"requestid", "0"}};
    std::map<std::string, std::string> data = {{"streamtype", "data"}, {"port", "81"}, {"requestid", "0"}};
    uint32_t told = co_await SpdyPeer::open(&peer, error, true);
    (void)co_await SpdyPeer::open(&peer, data);
    std::string said = co_await SpdyPeer::all_of(&peer, told);
    co_return said;
  };
  EXPECT_EQ(
      net::run_to_end(loop, talk()),
      "error forwarding port 81 to pod silent, uid " + string_at(get("silent"), "metadata", "uid") +
          ": failed to connect to localhost:81 inside the pod: dial tcp4 127.0.0.1:81: connect: connection refused");
}

TEST_F(ClusterTest, AnEventTellsWhereANodePortWentThatWasTaken) {
  Fd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  uint16_t port = 0;
  for (uint16_t candidate = 32000; port == 0 && candidate < 32767; candidate++) {
    auto address = net::Address::parse("127.0.0.1", candidate);
    if (bind(taken.get(), address->data(), address->size()) == 0 && listen(taken.get(), 1) == 0) port = candidate;
  }
  ASSERT_NE(port, 0);
  create({{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", "displaced"}, {"namespace", "default"}}},
          {"spec",
           {{"type", "NodePort"},
            {"selector", {{"app", "displaced"}}},
            {"ports", Json::array({{{"port", 80}, {"nodePort", port}}})}}}});
  std::string wanted = std::to_string(port);
  EXPECT_TRUE(until([&] {
    auto events = ask("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=displaced");
    return events && events->body.find("HostPortMoved") != std::string::npos &&
           events->body.find("node port " + wanted + " is at 127.0.0.1:") != std::string::npos &&
           events->body.find("as 127.0.0.1:" + wanted + " was not free") != std::string::npos;
  }));
}

// Sends datagrams to port 9 of the host named, the one that comes last by its own address.
const std::string kSpoofer =
    "use Socket; my ($to, $other) = map { inet_aton($_) } @ARGV;"
    "sub sum { my $s = 0; $s += $_ for unpack('n*', shift); $s = ($s & 0xffff) + ($s >> 16) while $s >> 16; ~$s & "
    "0xffff }"
    "sub datagram { my ($from, $said) = @_; my $n = 28 + length $said;"
    "my @head = (0x4500, $n, 0, 0, 0x4011, 0, $from, $to); my $head = pack('nnnnnna4a4', @head);"
    "$head[5] = sum($head); pack('nnnnnna4a4', @head) . pack('nnnn', 9, 9, $n - 20, 0) . $said }"
    "socket(my $raw, AF_INET, SOCK_RAW, 255) or die \"raw: $!\"; my $at = pack_sockaddr_in(0, $to);"
    "sub say_as { send($raw, datagram(@_), 0, $at) or die \"send: $!\" }"
    "my $own = inet_aton($ENV{IP}); say_as($own, 'first');"
    // Whoever hears it takes this pod for the one that it sends to.
    "socket(my $link, 17, SOCK_RAW, 0x0608) or die \"link: $!\"; my $i = `cat /sys/class/net/eth0/ifindex`;"
    "my $mac = `cat /sys/class/net/eth0/address`; chomp $mac; $mac = pack('H*', $mac =~ tr/://dr);"
    "my $all = \"\\xff\" x 6; for my $kind (1, 2) { send($link, $all . $mac . pack('n', 0x0806) . pack('nnCCn', 1, "
    "0x0800, 6, "
    "4, $kind) . $mac . $to . $mac . $to, 0, pack('SnlSCCa8', 17, 0x0806, $i, 0, 0, 6, $all)) or die \"arp: $!\" }"
    "say_as($other, 'as another'); say_as(inet_aton('10.10.0.1'), 'as the node'); "
    "say_as(inet_aton('10.10.77.77'), 'as nobody'); say_as($own, 'last');";

TEST_F(ClusterTest, APodSpeaksForNoOther) {
  create(pod("bystander", "exec sleep infinity"));
  create(pod("addressee",
             "exec perl -MSocket -e '$|=1; socket(S,AF_INET,SOCK_DGRAM,0); bind(S,pack_sockaddr_in(9,INADDR_ANY)) or "
             "die; print \"ready\\n\"; do { recv(S,$said,99,0); print \"$said\\n\" } until $said eq \"last\"'"));
  ASSERT_TRUE(until([] { return log("addressee") == "ready\n" && ready("bystander"); })) << log("addressee");
  auto address = [](const std::string& name) { return string_at(get(name), "status", "podIP"); };
  Json spoofer = pod("spoofer", "exec perl -e \"$SCRIPT\" " + address("addressee") + " " + address("bystander"));
  spoofer["spec"]["containers"][0]["securityContext"] = {{"capabilities", {{"add", {"NET_RAW", "NET_ADMIN"}}}}};
  spoofer["spec"]["containers"][0]["env"] = {
      {{"name", "SCRIPT"}, {"value", kSpoofer}},
      {{"name", "IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}};
  create(spoofer);
  ASSERT_TRUE(until([] { return phase("spoofer") == "Succeeded" || phase("spoofer") == "Failed"; }));
  ASSERT_EQ(log("spoofer"), "");
  EXPECT_TRUE(until([] { return phase("addressee") == "Succeeded"; }));
  EXPECT_EQ(log("addressee"), "ready\nfirst\nlast\n");
}

TEST_F(ClusterTest, InitContainersRunFirstAndASidecarDoesNotKeepAPodFromItsEnd) {
  Json object = pod("ordered", "cat /shared/said");
  Json volume = {{"name", "shared"}, {"mountPath", "/shared"}};
  Json first = {{"name", "first"},
                {"image", "busybox"},
                {"command", {"sh", "-c", "echo first > /shared/said"}},
                {"volumeMounts", Json::array({volume})}};
  Json sidecar = {{"name", "sidecar"},
                  {"image", "busybox"},
                  {"restartPolicy", "Always"},
                  {"command", {"sh", "-c", "echo sidecar >> /shared/said; touch /tmp/up; exec sleep infinity"}},
                  {"startupProbe", {{"exec", {{"command", {"test", "-e", "/tmp/up"}}}}}},
                  {"volumeMounts", Json::array({volume})}};
  object["spec"]["initContainers"] = Json::array({first, sidecar});
  object["spec"]["containers"][0]["volumeMounts"] = Json::array({volume});
  object["spec"]["volumes"] = Json::array({{{"name", "shared"}, {"emptyDir", Json::object()}}});
  create(object);
  ASSERT_TRUE(until([] { return phase("ordered") == "Succeeded"; })) << get("ordered").dump(2);
  EXPECT_EQ(log("ordered", "container=main"), "first\nsidecar\n");
}

TEST_F(ClusterTest, VariablesThatGrowExponentiallyAreRefused) {
  Json object = pod("bomb", "true");
  Json env = Json::array({{{"name", "C0"}, {"value", std::string(100, 'x')}}});
  for (int i = 1; i < 12; ++i) {
    std::string ten;
    for (int k = 0; k < 10; ++k) ten += "$(C" + std::to_string(i - 1) + ")";
    env.push_back({{"name", "C" + std::to_string(i)}, {"value", ten}});
  }
  object["spec"]["containers"][0]["env"] = std::move(env);
  create(object);
  EXPECT_TRUE(until([] {
    Json seen = get("bomb");
    const Json& containers = items(seen, "status", "containerStatuses");
    return !containers.empty() &&
           string_at(containers[0], "state", "waiting", "reason") == "CreateContainerConfigError";
  })) << get("bomb").dump(2);
}

TEST_F(ClusterTest, AKilledServeCostsNoPod) {
  create(pod("survivor", "i=0; while sleep 0.05; do echo $((i=i+1)); done"));
  ASSERT_TRUE(until([] { return ready("survivor"); })) << get("survivor").dump(2);
  pid_t serve = 0;
  for (pid_t pid : descendants(keeper()))
    if (auto name = base::read_file("/proc/" + std::to_string(pid) + "/comm");
        name && name->starts_with("localkube-serve"))
      serve = pid;
  ASSERT_NE(serve, 0);
  ASSERT_EQ(kill(serve, SIGKILL), 0);
  ASSERT_TRUE(until([&] { return kill(serve, 0) != 0 && answers(); }));
  std::string before = log("survivor", "tailLines=1");
  EXPECT_TRUE(until([&] { return log("survivor", "tailLines=1") != before; }));
  EXPECT_EQ(number(get("survivor")["status"]["containerStatuses"][0], "restartCount"), 0);
  // It can still be told what to do: it ends as asked.
  auto removed = ask("DELETE", "/api/v1/namespaces/default/pods/survivor");
  ASSERT_TRUE(removed);
  EXPECT_TRUE(until([] { return get("survivor").value("kind", "") == "Status"; })) << get("survivor").dump(2);
}

TEST_F(ClusterTest, AKilledHoldLeavesNothingAndPodsStartAgainWithTheNextOne) {
  Json object = pod("returns", "exec sleep infinity");
  object["spec"]["restartPolicy"] = "Always";
  create(object);
  ASSERT_TRUE(until([] { return ready("returns"); })) << get("returns").dump(2);
  std::vector<pid_t> ours = descendants(hold_);
  ASSERT_GE(ours.size(), 4u);  // keep, serve, shim, container
  kill(hold_, SIGKILL);
  waitpid(hold_, nullptr, 0);
  EXPECT_TRUE(until(
      [&] { return std::none_of(ours.begin(), ours.end(), [](pid_t pid) { return start_time(pid).has_value(); }); }));
  start();
  Json first = get("returns");
  bool restarted = number(first["status"]["containerStatuses"][0], "restartCount") == 1;
  for (const Json& condition : items(first, "status", "conditions"))
    if (condition["type"] == "Ready" && !restarted) {
      EXPECT_EQ(condition["status"], "False") << first.dump(2);
    }
  EXPECT_TRUE(until([] {
    return ready("returns") && number(get("returns")["status"]["containerStatuses"][0], "restartCount") == 1;
  })) << get("returns").dump(2);
}

}  // namespace
}  // namespace localkube

int main(int argc, char** argv) {
  // The cluster's parts are this executable again.
  std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "hold" || verb == "keep" || verb == "serve" || verb == "shim") return localkube::run_program(argc, argv);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
