// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>

#include "control/ingest.h"

namespace control {

// Feeds Ingest from a directory of YAML files, and again whenever one of them
// changes: a mesh without Kubernetes. A file that does not parse keeps what it
// held before, and is logged.
class FileSource final : private net::IoHandler {
 public:
  static base::Result<std::unique_ptr<FileSource>> open(net::Loop& loop, Ingest& ingest, std::filesystem::path directory);
  ~FileSource();

 private:
  FileSource(net::Loop& loop, Ingest& ingest, std::filesystem::path directory);
  void on_io(uint32_t events) override;
  void read_all();

  net::Loop& loop_;
  Ingest& ingest_;
  std::filesystem::path directory_;
  int inotify_ = -1;
  std::map<std::filesystem::path, std::map<objects::Ref, objects::Object>> files_;
};

}  // namespace control
