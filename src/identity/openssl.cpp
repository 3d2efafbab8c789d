// SPDX-License-Identifier: Apache-2.0
#include "identity/openssl.h"

namespace identity::ssl {

Bio reader(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }
Bio writer() { return Bio(BIO_new(BIO_s_mem())); }

std::string written(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::unexpected<base::Error> fail(base::ErrorKind kind, std::string_view what) {
  std::string message(what);
  if (unsigned long code = ERR_get_error(); code != 0) {
    const char* reason = ERR_reason_error_string(code);
    message += ": ";
    message += reason ? reason : "OpenSSL error " + std::to_string(code);
  }
  ERR_clear_error();
  return base::fail(kind, std::move(message));
}

int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace identity::ssl
