// SPDX-License-Identifier: Apache-2.0
// Bytes without end over TCP: `bulk serve PORT` sends them to whoever connects; `bulk take PORT SECONDS CONNECTIONS` reads
// and drops them, and prints how many whole megabytes came.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kPiece = 256 * 1024, kMost = 64 };
static char piece[kPiece];

static struct sockaddr_in loopback(const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int serve(const char* port) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in own = loopback(port);
  if (bind(listener, (struct sockaddr*)&own, sizeof own) || listen(listener, 64)) return 1;
  struct pollfd all[kMost] = {{.fd = listener, .events = POLLIN}};
  int count = 1;
  for (;;) {
    poll(all, (nfds_t)count, -1);
    if ((all[0].revents & POLLIN) && count < kMost) {
      all[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLOUT};
    }
    for (int i = 1; i < count; ++i) {
      if (all[i].revents && send(all[i].fd, piece, kPiece, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        close(all[i].fd);
        all[i--] = all[--count];
      }
    }
  }
}

static int take(const char* port, double seconds, int connections) {
  struct pollfd all[kMost];
  struct sockaddr_in to = loopback(port);
  for (int i = 0; i < connections; ++i) {
    all[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
    if (connect(all[i].fd, (struct sockaddr*)&to, sizeof to)) return 1;
  }
  double end = now() + seconds;
  unsigned long long bytes = 0;
  while (now() < end) {
    poll(all, (nfds_t)connections, 100);
    for (int i = 0; i < connections; ++i) {
      if (!(all[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      ssize_t got = recv(all[i].fd, piece, kPiece, MSG_DONTWAIT | MSG_TRUNC);
      if (got <= 0) return 1;
      bytes += (unsigned long long)got;
    }
  }
  printf("%llu megabytes\n", bytes >> 20);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  if (argc == 5 && !strcmp(argv[1], "take") && atoi(argv[4]) < kMost) return take(argv[2], atof(argv[3]), atoi(argv[4]));
  return 2;
}
