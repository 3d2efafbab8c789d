// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "http/server.h"
#include "localkube/api/auth/rbac.h"
#include "localkube/api/registry.h"
#include "telemetry/metrics.h"

namespace localkube {

// What /metrics tells, under a kube-apiserver's names. On the loop of Front, which owns it.
class Metrics {
 public:
  // A request as it is counted: each combination is a series of its own.
  struct Subject {
    std::string verb, group, version, resource, subresource, scope;
  };
  // What was asked for; `version` of the API, empty for what is no resource.
  static Subject subject_of(const http::RequestHead& head, const Attributes& wish, std::string version);

  void count(const Subject& subject, int status);
  std::string prometheus(Registry& registry) const;

 private:
  // Names in a URL are the client's to choose: what is beyond is counted together.
  static constexpr size_t kMostSeries = 4096;

  std::map<telemetry::Labels, uint64_t> requests_;
};

// An exchange whose answer is counted, once, when it begins.
class CountedExchange final : public http::Exchange {
 public:
  CountedExchange(std::shared_ptr<http::Exchange> inner, Metrics& metrics);
  void is_about(Metrics::Subject subject) { subject_ = std::move(subject); }

  net::Address remote() const override { return inner_->remote(); }
  net::Address local() const override { return inner_->local(); }
  const net::TlsPeer* tls() const override { return inner_->tls(); }
  bool is_http2() const override { return inner_->is_http2(); }
  net::Task<base::Result<std::optional<std::string>>> read() override { return inner_->read(); }
  using http::Exchange::respond;
  void respond(http::Response response) override;
  void start(http::ResponseHead head) override;
  net::Task<base::Result<void>> write(std::string bytes) override { return inner_->write(std::move(bytes)); }
  void finish(http::Headers trailers) override { inner_->finish(std::move(trailers)); }
  void abort() override { inner_->abort(); }
  bool closed() const override { return inner_->closed(); }
  void on_closed(std::move_only_function<void()> call) override { inner_->on_closed(std::move(call)); }
  base::Result<std::unique_ptr<net::ByteStream>> upgrade(http::Headers headers) override;

 private:
  void count(int status);

  std::shared_ptr<http::Exchange> inner_;
  Metrics& metrics_;
  Metrics::Subject subject_;
  bool counted_ = false;
};

}  // namespace localkube
