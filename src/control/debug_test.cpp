// SPDX-License-Identifier: Apache-2.0
#include "control/debug.h"

#include <gtest/gtest.h>

namespace control {
namespace {

net::Address at(const char* ip) { return *net::Address::parse(ip, 40000); }

http::RequestHead get(std::string path) {
  http::RequestHead head;
  head.path = std::move(path);
  return head;
}

TEST(DebugPages, MetricsAreForEverybodyAndTheMeshForTheLoopback) {
  for (const char* open : {"/metrics", "/version", "/"}) EXPECT_TRUE(DebugPages::is_open(get(open), at("10.10.0.7")));
  for (const char* shut : {"/debug", "/debug/syncz", "/debug/configz?x=y", "/debug/registryz", "/debug/none"}) {
    EXPECT_FALSE(DebugPages::is_open(get(shut), at("10.10.0.7"))) << shut;
    EXPECT_FALSE(DebugPages::is_open(get(shut), at("fd00::127.0.0.1"))) << shut;
    for (const char* loopback : {"127.0.0.1", "::1", "::ffff:127.0.0.1"})
      EXPECT_TRUE(DebugPages::is_open(get(shut), at(loopback))) << loopback;
  }
}

TEST(DebugPages, OnlyAccountsOfTheControlPlanesNamespaceAreAnswered) {
  Identity istiod{.ns = "istio-system", .service_account = "istiod", .pod = ""};
  Identity other{.ns = "default", .service_account = "istiod", .pod = ""};
  EXPECT_FALSE(DebugPages::refusal(istiod, "istio-system"));
  EXPECT_EQ(DebugPages::refusal(other, "istio-system")->status, 403);
  EXPECT_EQ(DebugPages::refusal(base::fail(base::ErrorKind::Denied, "no"), "istio-system")->status, 401);
  EXPECT_EQ(DebugPages::refusal(base::fail(base::ErrorKind::Unavailable, "no API"), "istio-system")->status, 503);
}

TEST(DebugPages, ATokenComesInEitherHeaderAndOnlyOnce) {
  http::RequestHead head = get("/debug/syncz");
  EXPECT_FALSE(DebugPages::token_of(head));
  head.headers.add("authorization", "Basic eA==");
  EXPECT_FALSE(DebugPages::token_of(head));
  head.headers.add("x-istiod-authorization", "Bearer a.b.c");
  EXPECT_EQ(DebugPages::token_of(head), "a.b.c");
  head.headers.add("x-istiod-authorization", "Bearer d.e.f");
  EXPECT_FALSE(DebugPages::token_of(head));
}

}  // namespace
}  // namespace control
