// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace localkube {

// Kinds that can only be created, and whose answer is all there is.
struct VirtualKind {
  const char* group;
  const char* version;
  const char* plural;
  const char* singular;
  const char* kind;
  bool namespaced;
};

inline constexpr VirtualKind kVirtualKinds[] = {
    {"authentication.k8s.io", "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false},
    {"authentication.k8s.io", "v1", "tokenreviews", "tokenreview", "TokenReview", false},
    {"authorization.k8s.io", "v1", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview",
     true},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview",
     false},
    {"authorization.k8s.io", "v1", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview",
     false},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false},
};

inline const VirtualKind* find_virtual(std::string_view group, std::string_view version, std::string_view plural) {
  for (const VirtualKind& kind : kVirtualKinds)
    if (kind.group == group && kind.version == version && kind.plural == plural) return &kind;
  return nullptr;
}

}  // namespace localkube
