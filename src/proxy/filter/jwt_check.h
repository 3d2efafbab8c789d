// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/filter/jwt.h"

namespace proxy {

// A requirement against one request, without side effects: asked again from
// the start once keys that it lacked are there.
//
// As Envoy: of several tokens the last is verified first, and what a good one
// brings stays where another then fails its provider, until a later provider
// clears its own headers.
class JwtCheck {
 public:
  // Envoy's words for what is wrong; empty: nothing.
  using Problem = std::string_view;
  static constexpr Problem kMissing = "Jwt is missing";
  static constexpr Problem kWrongAudience = "Audiences in Jwt are not allowed";

  struct Token {
    JwtProvider::Place place;
    std::string text;
    bool operator==(const Token&) const = default;
  };
  // A token was accepted; or, without one, its provider begins anew: what it wrote before goes.
  struct Step {
    const JwtProvider* provider;
    Token token = {};
    std::optional<identity::Jwt> jwt = {};
  };
  struct Failed {
    const JwtProvider* provider;
    Problem problem;
  };

  JwtCheck(const JwtConfig& config, const http::RequestHead& request, Worker& worker,
           const std::vector<const JwtProvider*>& unreachable)
      : config_(config), request_(request), worker_(worker), unreachable_(unreachable) {}

  Problem run(const JwtRequirement& requirement);
  const JwtProvider* lacks() const { return lacks_; }  // its keys are needed: what run() returned says nothing
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Failed>& failed() const { return failed_; }

 private:
  Problem verify_provider(const JwtProvider& provider, const std::vector<std::string>& audiences);
  Problem verify_any_of(const std::vector<size_t>& providers, bool may_fail);
  Problem verify_any_of(const std::vector<size_t>& providers, const Token& token);
  Problem verify(const JwtProvider& provider, const std::vector<std::string>& audiences, const Token& token);
  Problem check(const JwtProvider& provider, const std::vector<std::string>& audiences, const identity::Jwt& jwt);
  void begin(const JwtProvider& provider, std::vector<Token>& tokens);
  bool taken(std::string_view header) const;

  const JwtConfig& config_;
  const http::RequestHead& request_;
  Worker& worker_;
  const std::vector<const JwtProvider*>& unreachable_;
  const JwtProvider* lacks_ = nullptr;
  std::vector<Step> steps_;
  std::vector<Failed> failed_;
};

// What is wrong with the token's form, in Envoy's words; empty: nothing that these name.
std::string_view problem_of_form(std::string_view token);
// The number that Envoy's metadata gives for these words.
std::optional<int> code_of_problem(std::string_view problem);

}  // namespace proxy
