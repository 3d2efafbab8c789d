// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "control/ads.h"
#include "control/authentication.h"
#include "control/ingest.h"
#include "http/message.h"

namespace control {

// The monitoring port's pages: /metrics, /version and those of istiod's /debug
// that people and tools read. They only read; Secrets are on none of them.
//
// /metrics and /version are for everybody. Those of /debug tell of the whole
// mesh, so they answer the loopback (port-forward ends there) and, elsewhere,
// service accounts of the control plane's own namespace, as Istio's do.
class DebugPages {
 public:
  // All outlive this.
  DebugPages(const Ingest& ingest, const Ads& ads, const Metrics& metrics)
      : ingest_(ingest), ads_(ads), metrics_(metrics) {}

  http::Response page(const http::RequestHead& request) const;

  // Whether the page needs no token.
  static bool is_open(const http::RequestHead& request, const net::Address& from);
  // The bearer token of `authorization`, or of x-istiod-authorization: the API
  // server's proxy keeps the first for itself.
  static std::optional<std::string> token_of(const http::RequestHead& request);
  // The answer to one who is no account of that namespace, or nullopt.
  static std::optional<http::Response> refusal(const base::Result<Identity>& who, std::string_view ns);

 private:
  base::Json syncz() const;
  base::Json configz() const;
  base::Json registryz() const;
  base::Json connections() const;
  base::Json findings() const;
  http::Response config_dump(const http::RequestHead& request) const;
  std::string scrape() const;

  const Ingest& ingest_;
  const Ads& ads_;
  const Metrics& metrics_;
};

}  // namespace control
