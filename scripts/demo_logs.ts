/**
 * Log lines as a small shop's services would write them: seeded, so that every demo tells the same story.
 *
 * @module
 */

const SERVICES = [
  "gateway",
  "checkout",
  "search",
  "catalog",
  "payments",
  "users",
  "mailer",
  "inventory",
] as const;
const PATHS = [
  "/",
  "/login",
  "/cart",
  "/checkout",
  "/api/search",
  "/api/items",
  "/api/users",
  "/health",
  "/api/orders",
] as const;
const MESSAGES = {
  info: [
    "request completed",
    "order created",
    "session opened for user",
    "cache hit for item",
    "mail queued for user",
  ],
  warn: [
    "slow query on table orders",
    "retrying connection to payment gateway",
    "cache miss rate above threshold",
  ],
  error: [
    "payment gateway timeout after 3 attempts",
    "connection refused by inventory database",
    "unhandled exception in request handler",
    "circuit breaker open for payments",
  ],
} as const;
const WORDS =
  "order user item token cart region shard replica batch worker thread node session page query index cache"
    .split(" ");

/** Start of the logs: 2026-01-05T00:00:00Z, for one day. */
const START_MS = Date.UTC(2026, 0, 5);
const DAY_MS = 86_400_000;

/**
 * NDJSON of documents [from, to) of `count` spread over a day. At 14:00 payments breaks for twenty minutes.
 */
export function logLines(from: number, to: number, count: number): string {
  let out = "";
  for (let i = from; i < to; i++) {
    const random = generator(i * 2654435761);
    const time = START_MS + Math.floor((i + random()) / count * DAY_MS);
    const incident = time - START_MS > 14 * 3_600_000 && time - START_MS < 14.33 * 3_600_000;
    const service = incident && random() < 0.4 ? "payments" : pick(SERVICES, random() * random());
    const failing = incident && service === "payments";
    const roll = random();
    const level = roll < (failing ? 0.6 : 0.02) ? "error" : roll < (failing ? 0.8 : 0.09) ? "warn" : "info";
    const latency = Math.exp(2 + random() * 2.5 + (level === "info" ? 0 : 2) + (failing ? 1.5 : 0));
    const status = level === "error"
      ? pick([500, 502, 503], random())
      : pick([200, 200, 200, 201, 304, 404], random());
    const message =
      `${pick(MESSAGES[level], random())} ${pick(WORDS, random())} ${Math.floor(random() * 100_000)} ` +
      `${pick(WORDS, random())} ${pick(WORDS, random())} in ${latency.toFixed(0)}ms`;
    const ip = `10.${Math.floor(random() * 4)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`;
    out += `{"@timestamp":"${new Date(time).toISOString()}","service":"${service}","host":"${service}-${
      Math.floor(random() * 6)
    }","level":"${level}","status":${status},"latency_ms":${latency.toFixed(2)},"bytes":${
      Math.floor(random() * random() * 20_000)
    },"client_ip":"${ip}","path":"${pick(PATHS, random())}","message":"${message}"}\n`;
  }
  return out;
}

/** Native schema of these documents. */
export const LOG_SCHEMA = {
  "@timestamp": "date",
  service: "keyword",
  host: "keyword",
  level: "keyword",
  status: "integer",
  latency_ms: "double",
  bytes: "long",
  client_ip: "ip",
  path: "keyword",
  message: "text",
} as const;

function pick<T>(from: readonly T[], at: number): T {
  return from[Math.min(from.length - 1, Math.floor(at * from.length))]!;
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
