import type { SearchHandler } from "../engine/searcher_node.ts";
export const esSearchHandlers: Readonly<Record<string, SearchHandler>> = {
  "es.count": (_call, targets) => ({ status: 200, body: new TextEncoder().encode(JSON.stringify({ count: targets.reduce((s, t) => s + t.segments.reduce((x, g) => x + g.liveCount, 0), 0) })) }),
};
