// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include <chrono>
#include <string_view>

#include "config/kinds.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"

// Envoy's packages by their last word, and the small things all of translate
// writes into its messages.
namespace envoy::config::cluster::v3 {}
namespace envoy::config::endpoint::v3 {}
namespace envoy::config::listener::v3 {}
namespace envoy::config::route::v3 {}
namespace envoy::config::rbac::v3 {}
namespace envoy::config::accesslog::v3 {}
namespace envoy::type::matcher::v3 {}
namespace envoy::type::v3 {}
namespace envoy::extensions::transport_sockets::tls::v3 {}
namespace envoy::extensions::filters::network::http_connection_manager::v3 {}
namespace envoy::extensions::filters::network::tcp_proxy::v3 {}
namespace istio::networking::v1alpha3 {}

namespace translate {

namespace core = ::envoy::config::core::v3;
namespace clusters_v3 = ::envoy::config::cluster::v3;
namespace endpoints_v3 = ::envoy::config::endpoint::v3;
namespace listeners_v3 = ::envoy::config::listener::v3;
namespace routes_v3 = ::envoy::config::route::v3;
namespace rbac_v3 = ::envoy::config::rbac::v3;
namespace accesslog_v3 = ::envoy::config::accesslog::v3;
namespace matcher = ::envoy::type::matcher::v3;
namespace type_v3 = ::envoy::type::v3;
namespace tls_v3 = ::envoy::extensions::transport_sockets::tls::v3;
namespace hcm_v3 = ::envoy::extensions::filters::network::http_connection_manager::v3;
namespace tcp_v3 = ::envoy::extensions::filters::network::tcp_proxy::v3;
namespace istio_api = ::istio::networking::v1alpha3;

// Packs deterministically, so that equal configurations are equal bytes.
void pack(const google::protobuf::Message& message, google::protobuf::Any* any);

inline void set(google::protobuf::Duration* duration, std::chrono::milliseconds value) {
  duration->set_seconds(value.count() / 1000);
  duration->set_nanos(static_cast<int32_t>(value.count() % 1000 * 1'000'000));
}

// ads: {}, wait forever, V3.
void use_ads(core::ConfigSource* source);

void set_address(core::Address* address, std::string_view ip, int port);

// filter_metadata.istio.config: which object caused this.
void set_provenance(core::Metadata* metadata, const objects::Ref& ref);

google::protobuf::Struct& istio_metadata(core::Metadata* metadata);
void set_text(google::protobuf::Struct& fields, const char* key, std::string_view value);

}  // namespace translate
