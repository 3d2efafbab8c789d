// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/respond.h"

namespace localkube {

std::string dump(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

constexpr size_t kMostWarnings = 16;  // clients bound the headers that they read

std::string warning_value(std::string_view text) {
  std::string quoted = "299 - \"";
  for (char c : text.substr(0, 2048)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return quoted + "\"";
}

void respond_text(http::Exchange& exchange, int status, std::string json, std::string_view content_type) {
  http::Response response;
  response.status = status;
  response.headers.set("content-type", content_type);
  response.headers.set("cache-control", "no-cache, private");
  response.body = std::move(json);
  exchange.respond(std::move(response));
}

void respond_json(http::Exchange& exchange, int status, const Json& document, const std::vector<std::string>& warnings,
                  std::string_view content_type) {
  http::Response response;
  response.status = status;
  response.headers.set("content-type", content_type);
  response.headers.set("cache-control", "no-cache, private");
  for (size_t i = 0; i < warnings.size() && i < kMostWarnings; ++i)
    response.headers.add("warning", warning_value(warnings[i]));
  if (warnings.size() > kMostWarnings)
    response.headers.add("warning",
                         warning_value("and " + std::to_string(warnings.size() - kMostWarnings) + " more warnings"));
  response.body = dump(document);
  exchange.respond(std::move(response));
}

void respond_refusal(http::Exchange& exchange, const Refusal& refusal, const std::vector<std::string>& warnings) {
  respond_json(exchange, refusal.code, status_of(refusal), warnings);
}

}  // namespace localkube
