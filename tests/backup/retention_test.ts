import { assertEquals } from "@std/assert";
import type { ListedBackup } from "../../src/backup/head.ts";
import { applyRetention, expiredBackups, type RetentionPolicy } from "../../src/backup/retention.ts";

function listed(time: string, more: Partial<ListedBackup> = {}): ListedBackup {
  return {
    id: time,
    manifest: `backups/${time}.json`,
    sha256: "",
    manifestBytes: 1,
    createdMs: Date.parse(time),
    bytesTotal: 1,
    files: 1,
    lsn: 1,
    pinned: false,
    kind: "scheduled",
    series: "nightly",
    ...more,
  };
}

const HOURLY = ["00", "01", "02", "03", "04"].map((hour) => listed(`2026-04-15T${hour}:00:00Z`));
const DAILY = ["10", "11", "12", "13", "14", "15"].map((day) => listed(`2026-04-${day}T03:00:00Z`));

const CASES: readonly {
  readonly name: string;
  readonly backups: readonly ListedBackup[];
  readonly policy: RetentionPolicy;
  readonly kept: readonly string[];
}[] = [
  { name: "nothing there", backups: [], policy: { last: 1 }, kept: [] },
  { name: "no policy keeps all", backups: HOURLY, policy: {}, kept: ["00", "01", "02", "03", "04"] },
  { name: "zeros keep all too", backups: HOURLY, policy: { last: 0 }, kept: ["00", "01", "02", "03", "04"] },
  { name: "last", backups: HOURLY, policy: { last: 2 }, kept: ["03", "04"] },
  {
    name: "hourly takes the newest of each hour",
    backups: HOURLY,
    policy: { hourly: 3 },
    kept: ["02", "03", "04"],
  },
  { name: "daily of one day is the newest", backups: HOURLY, policy: { daily: 7 }, kept: ["04"] },
  { name: "reasons add up", backups: HOURLY, policy: { last: 1, hourly: 2 }, kept: ["03", "04"] },
];

for (const { name, backups, policy, kept } of CASES) {
  Deno.test(`retention: ${name}`, () => {
    const decisions = applyRetention(backups, policy).filter(({ reasons }) => reasons.length > 0);
    assertEquals(decisions.map(({ backup }) => backup.id.slice(11, 13)), kept);
  });
}

Deno.test("retention: days, weeks from Monday, months", () => {
  const kept = (policy: RetentionPolicy, backups: readonly ListedBackup[]) =>
    applyRetention(backups, policy).filter(({ reasons }) => reasons.length > 0).map(({ backup }) =>
      backup.id.slice(0, 10)
    );
  assertEquals(kept({ daily: 3 }, DAILY), ["2026-04-13", "2026-04-14", "2026-04-15"]);
  // 2026-04-13 is a Monday.
  assertEquals(kept({ weekly: 2 }, DAILY), ["2026-04-12", "2026-04-15"]);
  const months = [
    listed("2026-01-31T23:59:59Z"),
    listed("2026-02-01T00:00:00Z"),
    listed("2026-02-28T00:00:00Z"),
  ];
  assertEquals(kept({ monthly: 2 }, months), ["2026-01-31", "2026-02-28"]);
});

Deno.test("retention: pinned ones stay, and so does the newest, whatever its clock said", () => {
  const wrongClock = listed("1999-01-01T00:00:00Z");
  const backups = [listed("2026-04-01T00:00:00Z", { pinned: true }), ...DAILY, wrongClock];
  const decisions = applyRetention(backups, { daily: 1 });
  assertEquals(
    decisions.filter(({ reasons }) => reasons.length > 0).map(({ backup, reasons }) => [backup.id, reasons]),
    [
      ["2026-04-01T00:00:00Z", ["pinned"]],
      ["1999-01-01T00:00:00Z", ["newest", "daily"]],
    ],
  );
});

Deno.test("retention counts each series by itself", () => {
  const other = DAILY.map((backup) => ({ ...backup, id: `o-${backup.id}`, series: "other" }));
  const all = [...DAILY, ...other];
  assertEquals(expiredBackups(all, { last: 2 }).length, 8);
  assertEquals(expiredBackups(all, { last: 2 }, "other").every(({ series }) => series === "other"), true);
  assertEquals(expiredBackups(all, { last: 2 }, "other").length, 4);
});
