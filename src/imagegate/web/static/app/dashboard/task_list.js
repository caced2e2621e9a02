// A list of tasks whose filters stand in the address.
import { useEffect, useMemo } from "preact/hooks";
import { onBack } from "../connection.js";
import { NO_FILTERS, TaskList } from "../tasks/list.js";
import { useData } from "./data.js";
import { address, setQuery } from "./router.js";

/** @param {URLSearchParams} query */
const filtersIn = (query) => ({ ...NO_FILTERS, ...Object.fromEntries(query) });

/** @param {string} path @returns {import("../tasks/list.js").TaskList} */
export function useTaskList(path) {
  const [list, follow] = useMemo(() => createAddressedList(path), [path]);
  const query = address.value.query.toString();
  useEffect(follow, [follow, query]);
  useEffect(() => onBack(list.reload), [list]);
  return list;
}

/**
 * A choice goes into the list and the address at once; `follow` brings into the list what only the address says, as
 * after a link or a step back.
 * @param {string} path
 */
function createAddressedList(path) {
  const list = new TaskList({ path, pageSize: 50 });
  const applyFilters = list.setFilters;
  applyFilters(filtersIn(address.peek().query));
  list.setFilters = (changes) => {
    applyFilters(changes);
    setQuery(changes);
  };
  const follow = () => {
    const wanted = filtersIn(address.peek().query);
    if (JSON.stringify(wanted) !== JSON.stringify(list.filters.peek())) applyFilters(wanted);
  };
  return /** @type {const} */ ([list, follow]);
}

/** The ids of the models for sale. @returns {string[]} */
export function useModels() {
  const models = useData("/v1/models");
  return (models.value?.data ?? []).map((/** @type {any} */ model) => model.id);
}
