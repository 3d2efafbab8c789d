// SPDX-License-Identifier: Apache-2.0
// scenario_dump POD DIR [FILE.yaml...]: what the proxy of POD in the helloworld
// mesh, with the files' objects, would be told, as files that an Envoy watches
// in place of a control plane: lds.json, cds.json, rds.NAME.json, eds.NAME.json;
// secrets are looked for in sds.NAME.json.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <span>
#include <sstream>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "objects/proto_json.h"
#include "scenario.h"

namespace {

using google::protobuf::Any;

std::string file_of(const std::string& type, std::string name) {
  std::ranges::replace(name, '/', '_');
  return type + "." + name + ".json";
}

// Configuration that would come over ADS or from the agent comes from files,
// one for each resource.
void redirect(base::Json& value, const std::string& directory) {
  if (value.is_array())
    for (auto& item : value) redirect(item, directory);
  if (!value.is_object()) return;
  auto use = [&](base::Json& source, const std::string& file) {
    source = {{"pathConfigSource", {{"path", directory + "/" + file}}}, {"resourceApiVersion", "V3"}};
  };
  if (value.contains("routeConfigName")) use(value["configSource"], file_of("rds", value["routeConfigName"]));
  if (value.contains("edsConfig")) use(value["edsConfig"], file_of("eds", value["serviceName"]));
  if (value.contains("sdsConfig")) use(value["sdsConfig"], file_of("sds", value["name"]));
  for (auto& [key, item] : value.items()) redirect(item, directory);
}

void write(const std::string& directory, const std::string& file, std::span<const translate::Resource> resources) {
  envoy::service::discovery::v3::DiscoveryResponse response;
  response.set_version_info("1");
  for (const auto& resource : resources) response.add_resources()->PackFrom(*resource.message);
  base::Json json = objects::to_json(response);
  redirect(json, directory);
  std::ofstream(directory + "/" + file) << json.dump(1);
}

void write_each(const std::string& directory, const std::string& type, std::span<const translate::Resource> resources) {
  for (size_t i = 0; i < resources.size(); ++i)
    write(directory, file_of(type, resources[i].name), resources.subspan(i, 1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: scenario_dump POD DIR [FILE.yaml...]\n";
    return 2;
  }
  std::string directory = argv[2];
  auto mesh = scenario::Mesh::helloworld();
  for (int i = 3; i < argc; ++i) {
    std::ostringstream text;
    text << std::ifstream(argv[i]).rdbuf();
    mesh.apply(text.str());
  }
  auto view = mesh.view(argv[1]);
  write(directory, "lds.json", translate::listeners(view));
  write(directory, "cds.json", translate::clusters(view));
  write_each(directory, "rds", translate::routes(view, translate::route_names(view)));
  write_each(directory, "eds", translate::endpoints(view, translate::endpoint_names(view)));
}
