// SPDX-License-Identifier: Apache-2.0
#include "fuzz/require.h"
#include "identity/jwks.h"
#include "proxy/filter/jwt_check.h"

using fuzz::require;

// A token on the first line, a key set behind it. Nothing verifies that names an algorithm which is not spoken, or
// once a byte of its signature is another; what has no fault of form is a token.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const size_t line = text.find('\n');
  const std::string_view first = text.substr(0, line);
  auto token = identity::Jwt::parse(first);
  const std::string_view problem = proxy::problem_of_form(first);
  if (token && problem.empty()) require(identity::Jwks::supports(token->algorithm()));
  require(problem.empty() || proxy::code_of_problem(problem));
  auto keys = identity::Jwks::parse(line == text.npos ? std::string_view() : text.substr(line + 1));
  require(!keys || keys->size() > 0);
  if (!token || !keys || keys->verify(*token) != identity::Jwks::Verdict::Good) return 0;
  require(identity::Jwks::supports(token->algorithm()));
  token->signature[token->signature.size() / 2] ^= 1;
  require(keys->verify(*token) != identity::Jwks::Verdict::Good);
  return 0;
}
