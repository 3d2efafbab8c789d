// SPDX-License-Identifier: Apache-2.0
#include "fuzz/h2_session.h"

// Two bytes of instructions, then the frames of a server after its SETTINGS.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  fuzz::Owner owner;
  net::Buffer out;
  http::h2::Session session(http::h2::Role::Client, {}, owner, out);
  owner.session = &session;
  owner.mood = data[1];
  session.receive(std::string_view("\0\0\0\4\0\0\0\0\0", 9), {});
  http::RequestHead head;
  head.authority = "a";
  for (int i = 0; i < 4; ++i) {
    head.method = i == 2 ? "HEAD" : "GET";
    session.send_request(head, i != 1, nullptr);
  }
  fuzz::run(session, owner, out, {reinterpret_cast<const char*>(data) + 2, size - 2}, data[0]);
  return 0;
}
