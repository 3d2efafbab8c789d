// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "samples/programs.h"
#include "samples/serve.h"

namespace samples {

// Some work for each request, as the original does, so that load shows.
static void burn() {
  volatile double sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum = sum + std::sqrt(i);
}

static net::Task<void> answer(std::shared_ptr<http::Exchange> exchange) {
  std::string_view path = exchange->request().path_only();
  if (path == "/hello") {
    burn();
    exchange->respond(200,
                      "Hello version: " + environment("SERVICE_VERSION", "v1") + ", instance: " + instance() + "\n");
  } else if (path == "/health") {
    exchange->respond(200, "Helloworld is healthy");
  } else {
    exchange->respond(404, "not found: try /hello\n");
  }
  co_return;
}

int helloworld() { return serve(5000, answer); }

}  // namespace samples
