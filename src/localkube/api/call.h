// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace localkube {

// Who asks, as authentication found out.
struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  base::Json extra;  // map of lists, or null
  bool in_group(std::string_view group) const {
    for (const std::string& one : groups)
      if (one == group) return true;
    return false;
  }
};

enum class FieldValidation { Ignore, Warn, Strict };

// One write as it is asked for: who, with which options; warnings gather here.
struct Call {
  User user;
  bool dry_run = false;
  std::string field_manager;
  bool force = false;  // of apply: take the fields of others
  FieldValidation validation = FieldValidation::Warn;
  bool in_process = false;  // from a controller of this process: its documents are trusted to be well-formed
  std::vector<std::string> warnings;
};
using CallPointer = std::shared_ptr<Call>;

}  // namespace localkube
