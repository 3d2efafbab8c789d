// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/jwt_check.h"

#include <algorithm>
#include <ranges>

#include "base/strings.h"
#include "proxy/filter/cookie.h"
#include "proxy/runtime/worker.h"

namespace proxy {
namespace {

using Problem = JwtCheck::Problem;
constexpr Problem kUnknownIssuer = "Jwt issuer is not configured";
constexpr Problem kBadToken = "Jwt verification fails";

// As Envoy compares audiences: without scheme and trailing slash.
std::string_view bare(std::string_view audience) {
  for (std::string_view scheme : {"https://", "http://"})
    if (audience.starts_with(scheme)) {
      audience.remove_prefix(scheme.size());
      break;
    }
  if (audience.ends_with('/')) audience.remove_suffix(1);
  return audience;
}

// One of a token's dates, in Envoy's words where it is none.
struct Date {
  const char* name;
  Problem no_number, out_of_range;
};
constexpr Date kExpires{"exp", "Jwt payload [exp] field is not an integer",
                        "Jwt payload [exp] field must be a positive integer"};
constexpr Date kBegins{"nbf", "Jwt payload [nbf] field is not an integer",
                       "Jwt payload [nbf] field must be a positive integer"};
constexpr Date kIssued{"iat", "Jwt payload [iat] field is not an integer",
                       "Jwt payload [iat] field must be a positive integer"};

// The seconds of a NumericDate; nullopt: absent.
std::optional<int64_t> seconds_of(const base::Json& claims, const Date& date, Problem& problem) {
  auto it = claims.find(date.name);
  if (it == claims.end()) return std::nullopt;
  if (!it->is_number()) {
    problem = date.no_number;
    return 0;
  }
  double seconds = it->get<double>();
  if (seconds < 0 || seconds > 253402300799.0) {  // the year 9999
    problem = date.out_of_range;
    return 0;
  }
  return static_cast<int64_t>(seconds);
}

// Envoy's numbers of its words.
constexpr std::pair<int, Problem> kCodes[] = {
    {1, JwtCheck::kMissing},
    {2, "Jwt not yet valid"},
    {3, "Jwt is expired"},
    {4, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {5, "Jwt header is an invalid Base64url encoded"},
    {6, "Jwt header is an invalid JSON"},
    {7, "Jwt header [alg] field is required and must be a string"},
    {8, "Jwt header [alg] is not supported"},
    {9, "Jwt header [kid] field is not a string"},
    {10, "Jwt payload is an invalid Base64url encoded"},
    {11, "Jwt payload is an invalid JSON"},
    {12, "Jwt payload [iss] field is not a string"},
    {13, "Jwt payload [sub] field is not a string"},
    {14, kIssued.no_number},
    {15, kIssued.out_of_range},
    {16, kBegins.no_number},
    {17, kBegins.out_of_range},
    {18, kExpires.no_number},
    {19, kExpires.out_of_range},
    {21, "Jwt payload [aud] field is not a string or string list"},
    {22, "Jwt signature is an invalid Base64url encoded"},
    {24, kUnknownIssuer},
    {25, JwtCheck::kWrongAudience},
    {26, kBadToken},
    {32, "Jwks doesn't have key to match kid or alg from Jwt"},
};

}  // namespace

std::optional<int> code_of_problem(std::string_view problem) {
  for (const auto& [code, words] : kCodes)
    if (words == problem) return code;
  return std::nullopt;
}

std::string_view problem_of_form(std::string_view token) {
  auto parts = base::split(token, '.');
  if (parts.size() != 3) return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
  auto header = base::from_base64url(parts[0]);
  if (!header) return "Jwt header is an invalid Base64url encoded";
  auto head = base::parse_json(*header, base::Duplicates::Refuse);
  if (!head || !head->is_object()) return "Jwt header is an invalid JSON";
  auto algorithm = head->find("alg");
  if (algorithm == head->end() || !algorithm->is_string())
    return "Jwt header [alg] field is required and must be a string";
  if (!identity::Jwks::supports(algorithm->get_ref<const std::string&>())) return "Jwt header [alg] is not supported";
  if (auto kid = head->find("kid"); kid != head->end() && !kid->is_string())
    return "Jwt header [kid] field is not a string";
  auto payload = base::from_base64url(parts[1]);
  if (!payload) return "Jwt payload is an invalid Base64url encoded";
  auto claims = base::parse_json(*payload, base::Duplicates::Refuse);
  if (!claims || !claims->is_object()) return "Jwt payload is an invalid JSON";
  if (auto issuer = claims->find("iss"); issuer != claims->end() && !issuer->is_string())
    return "Jwt payload [iss] field is not a string";
  if (auto subject = claims->find("sub"); subject != claims->end() && !subject->is_string())
    return "Jwt payload [sub] field is not a string";
  if (auto audience = claims->find("aud"); audience != claims->end()) {
    bool list = audience->is_array() &&
                std::all_of(audience->begin(), audience->end(), [](const base::Json& one) { return one.is_string(); });
    if (!audience->is_string() && !list) return "Jwt payload [aud] field is not a string or string list";
  }
  auto signature = base::from_base64url(parts[2]);
  if (!signature || signature->empty()) return "Jwt signature is an invalid Base64url encoded";
  return {};
}

// Whether the header goes, as its token was accepted and is not forwarded.
bool JwtCheck::taken(std::string_view header) const {
  return std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
    return step.jwt && !step.provider->forward && step.token.place.kind == JwtProvider::Place::Kind::Header &&
           step.token.place.name == header;
  });
}

// Finds the tokens that are there for the provider.
void JwtCheck::begin(const JwtProvider& provider, std::vector<Token>& tokens) {
  if (!steps_.empty()) steps_.push_back({&provider});
  auto add = [&](const JwtProvider::Place& place, std::string text) {
    Token token{place, std::move(text)};
    if (!token.text.empty() && std::find(tokens.begin(), tokens.end(), token) == tokens.end())
      tokens.push_back(std::move(token));
  };
  for (const JwtProvider::Place& place : provider.places) {
    switch (place.kind) {
      case JwtProvider::Place::Kind::Header:
        if (taken(place.name)) break;
        for (auto field : request_.headers)
          if (field.name == place.name && field.value.starts_with(place.prefix))
            add(place, std::string(base::trim(field.value.substr(place.prefix.size()))));
        break;
      case JwtProvider::Place::Kind::Query:
        for (std::string& value : http::query_parameters(request_.query(), place.name)) add(place, std::move(value));
        break;
      case JwtProvider::Place::Kind::Cookie:
        for (auto field : request_.headers) {
          if (field.name != "cookie") continue;
          for (std::string_view pair : base::split(field.value, ';'))
            if (auto parts = base::cut(base::trim(pair), '='); parts && parts->first == place.name)
              add(place, std::string(unquoted_cookie(parts->second)));
        }
        break;
    }
  }
}

Problem JwtCheck::check(const JwtProvider& provider, const std::vector<std::string>& audiences,
                        const identity::Jwt& jwt) {
  if (!provider.issuer.empty() && jwt.issuer() != provider.issuer) return kUnknownIssuer;
  if (provider.subjects && !provider.subjects->matches(jwt.subject())) return kBadToken;
  Problem bad;
  auto issued = seconds_of(jwt.claims, kIssued, bad), begins = seconds_of(jwt.claims, kBegins, bad),
       expires = seconds_of(jwt.claims, kExpires, bad);
  if (!bad.empty()) return bad;
  int64_t now = std::chrono::system_clock::to_time_t(worker_.wall_clock()), skew = provider.skew.count();
  if (begins && now + skew < *begins) return "Jwt not yet valid";
  if (expires && now > *expires + skew) return "Jwt is expired";
  if (!expires && (provider.needs_expiry || provider.longest_life)) return kBadToken;
  if (provider.longest_life && *expires - (issued ? *issued : begins ? *begins : now) > provider.longest_life->count())
    return kBadToken;
  if (!audiences.empty()) {
    auto allowed = [&](const std::string& audience) {
      return std::any_of(audiences.begin(), audiences.end(),
                         [&](const std::string& known) { return bare(known) == bare(audience); });
    };
    auto own = jwt.audiences();
    if (std::none_of(own.begin(), own.end(), allowed)) return kWrongAudience;
  }
  const identity::Jwks* keys =
      provider.local ? &*provider.local : worker_.state<JwksCache>(provider.remote->cache).keys(*provider.remote);
  if (!keys) {
    if (std::find(unreachable_.begin(), unreachable_.end(), &provider) != unreachable_.end())
      return "Jwks remote fetch is failed";
    lacks_ = &provider;
    return "Jwks remote fetch is failed";
  }
  switch (keys->verify(jwt)) {
    case identity::Jwks::Verdict::Good:
      return {};
    case identity::Jwks::Verdict::NoKey:
      return "Jwks doesn't have key to match kid or alg from Jwt";
    case identity::Jwks::Verdict::Bad:
      break;
  }
  return kBadToken;
}

Problem JwtCheck::verify(const JwtProvider& provider, const std::vector<std::string>& audiences, const Token& token) {
  Problem problem = problem_of_form(token.text);
  if (problem.empty()) {
    auto jwt = identity::Jwt::parse(token.text);
    problem = jwt ? check(provider, audiences, *jwt) : kBadToken;
    if (problem.empty()) steps_.push_back({&provider, token, std::move(*jwt)});
  }
  if (!problem.empty()) failed_.push_back({&provider, problem});
  return problem;
}

// All tokens that the request carries for it must be good: which one counts upstream is not for this proxy to know.
Problem JwtCheck::verify_provider(const JwtProvider& provider, const std::vector<std::string>& audiences) {
  std::vector<Token> tokens;
  begin(provider, tokens);
  if (tokens.empty()) return kMissing;
  for (const Token& token : tokens | std::views::reverse)
    if (Problem problem = verify(provider, audiences, token); !problem.empty() || lacks_) return problem;
  return {};
}

// The token must be good for the provider that its issuer names.
Problem JwtCheck::verify_any_of(const std::vector<size_t>& providers, const Token& token) {
  Problem problem = problem_of_form(token.text);
  if (!problem.empty()) return problem;
  auto jwt = identity::Jwt::parse(token.text);
  problem = kUnknownIssuer;
  for (size_t i : providers) {
    const JwtProvider& provider = config_.providers[i];
    bool meant = jwt && (provider.issuer.empty() || provider.issuer == jwt->issuer()) &&
                 std::find(provider.places.begin(), provider.places.end(), token.place) != provider.places.end();
    if (!meant) continue;
    problem = verify(provider, provider.audiences, token);
    if (problem.empty() || lacks_) break;
  }
  return problem;
}

// Whatever tokens are there must be good, or where they may fail: each counts that is.
Problem JwtCheck::verify_any_of(const std::vector<size_t>& providers, bool may_fail) {
  std::vector<Token> tokens;
  for (size_t i : providers) begin(config_.providers[i], tokens);
  if (tokens.empty()) return kMissing;
  for (const Token& token : tokens | std::views::reverse)
    if (Problem problem = verify_any_of(providers, token); lacks_ || (!problem.empty() && !may_fail)) return problem;
  return {};
}

Problem JwtCheck::run(const JwtRequirement& requirement) {
  using Kind = JwtRequirement::Kind;
  switch (requirement.kind) {
    case Kind::None:
      return {};
    case Kind::Provider: {
      const JwtProvider& provider = config_.providers[requirement.provider];
      return verify_provider(provider, requirement.audiences ? *requirement.audiences : provider.audiences);
    }
    case Kind::All:
      for (const JwtRequirement& part : requirement.parts)
        if (Problem problem = run(part); !problem.empty() || lacks_) return problem;
      return {};
    case Kind::Any: {
      Problem worst = kMissing;  // the one that tells most
      // As Envoy: what lets bad or no tokens pass looks at none itself where it stands beside others, which come first.
      const bool others = !JwtRequirement::lets_pass(requirement.parts.front().kind);
      for (const JwtRequirement& part : requirement.parts) {
        if (others && part.kind == Kind::AllowMissingOrFailed) return {};
        if (others && part.kind == Kind::AllowMissing) {
          if (worst == kMissing) return {};
          continue;
        }
        Problem problem = run(part);
        if (problem.empty() || lacks_) return problem;
        if (worst == kMissing || (worst == kUnknownIssuer && problem != kMissing)) worst = problem;
      }
      return worst;
    }
    case Kind::AllowMissing: {
      Problem problem = verify_any_of(requirement.providers, false);
      return problem == kMissing ? Problem() : problem;
    }
    case Kind::AllowMissingOrFailed:
      verify_any_of(requirement.providers, true);
      return {};
  }
  return kMissing;
}

}  // namespace proxy
