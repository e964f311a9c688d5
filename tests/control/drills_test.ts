/**
 * Receipts, rooms and schedules of restore drills.
 */
import { assert, assertEquals } from "@std/assert";
import { silentLogger } from "../../src/base/log.ts";
import { type RepositoryConfig, resolveRepository } from "../../src/config/repositories.ts";
import { chooseIndices } from "../../src/control/drill_choice.ts";
import { type DrillReceipt, DrillReceipts, MAX_RECEIPTS } from "../../src/control/drill_receipts.ts";
import { removeAbandonedRooms, takeRoom } from "../../src/control/drill_room.ts";
import { DrillSchedules } from "../../src/control/drill_schedules.ts";
import type { DrillRequest } from "../../src/control/drills.ts";
import type { FileSystem } from "../../src/os/fs.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";

const HOUR_MS = 3_600_000;

function receipt(id: string, further: Partial<DrillReceipt> = {}): DrillReceipt {
  return {
    id: `drill-${id}`,
    kind: "scheduled",
    repository: "main",
    place: "file:///backups",
    repositoryId: "r",
    backupId: `bk-${id}`,
    backupCreatedMs: 1,
    startedMs: 1,
    endedMs: 2,
    outcome: "passed",
    reason: "",
    bytes: 3,
    fetchedBytes: 4,
    fetchMs: 5,
    openMs: 6,
    compareMs: 7,
    indices: [],
    leftOut: [],
    isPart: false,
    ...further,
  };
}

function inDirectory(test: (fs: FileSystem, directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-drills-" });
  try {
    test(realFileSystem(), directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("receipts: read back by the next process; a damaged one proves nothing", () => {
  inDirectory((fs, directory) => {
    const options = { fs, folder: `${directory}/_drills/receipts`, log: silentLogger };
    const receipts = new DrillReceipts(options);
    assertEquals(receipts.all, []);
    const all = [
      receipt("1", {
        indices: [{
          index: "logs",
          expectedDocs: 1,
          foundDocs: undefined,
          probes: 2,
          differences: ["a", "b"],
          omitted: "",
        }, {
          index: "new",
          expectedDocs: undefined,
          foundDocs: 3,
          probes: 0,
          differences: [],
          omitted: "why",
        }],
        leftOut: ["big"],
      }),
      receipt("2", { endedMs: 3, outcome: "failed", reason: "words" }),
      receipt("3", { endedMs: 4, isPart: true }),
      receipt("4", { endedMs: 5, place: "file:///others" }),
    ];
    for (const each of all) receipts.add(each);
    const again = new DrillReceipts(options);
    assertEquals(JSON.parse(JSON.stringify(again.all)), JSON.parse(JSON.stringify(all)));
    assertEquals(again.lastProven("file:///backups")?.id, "drill-1", "neither a failed one nor a part");
    assertEquals(again.last("file:///backups")?.id, "drill-3");
    const path = `${options.folder}/drill-1.json`;
    const bytes = Deno.readFileSync(path);
    bytes[200]! ^= 1;
    Deno.writeFileSync(path, bytes);
    assertEquals(new DrillReceipts(options).lastProven("file:///backups"), undefined);
  });
});

Deno.test("receipts: old ones go, but the newest that proved a repository stays", () => {
  inDirectory((fs, directory) => {
    const folder = `${directory}/_drills/receipts`;
    const receipts = new DrillReceipts({ fs, folder, log: silentLogger });
    receipts.add(receipt("proven"));
    for (let i = 0; i < MAX_RECEIPTS + 5; i++) {
      receipts.add(receipt(`${i}`, { endedMs: 10 + i, outcome: "failed" }));
    }
    assertEquals(receipts.all.length, MAX_RECEIPTS + 1);
    assertEquals([...Deno.readDirSync(folder)].length, MAX_RECEIPTS + 1);
    assertEquals(receipts.lastProven("file:///backups")?.id, "drill-proven");
  });
});

Deno.test("rooms: nobody else's to read; what a killed drill left goes, what is held or not a room stays", () => {
  inDirectory((fs, directory) => {
    const held = takeRoom(fs, directory, "drill-held");
    assertEquals(Deno.statSync(`${directory}/_drills/drill-held`).mode! & 0o777, 0o700);
    Deno.mkdirSync(`${held.dataDir}/_meta`, { recursive: true });
    for (
      const path of ["drill-killed/data/logs", "drill-empty", "receipts", "others", "drill-no-lock/data"]
    ) {
      Deno.mkdirSync(`${directory}/_drills/${path}`, { recursive: true });
    }
    Deno.writeTextFileSync(`${directory}/_drills/drill-killed/drill.lock`, "");
    Deno.writeTextFileSync(`${directory}/_drills/drill-killed/data/logs/file`, "x");
    assertEquals(removeAbandonedRooms(fs, directory), 2);
    const left = () => [...Deno.readDirSync(`${directory}/_drills`)].map(({ name }) => name).sort();
    assertEquals(left(), ["drill-held", "drill-no-lock", "others", "receipts"]);
    held.release();
    assertEquals(left(), ["drill-no-lock", "others", "receipts"]);
  });
});

Deno.test("choice: under a limit each index has its turn, the one that was proven longest ago first", () => {
  const indices = ["a", "b", "c", "huge"].map((name) => ({ name, bytes: name === "huge" ? 1000 : 40 }));
  const receipts: DrillReceipt[] = [];
  const turns: string[] = [];
  for (let round = 1; round <= 3; round++) {
    const { chosen, leftOut, bytes } = chooseIndices(indices, { receipts, limitBytes: 80 });
    assert(bytes <= 80 && leftOut.includes("huge"));
    turns.push(chosen.join());
    const proven = chosen.map((index) => ({
      index,
      expectedDocs: 1,
      foundDocs: 1,
      probes: 1,
      differences: [],
      omitted: "",
    }));
    receipts.push(receipt(`${round}`, { endedMs: round, indices: proven }));
  }
  assertEquals(turns, ["a,b", "a,c", "a,b"]);
  assertEquals(chooseIndices(indices, { receipts, limitBytes: 0 }).chosen, ["a", "b", "c", "huge"]);
});

Deno.test("schedules: health is yellow when the last proof is too old, was never, or the last drill failed", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-drills-" });
  let nowMs = 1000 * HOUR_MS;
  let repositories: Record<string, RepositoryConfig> = {
    main: resolveRepository(
      new Map<string, string | number>([["destination", "file:///backups"], ["maxDrillAgeHours", 24], [
        "drillSchedule",
        "0 4 * * *",
      ]]),
    ),
    quiet: resolveRepository(new Map([["destination", "file:///quiet"]])),
  };
  const held: DrillRequest[] = [];
  const receipts = new DrillReceipts({
    fs: realFileSystem(),
    folder: `${directory}/_drills/receipts`,
    log: silentLogger,
  });
  let refusal: Error | undefined;
  const schedules = new DrillSchedules({
    hold: (request) => {
      held.push(request);
      return refusal ? Promise.reject(refusal) : Promise.resolve();
    },
    receipts,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    log: silentLogger,
    repositories: () => repositories,
    named: (name) => ({ url: repositories[name]!.destination, name, compress: true, singleWriter: false }),
  });
  const causes = () => schedules.warnings.map(({ cause }) => cause);
  try {
    schedules.start();
    assertEquals([...schedules.next.keys()], ["main"]);
    assertEquals(new Date(schedules.next.get("main")!).getUTCHours(), 4);
    nowMs += 24 * HOUR_MS;
    assertEquals(causes(), [], "never, but not for long");
    nowMs += 1;
    assertEquals(causes(), ["no restore of [main] was ever proven"]);
    receipts.add(receipt("1", { endedMs: nowMs }));
    assertEquals(causes(), []);
    nowMs += 25 * HOUR_MS;
    assertEquals(causes(), ["the last proven restore of [main] is 25 hours old; at most 24 are allowed"]);
    assertEquals(schedules.ages, [{ repository: "main", ageMs: 25 * HOUR_MS }, {
      repository: "quiet",
      ageMs: undefined,
    }]);
    receipts.add(receipt("2", { endedMs: nowMs, outcome: "failed", reason: "objects/x is damaged" }));
    assertEquals(causes()[0], "the last restore drill of [main] failed: backup bk-2: objects/x is damaged");
    receipts.add(receipt("3", { endedMs: nowMs, outcome: "not_held", reason: "no room" }));
    assertEquals(causes()[0], "the last restore drill of [main] could not be held: no room");
    receipts.add(receipt("4", { endedMs: nowMs }));
    assertEquals(causes(), []);
    refusal = new Error("a secret is not there");
    await schedules.run("main");
    assertEquals(causes(), ["the last restore drill of [main] could not begin: a secret is not there"]);
    refusal = undefined;
    await schedules.run("main");
    assertEquals(held.map(({ kind, backup, destination }) => [kind, backup, destination.name]), [
      ["scheduled", "latest", "main"],
      ["scheduled", "latest", "main"],
    ]);
    assertEquals(causes(), []);
    repositories = { quiet: repositories["quiet"]! };
    schedules.reconfigured();
    nowMs += 1000 * HOUR_MS;
    assertEquals([causes(), [...schedules.next]], [[], []]);
  } finally {
    schedules.stop();
    Deno.removeSync(directory, { recursive: true });
  }
});
