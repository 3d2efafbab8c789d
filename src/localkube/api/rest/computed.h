// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/rest/front.h"

namespace localkube {

// Kinds that are not stored: who reads them gets what holds at that moment. They can be got and listed.
//
//   apiservices        the groups and versions that are served, each by this server itself; can be watched, too
//   componentstatuses  store, controllers and scheduler, looked at there and then
std::span<const KindPointer> computed_kinds();
KindPointer find_computed(const ApiPath& path);  // null: none of them
std::vector<std::string> computed_verbs(const KindRow& row);
Json computed_schema(const KindRow& row);  // for OpenAPI, without what all kinds share
net::Task<void> serve_computed(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path, User user);
net::Task<void> watch_api_services(Services& services, RestRequest request);
std::vector<Json> api_services(Registry& registry);  // in the order of their names

// Groups in order of appearance, each with its versions, the preferred first; "" is the core.
std::vector<std::pair<std::string, std::vector<std::string>>> served_groups(const Catalog& catalog);

// The health paths: /healthz, /livez and /readyz, with ?verbose and ?exclude=NAME, and one path for each check.
bool is_health(std::string_view path);
// `reasons`: what failed is said, too.
void serve_health(Services& services, http::Exchange& exchange, bool reasons);

// What is wrong with a part of the cluster; empty where nothing is.
std::string trouble_of_store(const Registry& registry);
std::string trouble_of_controllers(const Registry& registry);
std::string trouble_of_scheduler(const Registry& registry);

}  // namespace localkube
