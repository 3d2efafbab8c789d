// SPDX-License-Identifier: Apache-2.0
#include "fuzz/h2_session.h"

// Two bytes of instructions, then the frames that follow a client's preface and SETTINGS.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  fuzz::Owner owner;
  net::Buffer out;
  http::h2::Session session(http::h2::Role::Server, {}, owner, out);
  owner.session = &session;
  owner.server = true;
  owner.mood = data[1];
  session.receive(http::h2::kPreface, {});
  session.receive(std::string_view("\0\0\0\4\0\0\0\0\0", 9), {});
  fuzz::run(session, owner, out, {reinterpret_cast<const char*>(data) + 2, size - 2}, data[0]);
  return 0;
}
