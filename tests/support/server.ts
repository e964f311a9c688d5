/**
 * A real server process for tests, benches and the demo: on free ports, in a temporary directory, killed in the end.
 *
 * @module
 */

export interface ServerOptions {
  /** Kept when given; else a temporary one that `stop` removes. */
  readonly dataDir?: string;
  /** Further TOML. */
  readonly toml?: string;
  /** Compiled executable; default: this checkout through Deno. */
  readonly binary?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** With a key, as users run it; default: `--insecure`. */
  readonly auth?: boolean;
  /** Wait until all logs are replayed. Default true. */
  readonly waitReady?: boolean;
  readonly readyTimeoutMs?: number;
  /** Put before the command, such as `["strace", "-f", ...]`. */
  readonly wrapper?: readonly string[];
}

export class ServerProcess {
  #stderr = "";
  readonly exited: Promise<Deno.CommandStatus>;
  #alive = true;

  constructor(
    readonly child: Deno.ChildProcess,
    readonly dataDir: string,
    readonly native: string,
    readonly es: string,
    private readonly ownsDir: boolean,
    readonly configPath: string,
  ) {
    this.exited = child.status.then((status) => {
      this.#alive = false;
      return status;
    });
    this.#read();
  }

  /** Everything that it logged so far. */
  get log(): string {
    return this.#stderr;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** The administrator's key. */
  key(): string {
    return Deno.readTextFileSync(`${this.dataDir}/admin.key`).trim();
  }

  /** Resolves when all logs are replayed. @throws The server ended, or took too long. */
  async ready(timeoutMs = 60_000): Promise<void> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      if (!this.#alive) throw new Error(`the server ended:\n${this.#stderr}`);
      if (performance.now() > until) {
        throw new Error(`the server is not ready after ${timeoutMs} ms:\n${this.#stderr}`);
      }
      try {
        const response = await fetch(`${this.native}/v1/health/ready`);
        await response.body?.cancel();
        if (response.status === 200) return;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#alive) this.child.kill("SIGKILL");
    await this.exited;
  }

  /** SIGTERM; resolves with the exit code, and removes the directory if it was made here. */
  async stop(): Promise<number> {
    if (this.#alive) this.child.kill("SIGTERM");
    const { code } = await this.exited;
    this.remove();
    return code;
  }

  /** Removes the directory if it was made here. */
  remove(): void {
    Deno.removeSync(this.configPath);
    if (this.ownsDir) Deno.removeSync(this.dataDir, { recursive: true });
  }

  async json(
    path: string,
    init: RequestInit & { readonly json?: unknown } = {},
  ): Promise<{ status: number; body: Record<string, never> }> {
    const { json, ...rest } = init;
    const request: RequestInit = json === undefined ? rest : {
      ...rest,
      body: JSON.stringify(json),
      headers: { "content-type": "application/json", ...rest.headers },
    };
    const response = await fetch(path.startsWith("http") ? path : `${this.native}${path}`, request);
    const text = await response.text();
    return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.child.stderr) {
      this.#stderr += decoder.decode(chunk, { stream: true });
      if (this.#stderr.length > 4_000_000) this.#stderr = this.#stderr.slice(-2_000_000);
    }
  }
}

/** Below the ports that the kernel gives to connections: one of those may take a port before its server does. */
const PORTS = { from: 10_000, to: 32_000 } as const;

/** A port that was free a moment ago. */
export function freePort(): number {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Command line of a server from this checkout, or of a compiled one: that given, or that of XERJ_BINARY. */
export function serverCommand(binary: string | undefined = Deno.env.get("XERJ_BINARY")): string[] {
  return binary === undefined
    ? [Deno.execPath(), "run", "-A", "--unstable-net", "--unstable-worker-options", `${ROOT}main.ts`]
    : [binary];
}

/** How often a server is started anew when others took its ports between the choice and the start. */
const TRIES = 5;

export async function startServer(options: ServerOptions = {}): Promise<ServerProcess> {
  for (let left = TRIES - 1;; left--) {
    try {
      return await startOnce(options);
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes('"code":"EADDRINUSE"');
      if (!isTaken || left === 0) throw error;
    }
  }
}

async function startOnce(options: ServerOptions): Promise<ServerProcess> {
  const dataDir = options.dataDir ?? Deno.makeTempDirSync({ prefix: "xerj-" });
  const native = freePort();
  let es = freePort();
  while (es === native) es = freePort();
  const configPath = Deno.makeTempFileSync({ prefix: "xerj-", suffix: ".toml" });
  Deno.writeTextFileSync(configPath, options.toml ?? "");
  const [command, ...args] = [
    ...options.wrapper ?? [],
    ...serverCommand(options.binary),
    "--config",
    configPath,
    "--data-dir",
    dataDir,
    "--rest-port",
    String(native),
    "--es-port",
    String(es),
    ...(options.auth ? [] : ["--insecure"]),
    ...options.args ?? [],
  ];
  const child = new Deno.Command(command!, {
    args,
    env: { ...options.env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const server = new ServerProcess(
    child,
    dataDir,
    `http://127.0.0.1:${native}`,
    `http://127.0.0.1:${es}`,
    options.dataDir === undefined,
    configPath,
  );
  if (options.waitReady === false) return server;
  try {
    await server.ready(options.readyTimeoutMs);
  } catch (error) {
    await server.kill();
    server.remove();
    throw error;
  }
  return server;
}
