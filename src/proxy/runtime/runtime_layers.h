// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "proxy/runtime/runtime_values.h"

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}

namespace proxy {

// The layers of a bootstrap's layered_runtime, of which later ones win: static ones and at most one that the admin
// port writes to.
class RuntimeLayers {
 public:
  struct Layer {
    std::string name;
    RuntimeValues values;  // as they were written
    bool admin = false;
  };
  struct Change {
    std::string key, value;  // without a value: the key is taken out
  };

  // Refuses what Envoy refuses: a name or an admin layer twice, lists. Other kinds of layers are empty.
  static base::Result<RuntimeLayers> of(const envoy::config::bootstrap::v3::Bootstrap& bootstrap);

  // Of one key several times the first counts, as in Envoy. Fails where there is no admin layer.
  base::Result<void> change(std::span<const Change> changes);

  // What counts. Texts that are numbers, truth values or fractions ("100", "0x64", "true", "{numerator: 5}") are such.
  RuntimeValues values() const;
  const std::vector<Layer>& layers() const { return layers_; }

 private:
  std::vector<Layer> layers_;
};

// A value as /runtime shows it.
std::string text_of(const google::protobuf::Value& value);

}  // namespace proxy
