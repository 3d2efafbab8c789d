// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "localkube/api/refusal.h"

namespace localkube {

void respond_json(http::Exchange& exchange, int status, const Json& document,
                  const std::vector<std::string>& warnings = {}, std::string_view content_type = "application/json");
// JSON that is text already.
void respond_text(http::Exchange& exchange, int status, std::string json,
                  std::string_view content_type = "application/json");
void respond_refusal(http::Exchange& exchange, const Refusal& refusal, const std::vector<std::string>& warnings = {});

// "299 - \"text\"", the value of a Warning header.
std::string warning_value(std::string_view text);

std::string dump(const Json& document);

}  // namespace localkube
