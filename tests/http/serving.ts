/** A listener on a free port around a few routes, for tests. */
import { silentLogger } from "../../src/base/log.ts";
import { type App, type AppOptions, createApp } from "../../src/http/app.ts";
import { authenticator, type AuthOptions } from "../../src/http/auth.ts";
import { BodyBudget } from "../../src/http/body.ts";
import { listen, type Listener } from "../../src/http/listener.ts";
import { RequestIds } from "../../src/http/request_id.ts";
import { Router } from "../../src/http/router.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";

export const ADMIN_KEY = "admin-key-of-the-tests";
export const METRICS_TOKEN = "metrics-token";

export interface Serving {
  readonly app: App;
  readonly listener: Listener;
  readonly budget: BodyBudget;
  /** Sends with the administrator's key, unless headers say otherwise. */
  call(path: string, init?: RequestInit): Promise<Response>;
}

export interface ServingOptions extends Partial<AppOptions> {
  readonly auth?: Partial<AuthOptions>;
  readonly maxBytes?: number;
  readonly budgetBytes?: number;
  readonly stallMs?: number;
}

export async function serving(
  routes: (router: Router) => void,
  run: (serving: Serving) => Promise<void>,
  { auth, maxBytes = 1 << 20, budgetBytes = 1 << 26, stallMs = 5000, ...options }: ServingOptions = {},
): Promise<void> {
  const router = new Router({ commonParameters: ["pretty"] });
  routes(router);
  const budget = new BodyBudget(() => budgetBytes);
  const authOptions = { enabled: true, adminKey: ADMIN_KEY, metricsToken: METRICS_TOKEN, ...auth };
  const app = createApp({
    router,
    authenticator: authenticator(() => authOptions),
    requestIds: new RequestIds(systemRandom()),
    clock: systemClock(),
    logger: silentLogger,
    budget,
    bodyLimits: () => ({ maxBytes, stallMs }),
    ...options,
  });
  const listener = listen({ address: "127.0.0.1", port: 0, handle: app.handle, logger: silentLogger });
  const call = (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `ApiKey ${ADMIN_KEY}`);
    return fetch(`${listener.origin}${path}`, { ...init, headers });
  };
  try {
    await run({ app, listener, budget, call });
  } finally {
    await listener.stop(2000);
  }
}

/** Sends bytes over a fresh connection and returns all that comes back until it is closed, or `untilMs` is over. */
export async function rawCall(port: number, request: string, untilMs = 1000): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), untilMs);
  await connection.write(new TextEncoder().encode(request));
  let answer = "";
  const buffer = new Uint8Array(65536);
  try {
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      answer += new TextDecoder().decode(buffer.subarray(0, n));
    }
    clearTimeout(timer);
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) throw error;
  }
  return answer;
}
