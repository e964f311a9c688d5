/**
 * How fast do records get into the log, and back? `deno run -A bench/wal.ts [directory]`
 *
 * @module
 */
import { utf8 } from "../src/base/bytes.ts";
import { randomUuid } from "../src/base/uuid.ts";
import { OperationsReader, OperationsWriter, OpKind } from "../src/format/operations.ts";
import { RecordKind } from "../src/format/wal.ts";
import { systemClock } from "../src/os/clock.ts";
import { systemRandom } from "../src/os/random.ts";
import { realFileSystem } from "../src/os/real_fs.ts";
import { createShard, openShard, type StoreEnvironment } from "../src/shard/store.ts";

const root = Deno.makeTempDirSync({ dir: Deno.args[0], prefix: "xerj-bench-" });
const random = systemRandom();
let lsn = 0;
const environment: StoreEnvironment = {
  fs: realFileSystem(),
  clock: systemClock(),
  random,
  bootId: "",
  isCopy: false,
  cleanStop: false,
  log: { info: () => {}, warn: () => {} },
  nextLsn: () => ++lsn,
  raiseLsn: (atLeast) => void (lsn = Math.max(lsn, atLeast)),
  walMaxBytes: 512 * 1024 * 1024,
  retainSupersededMs: () => 900_000,
};

function report(what: string, count: number, bytes: number, ms: number): void {
  const rate = Math.round(count / ms * 1000).toLocaleString("en");
  console.log(
    `${what.padEnd(46)} ${rate.padStart(12)}/s ${(bytes / ms / 1048.576).toFixed(0).padStart(6)} MiB/s`,
  );
}

/** Appends `count` records of `operations` operations with sources of `sourceBytes`. */
async function measure({ name, count, operations, sourceBytes, syncEach = false }: {
  readonly name: string;
  readonly count: number;
  readonly operations: number;
  readonly sourceBytes: number;
  readonly syncEach?: boolean;
}): Promise<void> {
  const identity = { indexUuid: randomUuid(random), incarnation: randomUuid(random), shard: 0 };
  const options = { mapping: {}, settings: {} };
  const store = createShard(environment, `${root}/${name}`, { identity, options });
  const writer = new OperationsWriter();
  const source = utf8("x".repeat(sourceBytes));
  const id = utf8("0123456789abcdefghij");
  let seqNo = 0;
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    writer.clear();
    for (let k = 0; k < operations; k++) {
      writer.add(OpKind.Index, 0, k, 1, id, 0, id.length, source, 0, sourceBytes);
    }
    store.append(RecordKind.Operations, {
      seqNo,
      lastSeqNo: seqNo + operations - 1,
      payload: [writer.bytes()],
    });
    seqNo += operations;
    if (syncEach) await store.syncAsync();
  }
  const appendMs = performance.now() - started;
  const bytes = store.walBytes();
  report(`${name}: append, records`, count, bytes, appendMs);
  if (operations > 1) report(`${name}: append, operations`, count * operations, bytes, appendMs);
  store.sync();
  report(`${name}: append and sync`, count, bytes, performance.now() - started);
  store.close({ clean: true });
  const openStarted = performance.now();
  const opened = openShard(environment, `${root}/${name}`, identity);
  report(`${name}: open (scan)`, count, bytes, performance.now() - openStarted);
  const replayStarted = performance.now();
  let seen = 0;
  for (
    const _ of opened.replay(({ payload }) => {
      const reader = new OperationsReader(payload);
      while (reader.next()) seen++;
    })
  ) { /* goes on */ }
  report(`${name}: replay, operations`, seen, bytes, performance.now() - replayStarted);
}

try {
  for (let round = 0; round < 2; round++) {
    const suffix = round === 0 ? " (cold)" : "";
    await measure({ name: `1 KiB${suffix}`, count: 300_000, operations: 1, sourceBytes: 930 });
    await measure({ name: `1 MiB${suffix}`, count: 400, operations: 1, sourceBytes: 1_048_480 });
    await measure({ name: `bulk of 1000${suffix}`, count: 1000, operations: 1000, sourceBytes: 430 });
  }
  await measure({ name: "synced one by one", count: 2000, operations: 1, sourceBytes: 430, syncEach: true });
} finally {
  Deno.removeSync(root, { recursive: true });
}
