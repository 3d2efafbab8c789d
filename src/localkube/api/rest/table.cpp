// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/table.h"

#include "localkube/api/custom/custom_kind.h"
#include "localkube/api/custom/json_path.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

const std::vector<Column>& columns_of(const KindRow& row, std::string_view version) {
  static const std::vector<Column> age_only = {{.name = "Age"}};
  if (row.custom) {
    auto it = row.custom->versions.find(version);
    return it == row.custom->versions.end() ? age_only : it->second.columns;
  }
  return row.columns.empty() ? age_only : row.columns;
}

bool names_itself(const std::vector<Column>& columns) {
  for (const Column& column : columns)
    if (column.format == "name") return true;
  return false;
}

Json custom_cell(const Column& column, const Json& object) {
  auto found = values_at(object, column.json_path);
  if (found.empty()) return nullptr;
  const Json& value = *found.front();
  if (value.is_null()) return nullptr;
  if (column.type == "date")
    return value.is_string() ? Json(age_text(value.get_ref<const std::string&>())) : Json("<invalid>");
  if (column.type == "integer" || column.type == "number" || column.type == "boolean")
    return value.is_structured() ? Json(value.dump()) : value;
  if (value.is_string()) return value;
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json cells_of(const KindRow& row, std::string_view version, const Json& object) {
  const auto& columns = columns_of(row, version);
  Json cells = Json::array();
  if (!names_itself(columns)) cells.push_back(object.value("metadata", Json::object()).value("name", ""));
  if (row.custom) {
    for (const Column& column : columns) cells.push_back(custom_cell(column, object));
  } else if (row.rules.cells) {
    Json stored = object;
    if (row.to_stored) row.to_stored(stored);
    for (Json& cell : row.rules.cells(stored)) cells.push_back(std::move(cell));
  } else {
    cells.push_back(age_of(object));
  }
  return cells;
}

Json definition(const std::string& name, const std::string& type, const std::string& format, int priority,
                const std::string& description) {
  return {{"name", name},
          {"type", type},
          {"format", format},
          {"description", description.empty() ? name : description},
          {"priority", priority}};
}

}  // namespace

Json column_definitions(const KindRow& row, std::string_view version) {
  const auto& columns = columns_of(row, version);
  Json definitions = Json::array();
  if (!names_itself(columns)) definitions.push_back(definition("Name", "string", "name", 0, "Name of the object"));
  for (const Column& column : columns)
    definitions.push_back(definition(column.name, column.type, column.format, column.priority, column.description));
  return definitions;
}

Json metadata_only(const Json& object) {
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", object.value("metadata", Json::object())}};
}

Json table_of(const KindRow& row, std::string_view version, const std::vector<Json>& objects, Json metadata,
              RowObject carried) {
  Json rows = Json::array();
  for (const Json& object : objects) {
    Json line = {{"cells", cells_of(row, version, object)}};
    line["object"] = carried == RowObject::None     ? Json()
                     : carried == RowObject::Object ? object
                                                    : metadata_only(object);
    rows.push_back(std::move(line));
  }
  return {{"kind", "Table"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", column_definitions(row, version)},
          {"rows", std::move(rows)}};
}

}  // namespace localkube
