import { assert, assertEquals } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { RepositoryError } from "../../src/backup/error.ts";
import { prune } from "../../src/backup/prune.ts";
import { Repository } from "../../src/backup/repository.ts";
import { StoreError, type StoreErrorKind } from "../../src/objectstore/store.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  assertFiles,
  backUpOptions,
  type Files,
  newRepository,
  noise,
  options,
  planOf,
  restored,
} from "./support.ts";

const OLD: Files = { "a/seg-000001/segment.seg": noise(9000, 1), "a/wal/wal-000001": noise(5000, 2) };
const NEW: Files = { ...OLD, "a/seg-000002/segment.seg": noise(8000, 3), "a/wal/wal-000001": noise(6000, 4) };

/** A backup, another that replaces it, and a prune, of which call number `failing` fails before or after its effect. */
async function run(failing: number, { when, kind }: { when: "before" | "after"; kind: StoreErrorKind }) {
  const store = new MemoryStore();
  const disk = new MemoryDisk();
  await newRepository(store);
  const open = () => Repository.open(store, options(failing + 2));
  await backUp(await open(), planOf(disk, "bk-1", OLD), backUpOptions(disk));
  let calls = 0;
  store[when] = () => {
    if (++calls === failing) throw new StoreError("Failed on purpose", { kind });
  };
  const failures: unknown[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      assert(error instanceof StoreError || error instanceof RepositoryError);
      failures.push(error);
    }
  };
  const plan = planOf(disk, "bk-2", NEW);
  await attempt(async () => await backUp(await open(), plan, backUpOptions(disk)));
  const afterFailure = await Repository.open(new MemoryStore(store.objects), options(1));
  const { backups } = (await afterFailure.readHead()).head;
  for (const { id } of backups) {
    assertFiles(await restored(afterFailure, { backup: id }), id === "bk-1" ? OLD : NEW);
  }
  if (failures.length === 1) await attempt(async () => await backUp(await open(), plan, backUpOptions(disk)));
  await attempt(async () => await prune(await open(), { retention: { last: 1 }, graceEpochs: 0 }));
  store[when] = () => {};
  // A delete that failed is a result, not an error: the next prune makes it good.
  await prune(await open(), { retention: { last: 1 }, graceEpochs: 0 });
  const repository = await open();
  assertEquals((await repository.readHead()).head.backups.map(({ id }) => id), ["bk-2"]);
  assertFiles(await restored(repository), NEW);
  assertEquals([store.names("objects/").length, store.names("backups/").length], [3, 1]);
  return { calls, failures: failures.length };
}

for (const when of ["before", "after"] as const) {
  for (const kind of ["unavailable", "denied", "damaged"] as const) {
    Deno.test(`any call that fails as ${kind}, ${when} its effect, leaves every listed backup whole`, async () => {
      const { calls } = await run(0, { when, kind });
      assert(calls > 15);
      let failures = 0;
      for (let failing = 1; failing <= calls; failing++) {
        failures += (await run(failing, { when, kind })).failures;
      }
      assert(failures > calls / 2);
    });
  }
}
