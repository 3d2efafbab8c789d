// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/loop.h"

namespace agent {

// What a secret's name says to read, as Istio names them: "file-cert:CHAIN~KEY", "file-root:CA" (with revocations
// "file-root:CA~CRL"), "file-root:system" for the machine's own roots. PEM; what the name does not mean is empty.
struct FileSecret {
  std::string name;
  std::string certificate_chain, private_key;
  std::string roots, revoked;
};

bool is_file_secret(std::string_view name);

// Regular files of at most 4 MiB; the key must be the certificate's, and the roots begin with a certificate.
base::Result<FileSecret> read_file_secret(const std::string& name);

// Keeps secrets that were asked for as their files are: looks every two seconds, and whoever is of use again, or is
// replaced, is handed out anew. What is of no use is logged by name and never replaces what was. One loop.
class FileSecrets {
 public:
  using Take = std::function<base::Result<void>(const FileSecret&)>;  // an error: it is of no use
  using Missing = std::function<void(const std::string& name)>;       // nobody needs to wait for it
  FileSecrets(net::Loop& loop, Take take, Missing missing);
  ~FileSecrets();
  FileSecrets(const FileSecrets&) = delete;

  // From now on; where it is of no use, `missing` is called each time that it is asked for.
  void want(const std::string& name);
  void look();  // now, at all files

  struct State;  // for the implementation

 private:
  std::shared_ptr<State> state_;
};

}  // namespace agent
