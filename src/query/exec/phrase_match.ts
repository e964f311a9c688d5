/**
 * How often does a phrase occur in one document? Given the positions of its terms there.
 *
 * Source: the counts, and so the scores, are those of Lucene's `ExactPhraseMatcher` and `SloppyPhraseMatcher`.
 *
 * @module
 */

const fround = Math.fround;

export interface PhraseMatcher {
  /** Positions of slot `i` in the next document, ascending: [0, freq) is used. They must stay until it is matched. */
  set(i: number, positions: Uint32Array, freq: number): void;
  /** Occurrences; of a sloppy phrase each counts 1 / (1 + its distance). */
  freq(): number;
  matches(): boolean;
}

abstract class Slots {
  protected readonly offsets: Int32Array;
  protected readonly positions: Uint32Array[];
  protected readonly freqs: Int32Array;

  constructor(offsets: readonly number[]) {
    this.offsets = Int32Array.from(offsets);
    this.positions = offsets.map(() => new Uint32Array(0));
    this.freqs = new Int32Array(offsets.length);
  }

  set(i: number, positions: Uint32Array, freq: number): void {
    this.positions[i] = positions;
    this.freqs[i] = freq;
  }
}

/** Terms stand at their offsets exactly. */
export class ExactPhrase extends Slots implements PhraseMatcher {
  /** How far each slot's positions were read. */
  readonly #at: Int32Array;

  constructor(offsets: readonly number[]) {
    super(offsets);
    this.#at = new Int32Array(offsets.length);
  }

  freq(): number {
    return this.#count(Infinity);
  }

  matches(): boolean {
    return this.#count(1) > 0;
  }

  #count(limit: number): number {
    const { positions, freqs, offsets } = this;
    const at = this.#at;
    let lead = 0;
    for (let i = 0; i < freqs.length; i++) {
      at[i] = 0;
      if (freqs[i]! < freqs[lead]!) lead = i;
    }
    const leads = positions[lead]!;
    let count = 0;
    for (let p = 0; p < freqs[lead]! && count < limit; p++) {
      const origin = leads[p]! - offsets[lead]!;
      if (origin < 0) continue;
      let all = true;
      for (let i = 0; i < freqs.length && all; i++) {
        if (i === lead) continue;
        const own = positions[i]!;
        const freq = freqs[i]!;
        const wanted = origin + offsets[i]!;
        let j = at[i]!;
        while (j < freq && own[j]! < wanted) j++;
        at[i] = j;
        if (j === freq) return count;
        all = own[j] === wanted;
      }
      if (all) count++;
    }
    return count;
  }
}

/** One slot on its way through its positions. */
interface Walker {
  readonly slot: number;
  readonly offset: number;
  /** Position minus offset: equal in all walkers where the phrase stands exactly. */
  position: number;
  next: number;
  /** Index into the groups of repeats, -1: the term occurs once in the phrase. */
  group: number;
  /** Index in the group. */
  member: number;
}

/**
 * Terms stand near each other: the spread of their positions, offsets taken off, is at most `slop`. Walkers of the
 * same term never stand on the same position.
 */
export class SloppyPhrase extends Slots implements PhraseMatcher {
  readonly #slop: number;
  readonly #walkers: readonly Walker[];
  /** Walkers of the same term, by offset. */
  readonly #groups: readonly (readonly Walker[])[];
  /** A heap would be larger than the work: phrases have a few terms. Sorted, least first. */
  readonly #queue: Walker[] = [];
  #end = 0;

  /** @param terms By slot: slots of one term share a number. */
  constructor(offsets: readonly number[], terms: readonly number[], slop: number) {
    super(offsets);
    this.#slop = slop;
    this.#walkers = offsets.map((offset, slot) => ({
      slot,
      offset,
      position: 0,
      next: 0,
      group: -1,
      member: 0,
    }));
    const groups: Walker[][] = [];
    for (const term of new Set(terms)) {
      const group = this.#walkers.filter((walker) => terms[walker.slot] === term);
      if (group.length < 2) continue;
      group.sort((a, b) => a.offset - b.offset);
      group.forEach((walker, member) => {
        walker.group = groups.length;
        walker.member = member;
      });
      groups.push(group);
    }
    this.#groups = groups;
  }

  freq(): number {
    let sum = 0;
    if (!this.#start()) return 0;
    for (let length = this.#nextMatch(); length >= 0; length = this.#nextMatch()) {
      sum = fround(sum + fround(1 / fround(1 + length)));
    }
    return sum;
  }

  matches(): boolean {
    return this.#start() && this.#nextMatch() >= 0;
  }

  /** Places the walkers so that those of one term stand apart. False: there are too few positions. */
  #start(): boolean {
    for (const walker of this.#walkers) {
      walker.next = 0;
      if (!this.#step(walker)) return false;
    }
    for (const group of this.#groups) {
      for (let member = 1; member < group.length; member++) {
        for (let i = 0; i < member; i++) if (!this.#step(group[member]!)) return false;
      }
    }
    this.#end = -Infinity;
    this.#queue.length = 0;
    for (const walker of this.#walkers) {
      if (walker.position > this.#end) this.#end = walker.position;
      this.#add(walker);
    }
    return true;
  }

  /** Distance of the next match, -1: there is none. */
  #nextMatch(): number {
    const queue = this.#queue;
    if (queue.length < this.#walkers.length) return -1;
    let walker = queue.shift()!;
    let length = this.#end - walker.position;
    let next = queue.length === 0 ? walker.position : queue[0]!.position;
    while (this.#advance(walker)) {
      if (this.#groups.length > 0 && !this.#separate(walker)) break;
      if (walker.position > next) {
        this.#add(walker);
        if (length <= this.#slop) return length;
        walker = queue.shift()!;
        next = queue.length === 0 ? walker.position : queue[0]!.position;
        length = this.#end - walker.position;
      } else {
        length = Math.min(length, this.#end - walker.position);
      }
    }
    // The last walker is out of positions: nothing comes after this match.
    queue.length = 0;
    return length <= this.#slop ? length : -1;
  }

  /** Moves one walker; false: it has no more positions. */
  #step(walker: Walker): boolean {
    if (walker.next >= this.freqs[walker.slot]!) return false;
    walker.position = this.positions[walker.slot]![walker.next++]! - walker.offset;
    return true;
  }

  #advance(walker: Walker): boolean {
    if (!this.#step(walker)) return false;
    if (walker.position > this.#end) this.#end = walker.position;
    return true;
  }

  /** Moves walkers of the same term on until none stands where another does; false: out of positions. */
  #separate(walker: Walker): boolean {
    if (walker.group < 0) return true;
    const group = this.#groups[walker.group]!;
    const first = walker.member;
    const moved = new Set<number>();
    let current = walker;
    for (let other = collision(current, group); other !== undefined; other = collision(current, group)) {
      current = lesser(current, other);
      if (!this.#advance(current)) return false;
      if (current.member !== first) moved.add(current.member);
    }
    if (moved.size > 0) {
      // Those in the queue moved: put them where they belong now.
      const queue = this.#queue.splice(0);
      for (const queued of queue) this.#add(queued);
    }
    return true;
  }

  #add(walker: Walker): void {
    const queue = this.#queue;
    let at = queue.length;
    while (at > 0 && before(walker, queue[at - 1]!)) at--;
    queue.splice(at, 0, walker);
  }
}

function before(a: Walker, b: Walker): boolean {
  if (a.position !== b.position) return a.position < b.position;
  return a.offset !== b.offset ? a.offset < b.offset : a.slot < b.slot;
}

function collision(walker: Walker, group: readonly Walker[]): Walker | undefined {
  const place = walker.position + walker.offset;
  return group.find((other) => other !== walker && other.position + other.offset === place);
}

function lesser(a: Walker, b: Walker): Walker {
  return a.position < b.position || (a.position === b.position && a.offset < b.offset) ? a : b;
}
