import { assert, assertEquals, assertThrows } from "@std/assert";
import { Snapshots } from "../../src/engine/snapshots.ts";
import type { ShardSnapshot } from "../../src/shard/snapshot.ts";

function snapshot(version: number, segments: readonly string[], shard = 0): ShardSnapshot {
  return {
    index: "logs",
    incarnation: "inc",
    shard,
    version,
    mapping: {},
    mappingVersion: 1,
    settings: {},
    segments: segments.map((key) => ({
      ref: { key } as ShardSnapshot["segments"][number]["ref"],
      live: null,
      liveCount: 1,
    })),
    liveDocs: segments.length,
  };
}

class Heard {
  readonly added: number[] = [];
  readonly snapshots: string[] = [];
  readonly segments: string[] = [];
  readonly all = new Snapshots({
    added: ({ version }) => this.added.push(version),
    dropped: ({ snapshots, segments }) => {
      this.snapshots.push(...snapshots);
      this.segments.push(...segments);
    },
  });
}

Deno.test("a replaced snapshot goes at once when nobody pins it, with the segments that only it had", () => {
  const heard = new Heard();
  heard.all.publish(snapshot(1, ["a", "b"]));
  heard.all.publish(snapshot(2, ["b", "c"]));
  assertEquals(heard.added, [1, 2]);
  assertEquals(heard.snapshots, ["inc/0/1"]);
  assertEquals(heard.segments, ["a"]);
  assertEquals(heard.all.current("inc", 0)?.version, 2);
});

Deno.test("a pinned snapshot outlives its replacement until its last pin", () => {
  const heard = new Heard();
  heard.all.publish(snapshot(1, ["a"]));
  const pins = [heard.all.pin("inc", 0)!, heard.all.pin("inc", 0)!];
  heard.all.publish(snapshot(2, ["b"]));
  assertEquals(pins[0]!.key, "inc/0/1");
  pins[0]!.release();
  assertEquals(heard.segments, []);
  pins[1]!.release();
  assertEquals(heard.snapshots, ["inc/0/1"]);
  assertEquals(heard.segments, ["a"]);
  assertThrows(() => pins[1]!.release(), Error, "a pin is released once");
});

Deno.test("a segment goes with the last of the snapshots that hold it, in whatever order they go", () => {
  const heard = new Heard();
  heard.all.publish(snapshot(1, ["a"]));
  const old = heard.all.pin("inc", 0)!;
  heard.all.publish(snapshot(2, ["a", "b"]));
  heard.all.publish(snapshot(3, ["b"]));
  assertEquals(heard.segments, []); // The pinned first still holds a.
  old.release();
  assertEquals(heard.segments, ["a"]);
});

Deno.test("a deleted index's snapshots go when its searches are through", () => {
  const heard = new Heard();
  heard.all.publish(snapshot(1, ["a"], 0));
  heard.all.publish(snapshot(1, ["b"], 1));
  const pin = heard.all.pin("inc", 1)!;
  heard.all.forget("inc", 2);
  assertEquals(heard.segments, ["a"]);
  assertEquals(heard.all.pin("inc", 1), undefined);
  pin.release();
  assertEquals(heard.segments, ["a", "b"]);
  assert(heard.all.current("inc", 0) === undefined);
});
