// SPDX-License-Identifier: Apache-2.0
// Answers every HTTP/1.1 request head (GET, no body) with 200 and a body of SIZE bytes, pipelined ones too.
// backend PORT SIZE
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kMostFds = 65536 };
static unsigned char matched[kMostFds];  // how much of CR LF CR LF the connection has shown

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  size_t body = (size_t)atol(argv[2]);
  char* answer = malloc(body + 128);
  size_t size = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n\r\n", body);
  memset(answer + size, 'x', body);
  size += body;

  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr*)&own, sizeof own) || listen(listener, 4096)) {
    perror("backend");
    return 1;
  }
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  static char input[65536];
  for (;;) {
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        matched[client] = 0;
        struct epoll_event added = {.events = EPOLLIN, .data.fd = client};
        epoll_ctl(epoll, EPOLL_CTL_ADD, client, &added);
        continue;
      }
      ssize_t got = read(fd, input, sizeof input);
      if (got <= 0) {
        close(fd);
        continue;
      }
      for (ssize_t at = 0; at < got; ++at) {
        char wanted = matched[fd] % 2 ? '\n' : '\r';
        matched[fd] = input[at] == wanted ? matched[fd] + 1 : input[at] == '\r';
        if (matched[fd] < 4) continue;
        matched[fd] = 0;
        for (size_t sent = 0; sent < size;) {
          ssize_t now = write(fd, answer + sent, size - sent);
          if (now < 0 && errno != EINTR) break;
          if (now > 0) sent += (size_t)now;
        }
      }
    }
  }
}
