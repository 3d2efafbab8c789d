// SPDX-License-Identifier: Apache-2.0
// A null relay: copies bytes between each client and one backend connection of its own, and nothing else. The floor
// for what a proxy in user space can cost. relay LISTEN_PORT BACKEND_PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kMostFds = 65536, kPiece = 16384 };
static int peer_of[kMostFds];  // descriptor -> the other side; 0: none

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void prepare(int epoll, int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void drop(int fd) {
  int other = peer_of[fd];
  peer_of[fd] = peer_of[other] = 0;
  close(fd);
  if (other) close(other);
}

static void copy(int fd) {
  static char piece[kPiece];
  ssize_t size = read(fd, piece, sizeof piece);
  if (size <= 0) {
    if (size < 0 && errno == EAGAIN) return;
    drop(fd);
    return;
  }
  for (ssize_t sent = 0; sent < size;) {
    ssize_t now = write(peer_of[fd], piece + sent, (size_t)(size - sent));
    if (now < 0 && errno != EINTR) {
      drop(fd);
      return;
    }
    if (now > 0) sent += now;
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in own = loopback(atoi(argv[1])), backend = loopback(atoi(argv[2]));
  if (bind(listener, (struct sockaddr*)&own, sizeof own) || listen(listener, 4096)) {
    perror("relay");
    return 1;
  }
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        if (peer_of[fd]) copy(fd);
        continue;
      }
      int client = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
      if (client < 0) continue;
      if (connect(server, (struct sockaddr*)&backend, sizeof backend)) {
        close(client);
        close(server);
        continue;
      }
      peer_of[client] = server;
      peer_of[server] = client;
      prepare(epoll, client);
      prepare(epoll, server);
    }
  }
}
