// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "objects/object.h"

namespace google::protobuf {
class Descriptor;
}

namespace objects {

// What api/k8s says of one of Kubernetes' own kinds. Lives as long as the
// process; the same for all threads.
class Schema {
 public:
  explicit Schema(const google::protobuf::Descriptor& type) : type_(type) {}

  const google::protobuf::Descriptor& type() const { return type_; }

  // Brings a document into the form in which a Kubernetes API server keeps it:
  // unknown members and nulls go, empty values go where Kubernetes does not tell
  // them from absent ones, and what it always writes is there ("status": {}).
  // Gives the paths of the unknown members: "spec.containers[0].imgae". A value
  // of the wrong type is an error in the words of Kubernetes' decoder.
  base::Result<std::vector<std::string>> conform(Json& document) const;

 private:
  const google::protobuf::Descriptor& type_;
};

// nullptr: not one of Kubernetes' own kinds (or one that is not described here).
const Schema* find_schema(const Kind& kind);

// The kinds that find_schema knows.
std::vector<Kind> described_kinds();

// A request body in Kubernetes' protobuf envelope ("k8s\0", then runtime.Unknown)
// as the JSON document that it stands for, with apiVersion and kind.
base::Result<Json> json_of_protobuf(std::string_view body);

}  // namespace objects
