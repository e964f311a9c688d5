export type SourceFilter = unknown;
export function parseSourceFilter(_json: unknown): SourceFilter { return undefined; }
export function filterSource(source: Uint8Array, _filter: SourceFilter): Uint8Array | undefined { return source; }
