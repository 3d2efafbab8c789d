// SPDX-License-Identifier: Apache-2.0
#include "objects/patch.h"

namespace objects {

namespace {

// The library takes for granted that what holds a path's last step is an object
// or a list.
bool can_hold(const Json& document, const Json& operation) {
  std::string_view path = base::text(operation, "path");
  if (path.empty()) return true;
  const Json* parent = &document;
  if (size_t last = path.rfind('/'); last > 0 && last != path.npos) {
    Json::json_pointer pointer{std::string(path.substr(0, last))};
    if (!document.contains(pointer)) return true;  // the library refuses that
    parent = &document.at(pointer);
  }
  return parent->is_structured();
}

// How many bytes a copy adds; few copies can make a document grow without bounds.
size_t copied_bytes(const Json& document, const Json& operation) {
  if (base::text(operation, "op") != "copy") return 0;
  Json::json_pointer from{std::string(base::text(operation, "from"))};
  return document.contains(from) ? document.at(from).dump().size() : 0;
}

}  // namespace

base::Result<Json> json_patched(const Json& document, const Json& patch) {
  if (!patch.is_array()) return base::fail(base::ErrorKind::Invalid, "a JSON patch is a list of operations");
  if (patch.size() > kMostOperations)
    return base::fail(base::ErrorKind::Exhausted,
                      "a JSON patch has at most " + std::to_string(kMostOperations) + " operations");
  try {
    Json after = document;
    size_t copied = 0;
    for (const Json& operation : patch) {
      copied += copied_bytes(after, operation);
      if (copied > kMostCopied)
        return base::fail(base::ErrorKind::Exhausted, "the copies of this JSON patch are too large");
      if (!can_hold(after, operation))
        return base::fail(base::ErrorKind::Invalid,
                          "what lies above " + std::string(base::text(operation, "path")) + " holds nothing");
      after.patch_inplace(Json::array({operation}));
    }
    return after;
  } catch (const Json::exception& error) {
    // "[json.exception.out_of_range.403] key 'a' not found": the part after the bracket
    std::string_view why = error.what();
    if (size_t end = why.find("] "); end != why.npos) why.remove_prefix(end + 2);
    return base::fail(base::ErrorKind::Invalid, std::string(why));
  }
}

Json merge_patched(Json document, const Json& patch) {
  document.merge_patch(patch);
  return document;
}

}  // namespace objects
