// SPDX-License-Identifier: Apache-2.0
#include "translate/envoy.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "envoy/config/core/v3/address.pb.h"
#include "translate/translate.h"

namespace translate {

std::string serialized(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

void pack(const google::protobuf::Message& message, google::protobuf::Any* any) {
  any->set_type_url("type.googleapis.com/" + message.GetDescriptor()->full_name());
  any->set_value(serialized(message));
}

void use_ads(core::ConfigSource* source) {
  source->mutable_ads();
  source->mutable_initial_fetch_timeout();
  source->set_resource_api_version(core::V3);
}

void set_address(core::Address* address, std::string_view ip, int port) {
  auto* socket = address->mutable_socket_address();
  socket->set_address(std::string(ip));
  socket->set_port_value(static_cast<uint32_t>(port));
}

google::protobuf::Struct& istio_metadata(core::Metadata* metadata) {
  return (*metadata->mutable_filter_metadata())["istio"];
}

void set_text(google::protobuf::Struct& fields, const char* key, std::string_view value) {
  (*fields.mutable_fields())[key].set_string_value(std::string(value));
}

void set_provenance(core::Metadata* metadata, const objects::Ref& ref) {
  set_text(istio_metadata(metadata), "config", config::config_path(ref));
}

std::string cluster_name(std::string_view direction, int port, std::string_view subset, std::string_view hostname) {
  std::string out(direction);
  out.append("|").append(std::to_string(port)).append("|").append(subset).append("|").append(hostname);
  return out;
}

std::string cluster_sni(int port, std::string_view subset, std::string_view hostname) {
  std::string out = "outbound_.";
  out.append(std::to_string(port)).append("_.").append(subset).append("_.").append(hostname);
  return out;
}

}  // namespace translate
