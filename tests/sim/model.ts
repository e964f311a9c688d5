/**
 * What a server has promised: every operation that it was asked for, with the position that it got, per shard and in
 * order; every change of the catalogue, in order. What is found later must be a beginning of that which reaches at least
 * as far as the promise does.
 *
 * @module
 */

/** Ids that are written to; few, so that operations meet. */
export const IDS = Array.from({ length: 14 }, (_, i) => `id${i}`);
/** Fields that documents bring by themselves, with how many documents have one. */
export const DYNAMIC_FIELDS = ["f0", "f1", "f2", "f3", "f4", "f5"];

export interface Operation {
  readonly id: string | undefined;
  readonly shard: number;
  /** Unique among all operations; undefined: a delete. */
  readonly value: string | undefined;
  readonly startedMs: number;
  ackedMs: number;
  /** Known once it is acknowledged, or found after a crash. */
  seqNo: number;
}

/** Asked for, never answered: may be anywhere up to `highest`, or nowhere. */
interface Unsure {
  readonly operation: Operation;
  highest: number;
}

/** What a document of a shard is found to be. */
export interface FoundDocument {
  readonly value: string;
  readonly seqNo: number;
}

export class ShardModel {
  /** In order of their sequence numbers. */
  known: Operation[] = [];
  readonly unsure: Unsure[] = [];
  /** Lost to a power cut, as was allowed: must not come back. */
  readonly gone = new Set<string>();

  /** Everything up to here survives a crash of the process. */
  acked(): number {
    return this.known.at(-1)?.seqNo ?? -1;
  }

  /** Highest position that was acknowledged no later than `atMs`. */
  ackedAt(atMs: number): number {
    let highest = -1;
    for (const { ackedMs, seqNo } of this.known) if (ackedMs <= atMs) highest = Math.max(highest, seqNo);
    return highest;
  }

  add(operation: Operation, seqNo: number, nowMs: number): void {
    operation.seqNo = seqNo;
    operation.ackedMs = nowMs;
    let at = this.known.length;
    while (at > 0 && this.known[at - 1]!.seqNo > seqNo) at--;
    this.known.splice(at, 0, operation);
  }

  doubt(operation: Operation): void {
    this.unsure.push({ operation, highest: Infinity });
  }

  /** What is wrong with the documents found, if everything up to `upTo` is there and nothing behind it. */
  problems(found: ReadonlyMap<string, FoundDocument>, upTo: number): string[] {
    const expected = new Map<string, Operation>();
    for (const operation of this.known) {
      if (operation.seqNo > upTo) break;
      expected.set(operation.id!, operation);
    }
    const problems: string[] = [];
    for (const id of new Set([...expected.keys(), ...found.keys()])) {
      const problem = this.#problem(id, expected.get(id), found.get(id));
      if (problem) problems.push(problem);
    }
    return problems;
  }

  #problem(id: string, last: Operation | undefined, found: FoundDocument | undefined): string | undefined {
    const after = last?.seqNo ?? -1;
    if (found === undefined) {
      if (last?.value === undefined) return undefined;
      const mayBeDeleted = this.unsure.some(({ operation, highest }) =>
        operation.id === id && operation.value === undefined && highest > after
      );
      return mayBeDeleted ? undefined : `lost: ${id} = ${last.value} (${last.seqNo}) is not there`;
    }
    if (last && found.value === last.value && found.seqNo === last.seqNo) return undefined;
    const isUnsure = this.unsure.some(({ operation, highest }) =>
      operation.value === found.value && (operation.id ?? id) === id && found.seqNo > after &&
      found.seqNo <= highest
    );
    if (isUnsure) return undefined;
    const text = `${id} = ${found.value} (${found.seqNo})`;
    if (this.gone.has(found.value)) return `resurrected: ${text} was lost to a power cut before`;
    if (last === undefined) return `resurrected: ${text} was never acknowledged`;
    if (last.value === undefined) return `resurrected: ${text} was deleted (${last.seqNo})`;
    const isOlder = this.known.some(({ value, seqNo }) => value === found.value && seqNo < last.seqNo);
    return `${isOlder ? "lost" : "wrong"}: ${text} is there instead of ${last.value} (${last.seqNo})`;
  }

  /** Takes over what a recovery found: everything behind `upTo` is gone, and what was unsure is a bit less so. */
  settle(found: ReadonlyMap<string, FoundDocument>, upTo: number): void {
    for (const { value, seqNo } of this.known) if (seqNo > upTo && value !== undefined) this.gone.add(value);
    this.known = this.known.filter(({ seqNo }) => seqNo <= upTo);
    for (const one of [...this.unsure]) {
      one.highest = Math.min(one.highest, upTo);
      const { operation } = one;
      for (const [id, { value, seqNo }] of found) {
        if (operation.value === value && (operation.id ?? id) === id) {
          this.unsure.splice(this.unsure.indexOf(one), 1);
          this.add({ ...operation, id }, seqNo, -Infinity);
        } else if (operation.id === id) one.highest = Math.min(one.highest, seqNo - 1);
      }
    }
  }

  fork(): ShardModel {
    const copy = new ShardModel();
    copy.known = [...this.known];
    copy.unsure.push(...this.unsure.map((one) => ({ ...one })));
    for (const value of this.gone) copy.gone.add(value);
    return copy;
  }
}

export class IndexModel {
  readonly shards: ShardModel[];
  constructor(readonly name: string, readonly incarnation: string, shards: number) {
    this.shards = Array.from({ length: shards }, () => new ShardModel());
  }

  /** Whatever is found. */
  static of(found: {
    readonly state: { readonly name: string; readonly incarnation: string };
    readonly shards: readonly { readonly documents: ReadonlyMap<string, FoundDocument> }[];
  }): IndexModel {
    const { name, incarnation } = found.state;
    const model = new IndexModel(name, incarnation, found.shards.length);
    found.shards.forEach(({ documents }, shard) => {
      for (const [id, { value, seqNo }] of documents) {
        model.shards[shard]!.add({ id, shard, value, startedMs: 0, ackedMs: 0, seqNo }, seqNo, 0);
      }
    });
    return model;
  }

  fork(): IndexModel {
    const copy = new IndexModel(this.name, this.incarnation, 0);
    copy.shards.push(...this.shards.map((shard) => shard.fork()));
    return copy;
  }
}

/** What the catalogue lists: incarnation by name, and where the alias points. */
export interface Listing {
  readonly indices: ReadonlyMap<string, string>;
  readonly alias: string | undefined;
}

/** A change of the catalogue that was asked for and not answered. */
export type PendingChange =
  | { readonly kind: "create"; readonly name: string; readonly shards: number }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "alias"; readonly name: string };

export class ServerModel {
  readonly indices = new Map<string, IndexModel>();
  /** Every state of the catalogue that was acknowledged, oldest first. */
  listings: Listing[] = [{ indices: new Map(), alias: undefined }];
  /** At most one change is under way at a time. */
  pending: PendingChange | undefined;
  /** Incarnations of deletes under way or done: nothing is owed any more. */
  readonly dying = new Set<string>();

  get listing(): Listing {
    return this.listings.at(-1)!;
  }

  created(
    name: string,
    { incarnation, shards }: { readonly incarnation: string; readonly shards: number },
  ): void {
    this.indices.set(incarnation, new IndexModel(name, incarnation, shards));
    const indices = new Map(this.listing.indices).set(name, incarnation);
    this.listings.push({ ...this.listing, indices });
  }

  deleted(name: string): void {
    const indices = new Map(this.listing.indices);
    indices.delete(name);
    const alias = this.listing.alias === name ? undefined : this.listing.alias;
    this.listings.push({ indices, alias });
  }

  aliased(name: string): void {
    this.listings.push({ ...this.listing, alias: name });
  }

  byName(name: string): IndexModel | undefined {
    const incarnation = this.listing.indices.get(name);
    return incarnation === undefined ? undefined : this.indices.get(incarnation);
  }

  /** Position that everything acknowledged so far has, by incarnation and shard. */
  floors(): Map<string, number[]> {
    return new Map(
      [...this.indices].map(([name, { shards }]) => [name, shards.map((shard) => shard.acked())]),
    );
  }

  fork(): ServerModel {
    const copy = new ServerModel();
    for (const [incarnation, index] of this.indices) copy.indices.set(incarnation, index.fork());
    copy.listings = [...this.listings];
    copy.pending = this.pending;
    for (const incarnation of this.dying) copy.dying.add(incarnation);
    return copy;
  }
}
