// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/ads.h"
#include "control/ingest.h"
#include "http/message.h"

namespace control {

// The monitoring port's pages: /metrics, /version and those of istiod's /debug
// that people and tools read. They only read; Secrets are on none of them.
class DebugPages {
 public:
  // All outlive this.
  DebugPages(const Ingest& ingest, const Ads& ads, const Metrics& metrics)
      : ingest_(ingest), ads_(ads), metrics_(metrics) {}

  http::Response page(const http::RequestHead& request) const;

 private:
  base::Json syncz() const;
  base::Json configz() const;
  base::Json registryz() const;
  base::Json connections() const;
  base::Json findings() const;
  std::string scrape() const;

  const Ingest& ingest_;
  const Ads& ads_;
  const Metrics& metrics_;
};

}  // namespace control
