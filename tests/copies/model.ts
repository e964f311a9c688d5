/**
 * What must be in a copy: every operation acknowledged before it began, and of those under way meanwhile any.
 *
 * Operations are numbered; each id has at most one under way, so that its operations are applied in the order of their
 * numbers. An index or update stores its number in the document.
 *
 * @module
 */

/** Of each id: the last operation, and whether it left a document. */
export interface Moment {
  readonly operation: Uint32Array;
  readonly live: Uint8Array;
  readonly operations: number;
}

export interface Verdict {
  readonly documents: number;
  /** Ids whose acknowledged document is not there. */
  readonly missing: number;
  /** Ids that were deleted, by an acknowledged operation, and are there. */
  readonly resurrected: number;
  /** Ids with an older document than the acknowledged one, or one that nobody wrote. */
  readonly stale: number;
  /** The count that a search answers is not that of the documents it returns. */
  readonly wrongCounts: number;
  /** The first few ids that are wrong, with what was found and what was expected. */
  readonly examples: readonly string[];
}

export class Model {
  readonly #acknowledged: Moment & { operations: number };
  /** Number of the last operation that was sent, of each id. */
  readonly #sent: Uint32Array;
  /** Number of the last delete that was sent, of each id; 0: none. */
  readonly #lastDelete: Uint32Array;
  #next = 1;

  constructor(readonly ids: number) {
    this.#acknowledged = { operation: new Uint32Array(ids), live: new Uint8Array(ids), operations: 0 };
    this.#sent = new Uint32Array(ids);
    this.#lastDelete = new Uint32Array(ids);
  }

  get acknowledged(): number {
    return this.#acknowledged.operations;
  }

  /** Draws the number of an operation that is about to be sent. */
  send(id: number, isDelete: boolean): number {
    const operation = this.#next++;
    this.#sent[id] = operation;
    if (isDelete) this.#lastDelete[id] = operation;
    return operation;
  }

  acknowledge(id: number, operation: number, isDelete: boolean): void {
    this.#acknowledged.operation[id] = operation;
    this.#acknowledged.live[id] = isDelete ? 0 : 1;
    this.#acknowledged.operations++;
  }

  /** What a copy that begins now must hold. */
  floor(): Moment {
    const { operation, live, operations } = this.#acknowledged;
    return { operation: operation.slice(), live: live.slice(), operations };
  }

  /** What a copy that ends now may hold. */
  ceiling(): { readonly sent: Uint32Array; readonly lastDelete: Uint32Array } {
    return { sent: this.#sent.slice(), lastDelete: this.#lastDelete.slice() };
  }
}

/**
 * Judges documents found in a copy.
 *
 * @param found Operation number of each id's document, 0: none.
 */
export function judge(
  found: Uint32Array,
  floor: Moment,
  { sent, lastDelete }: ReturnType<Model["ceiling"]>,
): Omit<Verdict, "wrongCounts"> {
  let [documents, missing, resurrected, stale] = [0, 0, 0, 0];
  const examples: string[] = [];
  const wrong = (id: number, what: string) => {
    if (examples.length >= 5) return;
    examples.push(
      `id ${id} ${what}: found ${found[id]}, acknowledged ${floor.live[id] ? "" : "delete "}${
        floor.operation[id]
      }, sent ${sent[id]}, last delete ${lastDelete[id]}`,
    );
  };
  for (let id = 0; id < found.length; id++) {
    const value = found[id]!;
    const acknowledged = floor.operation[id]!;
    if (value !== 0) documents++;
    if (value === 0) {
      // A delete that was under way may have come before the copy's end.
      const mayBeGone = acknowledged === 0 || lastDelete[id]! >= acknowledged;
      if (mayBeGone) continue;
      missing++;
      wrong(id, "is missing");
    } else if (value < acknowledged) {
      if (floor.live[id]) stale++;
      else resurrected++;
      wrong(id, floor.live[id] ? "is stale" : "came back");
    } else if (value > sent[id]!) {
      stale++;
      wrong(id, "was never written");
    }
  }
  return { documents, missing, resurrected, stale, examples };
}
