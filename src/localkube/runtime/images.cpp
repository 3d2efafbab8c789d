// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/images.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "localkube/process/files.h"

namespace localkube {
namespace {

struct BuiltIn {
  std::string_view repository;
  std::vector<std::string> entrypoint;
  std::vector<std::string> arguments;
  std::vector<std::string> env;
};

// With words it runs them where they name a program, else curl with them, as the image does.
const char* const kCurlEntry =
    "if [ $# -eq 0 ]; then exec sleep infinity; fi; case $1 in -*) ;; *) command -v \"$1\" >/dev/null 2>&1 && exec "
    "\"$@\" ;; "
    "esac; exec curl \"$@\"";

std::vector<BuiltIn> built_ins() {
  return {
      {"docker.io/seine/pilot", {"seined"}, {}, {}},
      {"docker.io/seine/proxyv2", {"seine-proxy"}, {}, {}},
      {"docker.io/istio/examples-helloworld-v1", {}, {"seine-samples", "helloworld"}, {"SERVICE_VERSION=v1"}},
      {"docker.io/istio/examples-helloworld-v2", {}, {"seine-samples", "helloworld"}, {"SERVICE_VERSION=v2"}},
      {"docker.io/library/nginx", {}, {"seine-samples", "nginx"}, {}},
      {"docker.io/curlimages/curl", {"/bin/sh", "-c", kCurlEntry, "curl"}, {}, {}},
      {"docker.io/library/busybox", {}, {"sh"}, {}},
      {"docker.io/library/alpine", {}, {"sh"}, {}},
      {"docker.io/library/debian", {}, {"bash"}, {}},
      {"docker.io/library/ubuntu", {}, {"bash"}, {}},
      {"registry.k8s.io/pause", {}, {"sleep", "infinity"}, {}},
  };
}

// The line of the user's file that stands for the image, if there is one.
base::Result<std::optional<Image>> registered_image(const base::Json& file, const ImageName& wanted) {
  for (const auto& [name, words] : file.items()) {
    ImageName known = image_name(name);
    bool any_tag = name.find(':', name.rfind('/') == std::string::npos ? 0 : name.rfind('/')) == std::string::npos;
    if (known.repository != wanted.repository || (!any_tag && known.tag != wanted.tag)) continue;
    if (!words.is_array())
      return base::fail(base::ErrorKind::Invalid, "the line of \"" + name + "\" must be a list of words, e.g. " + name +
                                                      ": [/usr/bin/my-server, --port, \"8080\"]");
    Image image{.id = wanted.repository};
    for (const base::Json& word : words)
      image.entrypoint.push_back(word.is_string() ? word.get<std::string>() : word.dump());
    return image;
  }
  return std::nullopt;
}

}  // namespace

ImageName image_name(std::string_view reference) {
  std::string name(reference);
  ImageName out{.repository = {}, .tag = "latest"};
  if (size_t digest = name.find('@'); digest != name.npos) name.resize(digest);
  size_t slash = name.rfind('/'), colon = name.rfind(':');
  if (colon != name.npos && (slash == name.npos || colon > slash)) {
    out.tag = name.substr(colon + 1);
    name.resize(colon);
  }
  size_t first = name.find('/');
  std::string host = first == name.npos ? "" : name.substr(0, first);
  bool registry = host.find_first_of(".:") != host.npos || host == "localhost";
  bool hub = host == "docker.io" || host == "index.docker.io";
  if (hub) name = (name.find('/', first + 1) == name.npos ? "docker.io/library" : "docker.io") + name.substr(first);
  if (!registry) name = (first == name.npos ? "docker.io/library/" : "docker.io/") + name;
  out.repository = name;
  return out;
}

base::Result<void> Images::read() {
  auto text = base::read_file(registered_);
  if (!text && text.error().kind == base::ErrorKind::NotFound) {
    known_.clear();
    return {};
  }
  if (!text) return std::unexpected(std::move(text.error()));
  auto documents = base::parse_yaml(*text);
  if (!documents) return base::fail(base::ErrorKind::Invalid, registered_.string() + ": " + documents.error().message);
  known_ = std::move(*documents);
  return {};
}

base::Result<Image> Images::find(std::string_view reference) {
  ImageName wanted = image_name(reference);
  auto read_now = read();
  std::string complaint = read_now ? "" : read_now.error().message;
  if (complaint != complaint_ && !complaint.empty())
    base::log::warn("{}; the images that were registered before stay so", complaint);
  complaint_ = complaint;
  for (const base::Json& file : known_) {
    if (!file.is_object()) continue;
    auto image = registered_image(file, wanted);
    if (!image) return base::fail(image.error().kind, registered_.string() + ": " + image.error().message);
    if (*image) return std::move(**image);
  }
  for (BuiltIn& image : built_ins())
    if (image.repository == wanted.repository)
      return Image{.entrypoint = std::move(image.entrypoint),
                   .arguments = std::move(image.arguments),
                   .env = std::move(image.env),
                   .id = wanted.repository};
  if (!read_now) return std::unexpected(std::move(read_now.error()));
  return base::fail(base::ErrorKind::NotFound,
                    "image \"" + std::string(reference) +
                        "\" is not known on this machine; register the program that it stands for with a line in " +
                        registered_.string() + ", e.g. " + std::string(reference) +
                        ": [/usr/bin/my-server, --port, \"8080\"]");
}

}  // namespace localkube
