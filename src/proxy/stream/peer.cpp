// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/peer.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>

namespace proxy {

static constexpr size_t kLongest = 16 * 1024;

std::string encode_peer(const Workload& workload) {
  google::protobuf::Struct out;
  auto set = [](google::protobuf::Struct& to, const char* name, const std::string& value) {
    if (!value.empty()) (*to.mutable_fields())[name].set_string_value(value);
  };
  set(out, "WORKLOAD_NAME", workload.name);
  set(out, "NAMESPACE", workload.ns);
  set(out, "CLUSTER_ID", workload.cluster);
  auto& labels = *(*out.mutable_fields())["LABELS"].mutable_struct_value();
  set(labels, "app", workload.app);
  set(labels, "version", workload.version);
  set(labels, "service.istio.io/canonical-name", workload.canonical_service);
  set(labels, "service.istio.io/canonical-revision", workload.canonical_revision);
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // equal each time, so that receivers can compare
  out.SerializeToCodedStream(&coded);
  coded.Trim();
  return base::to_base64(bytes);
}

std::optional<Workload> decode_peer(std::string_view header) {
  if (header.empty() || header.size() > kLongest) return std::nullopt;
  auto bytes = base::from_base64(header);
  google::protobuf::Struct in;
  if (!bytes || !in.ParseFromString(*bytes)) return std::nullopt;
  auto text = [](const google::protobuf::Struct& from, const char* name) {
    auto it = from.fields().find(name);
    return it == from.fields().end() ? std::string() : it->second.string_value();
  };
  Workload out;
  out.name = text(in, "WORKLOAD_NAME");
  out.ns = text(in, "NAMESPACE");
  out.cluster = text(in, "CLUSTER_ID");
  if (auto it = in.fields().find("LABELS"); it != in.fields().end()) {
    const auto& labels = it->second.struct_value();
    out.app = text(labels, "app");
    out.version = text(labels, "version");
    out.canonical_service = text(labels, "service.istio.io/canonical-name");
    out.canonical_revision = text(labels, "service.istio.io/canonical-revision");
  }
  if (out.canonical_service.empty()) out.canonical_service = out.app.empty() ? out.name : out.app;
  if (out.canonical_revision.empty()) out.canonical_revision = out.version.empty() ? "latest" : out.version;
  return out;
}

}  // namespace proxy
