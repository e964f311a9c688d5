/**
 * Bits of synced files that flip, one at a time, in copies of a directory that was closed cleanly: an error that names a
 * file, or the right answer; never a wrong one.
 *
 * @module
 */
import { rsync } from "./copy_tools.ts";
import { judge, lookInto } from "./judge.ts";
import { DATA_DIR, type Simulation } from "./simulation.ts";

/** Says which file it is about. */
function namesFile(error: unknown): boolean {
  return /(wal-\d+|manifest-\d+|seg-\d+|catalog-\d+|deleted-\d+|_meta)/.test(String(error));
}

export async function flipBits(sim: Simulation, flips: number): Promise<void> {
  const { chance, scheduler, disk, model, report } = sim;
  const copies = sim.copies.disk;
  await scheduler.finish(sim.server.process, sim.server.close());
  sim.kill();
  const options = { deletes: false, deletesAfter: false, listsFirst: true, hardLinks: false };
  for (let i = 0; i < flips; i++) {
    const path = `flip${i}`;
    const plan = { from: disk, fromPath: DATA_DIR, to: copies, toPath: path, chance };
    for (const _ of rsync(plan, options)) { /* nobody writes */ }
    const files = copies.walk(path).filter((file) => !file.endsWith("/"));
    const file = files[Math.floor(chance() * files.length)]!;
    const node = copies.file(file, "flip");
    if (node.size === 0) continue;
    const at = Math.floor(chance() * node.size);
    const bit = 1 << Math.floor(chance() * 8);
    node.data[at]! ^= bit;
    copies.syncAll();
    report.bitFlips++;
    const where = `{bit ${bit} of byte ${at} of ${file}}`;
    const serverOptions = sim.serverOptions(copies, path, { bootId: "elsewhere", machineId: "m2" });
    const { server, error } = await sim.tryOpen(serverOptions, false);
    try {
      if (error !== undefined) {
        if (!namesFile(error)) sim.fail([`wrong: ${error} names no file ${where}`]);
        continue;
      }
      const found = await scheduler.finish(server.process, lookInto(server));
      const promised = { model, floors: model.floors(), listing: model.listings.length - 1 };
      sim.fail(judge(found, promised).map((text) => `${text} ${where}`));
    } catch (failure) {
      if ((failure as Error).name === "Violation") throw failure;
      if (!namesFile(failure)) sim.fail([`wrong: ${failure} names no file ${where}`]);
    } finally {
      if (server.process.alive) server.fs.kill();
      copies.removeAll(path);
    }
  }
}
