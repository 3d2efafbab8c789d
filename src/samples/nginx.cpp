// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/strings.h"
#include "samples/access_line.h"
#include "samples/programs.h"
#include "samples/serve.h"

namespace samples {

static constexpr std::string_view kWelcome = R"(<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>This pod stands in for the nginx image: a page to fetch and a shell to work in.</p>
</body>
</html>
)";

static net::Task<void> answer(std::shared_ptr<http::Exchange> exchange) {
  std::string_view path = exchange->request().path_only();
  bool found = path == "/" || path == "/index.html";
  const int status = found ? 200 : 404;
  std::string body = found ? std::string(kWelcome) : "<html><body><h1>404 Not Found</h1></body></html>\n";
  const http::RequestHead& request = exchange->request();
  std::puts(access_line(request, exchange->is_http2() ? "HTTP/2.0" : "HTTP/1.1", exchange->remote().ip(), status,
                        request.method == "HEAD" ? 0 : body.size(), std::time(nullptr))
                .c_str());
  std::fflush(stdout);
  exchange->respond(status, std::move(body), "text/html");
  co_return;
}

int nginx() { return serve(base::parse_number<uint16_t>(environment("PORT", "80")).value_or(80), answer); }

}  // namespace samples
