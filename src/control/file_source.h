// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>

#include "control/ingest.h"

namespace control {

// Feeds Ingest from a directory of YAML and JSON files, and again whenever one
// of them changes: a mesh without Kubernetes. A file that does not parse keeps
// what it held before, and is logged.
class FileSource final : private net::IoHandler {
 public:
  static base::Result<std::unique_ptr<FileSource>> open(net::Loop& loop, Ingest& ingest,
                                                        std::filesystem::path directory);
  ~FileSource();

 private:
  FileSource(net::Loop& loop, Ingest& ingest, std::filesystem::path directory);
  void on_io(uint32_t events) override;
  using Objects = std::map<objects::Ref, objects::Object>;
  static base::Result<Objects> objects_in(const std::filesystem::path& file);
  void read_all();
  void tell_difference(const Objects& before, const Objects& after);

  net::Loop& loop_;
  Ingest& ingest_;
  std::filesystem::path directory_;
  int inotify_ = -1;
  struct File {
    std::string stamp;  // tells whether it must be read again
    Objects objects;
  };
  std::map<std::filesystem::path, File> files_;
};

}  // namespace control
