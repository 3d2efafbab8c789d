// SPDX-License-Identifier: Apache-2.0
#include "kube/watcher.h"

#include <gtest/gtest.h>

#include "http/server.h"

namespace kube {
namespace {

using namespace std::chrono_literals;

Json config_map(const std::string& name, const std::string& version) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", name}, {"namespace", "default"}, {"resourceVersion", version}}}};
}

// An API server that follows a script: one answer for each request, in order.
struct Script {
  struct Step {
    std::string expected;  // of the request's target
    int status = 200;
    std::vector<std::string> pieces;  // of the body
    bool breaks = false;              // ends the connection in the middle
    bool stays = false;               // leaves the response open
  };
  std::vector<Step> steps;
  size_t done = 0;
  std::vector<std::string> requests;
};

net::Task<void> answer(std::shared_ptr<http::Exchange> exchange, Script& script) {
  const http::RequestHead& request = exchange->request();
  script.requests.push_back(request.path);
  if (script.done == script.steps.size()) co_return;
  const Script::Step& step = script.steps[script.done++];
  EXPECT_NE(request.path.find(step.expected), std::string::npos) << request.path << " has no " << step.expected;
  http::ResponseHead head;
  head.status = step.status;
  head.headers.add("content-type", "application/json");
  exchange->start(std::move(head));
  for (const std::string& piece : step.pieces) {
    base::Result<void> written = co_await exchange->write(piece);
    co_await net::sleep(net::Loop::current(), 1ms);  // so that each leaves by itself
  }
  net::Oneshot<bool> gone;
  exchange->on_closed([gone] { gone.set(true); });
  if (step.stays) co_await gone.wait();
  if (step.breaks) {
    exchange->abort();
  } else {
    exchange->finish();
  }
}

std::string list_of(std::vector<Json> items, const std::string& version) {
  const Json metadata = {{"resourceVersion", version}};
  return Json{{"kind", "ConfigMapList"}, {"apiVersion", "v1"}, {"metadata", metadata}, {"items", items}}.dump();
}
std::string event(const std::string& type, Json object) {
  return Json{{"type", type}, {"object", std::move(object)}}.dump() + "\n";
}

net::Task<void> wait_for(net::Oneshot<bool> done) { co_await done.wait(); }

class Watching : public testing::Test {
 protected:
  // Runs the script and returns what was told, until `last` is.
  std::vector<std::string> told_until(const std::string& last) {
    http::Server server(
        loop_, [this](std::shared_ptr<http::Exchange> exchange) { return answer(std::move(exchange), script_); });
    Access access{.host = "127.0.0.1", .tls = false};
    access.port = server.listen(*net::Address::parse("127.0.0.1", 0)).value().port();
    auto client = Client::make(loop_, access).value();
    std::vector<std::string> told;
    net::Oneshot<bool> done;
    Watcher watcher(*client, {"", "v1", "configmaps"}, [&](Watcher::Event what, const Object& object) {
      constexpr const char* kNames[] = {"added ", "modified ", "deleted ", "synced"};
      told.push_back(kNames[static_cast<int>(what)] + std::string(object.name()));
      if (told.back() == last) done.set(true);
    });
    net::run_to_end(loop_, wait_for(done));
    return told;
  }

  net::Loop loop_;
  Script script_;
};

using Told = std::vector<std::string>;

TEST_F(Watching, TellsTheListThenEachChange) {
  const std::string change = event("MODIFIED", config_map("a", "4"));
  script_.steps = {
      {"/api/v1/configmaps?limit=", 200, {list_of({config_map("a", "1"), config_map("b", "2")}, "3")}},
      {"watch=true",
       200,
       {change.substr(0, 9),
        change.substr(9) + event("DELETED", config_map("b", "5")) + event("ADDED", config_map("c", "6"))},
       false,
       true},
  };
  EXPECT_EQ(told_until("added c"), (Told{"added a", "added b", "synced", "modified a", "deleted b", "added c"}));
  EXPECT_NE(script_.requests[1].find("resourceVersion=3"), std::string::npos);
}

TEST_F(Watching, ResumesAfterTheLastBookmarkWhenTheWatchEnds) {
  script_.steps = {
      {"?limit=", 200, {list_of({}, "3")}},
      {"resourceVersion=3",
       200,
       {event("ADDED", config_map("a", "4")), event("BOOKMARK", {{"metadata", {{"resourceVersion", "9"}}}})}},
      {"resourceVersion=9", 200, {event("ADDED", config_map("b", "10"))}, true},
      {"resourceVersion=10", 200, {event("ADDED", config_map("c", "11"))}, false, true},
  };
  EXPECT_EQ(told_until("added c"), (Told{"synced", "added a", "added b", "added c"}));
}

TEST_F(Watching, ListsAgainWhenItsPositionIsGoneAndTellsOnlyWhatDiffers) {
  script_.steps = {
      {"?limit=", 200, {list_of({config_map("a", "1"), config_map("b", "2"), config_map("c", "3")}, "3")}},
      {"resourceVersion=3", 200, {event("ERROR", {{"kind", "Status"}, {"code", 410}})}},
      {"?limit=", 200, {list_of({config_map("a", "1"), config_map("b", "7"), config_map("d", "8")}, "8")}},
      {"resourceVersion=8", 410, {"{}"}},
      {"?limit=",
       200,
       {list_of({config_map("a", "1"), config_map("b", "7"), config_map("d", "8"), config_map("e", "9")}, "9")}},
      {"resourceVersion=9", 200, {}, false, true},
  };
  EXPECT_EQ(told_until("added e"),
            (Told{"added a", "added b", "added c", "synced", "modified b", "added d", "deleted c", "added e"}));
}

TEST_F(Watching, ATableThatDoesNotExistYetIsEmptyAndTriedAgain) {
  script_.steps = {
      {"?limit=", 404, {R"({"kind":"Status","message":"the server could not find the requested resource"})"}},
      {"?limit=", 503, {"{}"}},
      {"?limit=", 200, {list_of({config_map("a", "1")}, "1")}},
      {"resourceVersion=1", 200, {}, false, true},
  };
  EXPECT_EQ(told_until("added a"), (Told{"synced", "added a"}));
}

}  // namespace
}  // namespace kube
