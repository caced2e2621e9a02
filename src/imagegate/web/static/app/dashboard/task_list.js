// A list of tasks whose filters stand in the address.
import { useEffect, useMemo } from "preact/hooks";
import { createTaskList, NO_FILTERS } from "../tasks/list.js";
import { useData } from "./data.js";
import { address, setQuery } from "./router.js";

/** @param {URLSearchParams} query */
const filtersIn = (query) => ({ ...NO_FILTERS, ...Object.fromEntries(query) });

/** @param {string} path @returns {import("../tasks/list.js").TaskList} */
export function useTaskList(path) {
  const [list, applyFilters] = useMemo(() => createAddressedList(path), [path]);
  const query = address.value.query.toString();
  useEffect(() => applyFilters(filtersIn(new URLSearchParams(query))), [applyFilters, query]);
  return list;
}

/** A choice goes into the address first, and from there into the list. @param {string} path */
function createAddressedList(path) {
  const list = createTaskList({ path, pageSize: 50 });
  const applyFilters = list.setFilters;
  list.setFilters = setQuery;
  return /** @type {const} */ ([list, applyFilters]);
}

/** The ids of the models for sale. @returns {string[]} */
export function useModels() {
  const models = useData("/v1/models");
  return (models.value?.data ?? []).map((/** @type {any} */ model) => model.id);
}
