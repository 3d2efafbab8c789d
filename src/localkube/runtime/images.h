// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace localkube {

// What an image name stands for here: programs of this machine.
struct Image {
  std::vector<std::string> entrypoint;  // as an image's: Pod `command` replaces both, `args` the second
  std::vector<std::string> arguments;
  std::vector<std::string> env;  // "NAME=value"
  std::string working_dir = "/";
  std::string id;  // "docker.io/library/nginx", without tag
};

// Images by repository, whatever the tag: built-in ones, and those that the user
// registered in STATE/images.yaml, one "NAME: [word, ...]" each, which win. A
// registered name may carry a tag: then it stands for that tag only. While the
// file cannot be read, the last list that could be stays in force.
class Images {
 public:
  explicit Images(std::filesystem::path registered) : registered_(std::move(registered)) {}

  // Reads the user's file anew, so a registration needs no restart. Errors say
  // how to register one, or what is wrong with the file.
  base::Result<Image> find(std::string_view reference);

 private:
  base::Result<void> read();

  std::filesystem::path registered_;
  std::vector<base::Json> known_;  // the documents that could be read last
  std::string complaint_;          // told once
};

// "nginx" -> {"docker.io/library/nginx", "latest"}
struct ImageName {
  std::string repository;
  std::string tag;
};
ImageName image_name(std::string_view reference);

}  // namespace localkube
