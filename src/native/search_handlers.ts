import type { SearchHandler } from "../engine/searcher_node.ts";
export const nativeSearchHandlers: Readonly<Record<string, SearchHandler>> = {};
