// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "samples/tools/tools.h"

namespace samples {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

volatile sig_atomic_t interrupted = 0;  // by Ctrl-C; a signal handler can reach nothing else

struct Tally {
  int sent = 0, received = 0;
  double least = 0, sum = 0, most = 0;  // milliseconds

  void add(double ms) {
    least = received == 0 ? ms : std::min(least, ms);
    most = std::max(most, ms);
    sum += ms;
    ++received;
  }
};

// The time to live of the answer to number `sequence`, or -1: none came by `limit`.
int await_answer(int fd, uint16_t sequence, Clock::time_point limit) {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now()).count();
    pollfd wait{fd, POLLIN, 0};
    if (left <= 0 || interrupted || poll(&wait, 1, static_cast<int>(left)) == 0) return -1;
    icmphdr head{};
    char body[128], control[64];
    iovec pieces[] = {{&head, sizeof head}, {body, sizeof body}};
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd, &message, MSG_DONTWAIT) < static_cast<ssize_t>(sizeof head)) continue;
    if (head.type != ICMP_ECHOREPLY || ntohs(head.un.echo.sequence) != sequence) continue;
    int ttl = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) std::memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
    return ttl;
  }
}

}  // namespace

int ping(const std::vector<std::string>& words) {
  auto line = command_line("c:i:W:w:4q", words);
  if (!line || line->rest.size() != 1)
    return std::fprintf(stderr, "usage: ping [-c COUNT] [-i SECONDS] [-W SECONDS] HOST\n"), 1;
  const std::string& host = line->rest[0];
  const int count = std::atoi(line->value('c', "0").c_str());
  const double interval = std::max(0.1, std::atof(line->value('i', "1").c_str()));
  const double patience = std::max(0.1, std::atof(line->value('W', "10").c_str()));
  const double whole = std::atof(line->value('w', "0").c_str());
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0)
    return std::fprintf(stderr, "ping: bad address '%s'\n", host.c_str()), 1;
  sockaddr_in to{};
  std::memcpy(&to, found->ai_addr, sizeof to);
  freeaddrinfo(found);
  char address[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &to.sin_addr, address, sizeof address);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP), on = 1;
  if (fd < 0) return std::fprintf(stderr, "ping: %s; see net.ipv4.ping_group_range\n", std::strerror(errno)), 1;
  setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  std::printf("PING %s (%s): 56 data bytes\n", host.c_str(), address);
  std::fflush(stdout);
  Tally tally;
  auto began = Clock::now();
  auto over = [&] {
    return interrupted || (count > 0 && tally.sent >= count) ||
           (whole > 0 && Milliseconds(Clock::now() - began).count() >= whole * 1000);
  };
  while (!over()) {
    auto sequence = static_cast<uint16_t>(tally.sent++);
    char packet[sizeof(icmphdr) + 56] = {};
    icmphdr head{};
    head.type = ICMP_ECHO;
    head.un.echo.sequence = htons(sequence);
    std::memcpy(packet, &head, sizeof head);
    auto at = Clock::now();
    if (sendto(fd, packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0)
      std::fprintf(stderr, "ping: sendto: %s\n", std::strerror(errno));
    auto limit = at + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(patience));
    if (int ttl = await_answer(fd, sequence, limit); ttl >= 0) {
      double ms = Milliseconds(Clock::now() - at).count();
      tally.add(ms);
      if (!line->has('q')) std::printf("64 bytes from %s: seq=%u ttl=%d time=%.3f ms\n", address, sequence, ttl, ms);
      std::fflush(stdout);
    }
    Milliseconds rest = std::chrono::duration<double>(interval) - (Clock::now() - at);
    if (!over() && rest.count() > 0) poll(nullptr, 0, static_cast<int>(rest.count()));
  }
  int lost = tally.sent == 0 ? 0 : 100 * (tally.sent - tally.received) / tally.sent;
  std::printf("\n--- %s ping statistics ---\n%d packets transmitted, %d packets received, %d%% packet loss\n",
              host.c_str(), tally.sent, tally.received, lost);
  if (tally.received > 0)
    std::printf("round-trip min/avg/max = %.3f/%.3f/%.3f ms\n", tally.least, tally.sum / tally.received, tally.most);
  return tally.received > 0 ? 0 : 1;
}

}  // namespace samples
