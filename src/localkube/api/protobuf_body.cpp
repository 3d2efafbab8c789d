// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/protobuf_body.h"

#include <span>
#include <string>

#include "base/strings.h"
#include "localkube/api/refusal.h"

namespace localkube {

namespace {

// The messages that kubectl sends in this form, field by field; the numbers are
// those of the API's generated.proto files.
enum class Type { Text, Bytes, Integer, Truth, Message, TextMap, BytesMap, IntOrText, Time };

struct Message;
struct Field {
  int number;
  const char* name;
  Type type;
  const Message* message = nullptr;
  bool repeated = false;
};
struct Message {
  const char* name;
  std::span<const Field> fields;
};

constexpr Field kMetadataFields[] = {{1, "name", Type::Text},          {2, "generateName", Type::Text},
                                     {3, "namespace", Type::Text},     {5, "uid", Type::Text},
                                     {6, "resourceVersion", Type::Text}, {7, "generation", Type::Integer},
                                     {8, "creationTimestamp", Type::Time}, {11, "labels", Type::TextMap},
                                     {12, "annotations", Type::TextMap}, {14, "finalizers", Type::Text, nullptr, true}};
constexpr Message kMetadata{"ObjectMeta", kMetadataFields};

constexpr Field kNamespaceSpecFields[] = {{1, "finalizers", Type::Text, nullptr, true}};
constexpr Message kNamespaceSpec{"NamespaceSpec", kNamespaceSpecFields};
constexpr Field kPhaseFields[] = {{1, "phase", Type::Text}};
constexpr Message kPhase{"NamespaceStatus", kPhaseFields};
constexpr Field kNamespaceFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                      {2, "spec", Type::Message, &kNamespaceSpec},
                                      {3, "status", Type::Message, &kPhase}};

constexpr Field kConfigMapFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                      {2, "data", Type::TextMap},
                                      {3, "binaryData", Type::BytesMap},
                                      {4, "immutable", Type::Truth}};
constexpr Field kSecretFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                   {2, "data", Type::BytesMap},
                                   {3, "type", Type::Text},
                                   {4, "stringData", Type::TextMap},
                                   {5, "immutable", Type::Truth}};
constexpr Field kReferenceFields[] = {{1, "name", Type::Text}};
constexpr Message kReference{"LocalObjectReference", kReferenceFields};
constexpr Field kAccountFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                    {2, "secrets", Type::Message, &kReference, true},
                                    {3, "imagePullSecrets", Type::Message, &kReference, true},
                                    {4, "automountServiceAccountToken", Type::Truth}};

constexpr Field kPortFields[] = {{1, "name", Type::Text}, {2, "hostPort", Type::Integer},
                                 {3, "containerPort", Type::Integer}, {4, "protocol", Type::Text},
                                 {5, "hostIP", Type::Text}};
constexpr Message kPort{"ContainerPort", kPortFields};
constexpr Field kEnvFields[] = {{1, "name", Type::Text}, {2, "value", Type::Text}};
constexpr Message kEnv{"EnvVar", kEnvFields};
constexpr Message kNothing{"ResourceRequirements", {}};
constexpr Field kContainerFields[] = {{1, "name", Type::Text},
                                      {2, "image", Type::Text},
                                      {3, "command", Type::Text, nullptr, true},
                                      {4, "args", Type::Text, nullptr, true},
                                      {5, "workingDir", Type::Text},
                                      {6, "ports", Type::Message, &kPort, true},
                                      {7, "env", Type::Message, &kEnv, true},
                                      {8, "resources", Type::Message, &kNothing},
                                      {13, "terminationMessagePath", Type::Text},
                                      {14, "imagePullPolicy", Type::Text},
                                      {16, "stdin", Type::Truth},
                                      {17, "stdinOnce", Type::Truth},
                                      {18, "tty", Type::Truth},
                                      {20, "terminationMessagePolicy", Type::Text}};
constexpr Message kContainer{"Container", kContainerFields};
constexpr Field kPodSpecFields[] = {{2, "containers", Type::Message, &kContainer, true},
                                    {3, "restartPolicy", Type::Text},
                                    {4, "terminationGracePeriodSeconds", Type::Integer},
                                    {6, "dnsPolicy", Type::Text},
                                    {7, "nodeSelector", Type::TextMap},
                                    {8, "serviceAccountName", Type::Text},
                                    {9, "serviceAccount", Type::Text},
                                    {10, "nodeName", Type::Text},
                                    {11, "hostNetwork", Type::Truth},
                                    {12, "hostPID", Type::Truth},
                                    {13, "hostIPC", Type::Truth},
                                    {14, "securityContext", Type::Message, &kNothing},
                                    {16, "hostname", Type::Text},
                                    {17, "subdomain", Type::Text},
                                    {19, "schedulerName", Type::Text},
                                    {24, "priorityClassName", Type::Text}};
constexpr Message kPodSpec{"PodSpec", kPodSpecFields};
constexpr Field kTemplateFields[] = {{1, "metadata", Type::Message, &kMetadata}, {2, "spec", Type::Message, &kPodSpec}};
constexpr Message kTemplate{"PodTemplateSpec", kTemplateFields};
constexpr Field kSelectorFields[] = {{1, "matchLabels", Type::TextMap}};
constexpr Message kSelector{"LabelSelector", kSelectorFields};
constexpr Field kStrategyFields[] = {{1, "type", Type::Text}};
constexpr Message kStrategy{"DeploymentStrategy", kStrategyFields};
constexpr Field kDeploymentSpecFields[] = {{1, "replicas", Type::Integer},
                                           {2, "selector", Type::Message, &kSelector},
                                           {3, "template", Type::Message, &kTemplate},
                                           {4, "strategy", Type::Message, &kStrategy},
                                           {5, "minReadySeconds", Type::Integer},
                                           {6, "revisionHistoryLimit", Type::Integer},
                                           {7, "paused", Type::Truth},
                                           {9, "progressDeadlineSeconds", Type::Integer}};
constexpr Message kDeploymentSpec{"DeploymentSpec", kDeploymentSpecFields};
constexpr Message kDropped{"status", {}};
constexpr Field kDeploymentFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                       {2, "spec", Type::Message, &kDeploymentSpec},
                                       {3, "status", Type::Message, &kDropped}};
constexpr Field kPodFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                {2, "spec", Type::Message, &kPodSpec},
                                {3, "status", Type::Message, &kDropped}};

constexpr Field kServicePortFields[] = {{1, "name", Type::Text}, {2, "protocol", Type::Text}, {3, "port", Type::Integer},
                                        {4, "targetPort", Type::IntOrText}, {5, "nodePort", Type::Integer},
                                        {6, "appProtocol", Type::Text}};
constexpr Message kServicePort{"ServicePort", kServicePortFields};
constexpr Field kServiceSpecFields[] = {{1, "ports", Type::Message, &kServicePort, true},
                                        {2, "selector", Type::TextMap},
                                        {3, "clusterIP", Type::Text},
                                        {4, "type", Type::Text},
                                        {7, "sessionAffinity", Type::Text},
                                        {8, "loadBalancerIP", Type::Text},
                                        {10, "externalName", Type::Text},
                                        {13, "publishNotReadyAddresses", Type::Truth}};
constexpr Message kServiceSpec{"ServiceSpec", kServiceSpecFields};
constexpr Field kServiceFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                    {2, "spec", Type::Message, &kServiceSpec},
                                    {3, "status", Type::Message, &kDropped}};

constexpr Field kResourceAttributesFields[] = {{1, "namespace", Type::Text}, {2, "verb", Type::Text}, {3, "group", Type::Text},
                                               {4, "version", Type::Text},   {5, "resource", Type::Text},
                                               {6, "subresource", Type::Text}, {7, "name", Type::Text}};
constexpr Message kResourceAttributes{"ResourceAttributes", kResourceAttributesFields};
constexpr Field kPathAttributesFields[] = {{1, "path", Type::Text}, {2, "verb", Type::Text}};
constexpr Message kPathAttributes{"NonResourceAttributes", kPathAttributesFields};
constexpr Field kAccessSpecFields[] = {{1, "resourceAttributes", Type::Message, &kResourceAttributes},
                                       {2, "nonResourceAttributes", Type::Message, &kPathAttributes}};
constexpr Message kAccessSpec{"SelfSubjectAccessReviewSpec", kAccessSpecFields};
constexpr Field kAccessFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                   {2, "spec", Type::Message, &kAccessSpec},
                                   {3, "status", Type::Message, &kDropped}};
constexpr Field kRulesSpecFields[] = {{1, "namespace", Type::Text}};
constexpr Message kRulesSpec{"SelfSubjectRulesReviewSpec", kRulesSpecFields};
constexpr Field kRulesFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                  {2, "spec", Type::Message, &kRulesSpec},
                                  {3, "status", Type::Message, &kDropped}};
constexpr Field kBoundFields[] = {{1, "kind", Type::Text}, {2, "apiVersion", Type::Text}, {3, "name", Type::Text}, {4, "uid", Type::Text}};
constexpr Message kBound{"BoundObjectReference", kBoundFields};
constexpr Field kTokenSpecFields[] = {{1, "audiences", Type::Text, nullptr, true},
                                      {3, "boundObjectRef", Type::Message, &kBound},
                                      {4, "expirationSeconds", Type::Integer}};
constexpr Message kTokenSpec{"TokenRequestSpec", kTokenSpecFields};
constexpr Field kTokenFields[] = {{1, "metadata", Type::Message, &kMetadata},
                                  {2, "spec", Type::Message, &kTokenSpec},
                                  {3, "status", Type::Message, &kDropped}};
constexpr Field kSelfFields[] = {{1, "metadata", Type::Message, &kMetadata}, {2, "status", Type::Message, &kDropped}};

constexpr Message kKinds[] = {{"Namespace", kNamespaceFields},
                              {"ConfigMap", kConfigMapFields},
                              {"Secret", kSecretFields},
                              {"ServiceAccount", kAccountFields},
                              {"Deployment", kDeploymentFields},
                              {"Pod", kPodFields},
                              {"Service", kServiceFields},
                              {"SelfSubjectAccessReview", kAccessFields},
                              {"SelfSubjectRulesReview", kRulesFields},
                              {"SelfSubjectReview", kSelfFields},
                              {"TokenRequest", kTokenFields}};

// One field of the wire format; false at the end or where bytes are wrong.
struct Reader {
  std::string_view bytes;
  bool failed = false;
  int number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view chunk = {};  // of a length-delimited field
  int wire = 0;

  bool varint(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes.empty()) return false;
      auto byte = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return true;
    }
    return false;
  }
  bool next() {
    if (bytes.empty()) return false;
    uint64_t tag = 0, size = 0;
    failed = true;
    if (!varint(tag)) return false;
    number = static_cast<int>(tag >> 3);
    wire = static_cast<int>(tag & 7);
    if (wire == 0) {
      if (!varint(value)) return false;
    } else if (wire == 2) {
      if (!varint(size) || size > bytes.size()) return false;
      chunk = bytes.substr(0, size);
      bytes.remove_prefix(size);
    } else {
      return false;  // the API uses no fixed-size numbers
    }
    failed = false;
    return true;
  }
};

Refusal malformed(const char* message) { return bad_request("the protobuf body is malformed in " + std::string(message)); }

Answer<Json> decode(const Message& message, std::string_view bytes, int depth);

// A map's entry {1 key, 2 value}.
Answer<void> decode_entry(std::string_view bytes, bool binary, Json& map) {
  Reader reader{bytes};
  std::string key, value;
  while (reader.next()) (reader.number == 1 ? key : value) = std::string(reader.chunk);
  if (reader.failed) return std::unexpected(malformed("a map"));
  map[key] = binary ? base::to_base64(value) : value;
  return {};
}

Answer<Json> decode_int_or_text(std::string_view bytes) {
  Reader reader{bytes};
  uint64_t type = 0, number = 0;
  std::string text;
  while (reader.next()) {
    if (reader.number == 1) type = reader.value;
    if (reader.number == 2) number = reader.value;
    if (reader.number == 3) text = std::string(reader.chunk);
  }
  if (reader.failed) return std::unexpected(malformed("IntOrString"));
  return type == 1 ? Json(text) : Json(static_cast<int64_t>(number));
}

Answer<void> decode_field(const Field& field, const Reader& reader, Json& out, int depth) {
  bool wants_number = field.type == Type::Integer || field.type == Type::Truth;
  if (wants_number != (reader.wire == 0)) return std::unexpected(malformed(field.name));
  Json value;
  switch (field.type) {
    case Type::Text:
      if (reader.chunk.empty() && !field.repeated) return {};  // written for unset fields too
      value = std::string(reader.chunk);
      break;
    case Type::Bytes: value = base::to_base64(reader.chunk); break;
    case Type::Integer:
      if (reader.value == 0 && field.name != std::string_view("replicas")) return {};
      value = static_cast<int64_t>(reader.value);
      break;
    case Type::Truth:
      if (reader.value == 0) return {};
      value = true;
      break;
    case Type::TextMap:
    case Type::BytesMap:
      if (!out[field.name].is_object()) out[field.name] = Json::object();
      return decode_entry(reader.chunk, field.type == Type::BytesMap, out[field.name]);
    case Type::IntOrText: value = TRY(decode_int_or_text(reader.chunk)); break;
    case Type::Time: return {};
    case Type::Message: value = TRY(decode(*field.message, reader.chunk, depth + 1)); break;
  }
  if (field.repeated) {
    if (!out[field.name].is_array()) out[field.name] = Json::array();
    out[field.name].push_back(std::move(value));
  } else {
    out[field.name] = std::move(value);
  }
  return {};
}

Answer<Json> decode(const Message& message, std::string_view bytes, int depth) {
  Json out = Json::object();
  if (&message == &kDropped || depth > 16) return out;
  Reader reader{bytes};
  while (reader.next()) {
    const Field* field = nullptr;
    for (const Field& one : message.fields)
      if (one.number == reader.number) field = &one;
    bool blank = reader.wire == 2 ? reader.chunk.empty() : reader.value == 0;
    if (!field && blank) continue;
    // Losing what was asked for would be worse than refusing it.
    if (!field)
      return std::unexpected(bad_request("field " + std::to_string(reader.number) + " of " + message.name +
                                         " is not understood in protobuf; send JSON"));
    TRY(decode_field(*field, reader, out, depth));
  }
  if (reader.failed) return std::unexpected(malformed(message.name));
  return out;
}

}  // namespace

Answer<Json> json_of_protobuf(std::string_view body) {
  constexpr std::string_view magic("k8s\0", 4);
  if (!body.starts_with(magic)) return std::unexpected(bad_request("the protobuf body does not begin with \"k8s\""));
  Reader envelope{body.substr(magic.size())};
  std::string api_version, kind;
  std::string_view raw;
  while (envelope.next()) {
    if (envelope.number == 1) {
      Reader type{envelope.chunk};
      while (type.next()) (type.number == 1 ? api_version : kind) = std::string(type.chunk);
      if (type.failed) return std::unexpected(malformed("TypeMeta"));
    } else if (envelope.number == 2) {
      raw = envelope.chunk;
    }
  }
  if (envelope.failed) return std::unexpected(malformed("Unknown"));
  for (const Message& message : kKinds) {
    if (message.name != kind) continue;
    Json document = TRY(decode(message, raw, 0));
    document["apiVersion"] = api_version;
    document["kind"] = kind;
    return document;
  }
  return std::unexpected(unsupported_media_type("application/json, application/yaml"));
}

}  // namespace localkube
