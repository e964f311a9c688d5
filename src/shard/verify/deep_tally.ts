/**
 * What a comparison has seen of one field.
 *
 * @module
 */

export class FieldTally {
  readonly name: string;
  readonly #say: (what: string) => void;
  /** Documents that have the field in the segment. */
  docs = 0;
  /** Values of the numeric column so far: the index of the next. */
  values = 0;
  /** Pairs of term and document, and occurrences. */
  postings = 0;
  occurrences = 0;
  #lacking = 0;
  #lackingFirst = -1;
  #lackingMaxSeqNo = -1;
  #havingMinSeqNo = Infinity;
  #havingFirst = -1;

  constructor(name: string, say: (what: string) => void) {
    this.name = name;
    this.#say = say;
  }

  say(what: string): void {
    this.#say(`field ${this.name}: ${what}`);
  }

  /** A document should have the field and has nothing of it. */
  lacks(doc: number, seqNo: number): void {
    this.#lacking++;
    if (seqNo > this.#lackingMaxSeqNo) {
      this.#lackingMaxSeqNo = seqNo;
      this.#lackingFirst = doc;
    }
  }

  has(doc: number, seqNo: number): void {
    this.docs++;
    if (seqNo < this.#havingMinSeqNo) {
      this.#havingMinSeqNo = seqNo;
      this.#havingFirst = doc;
    }
  }

  /** A field that was added later is lacking in all documents before one, and in none behind. */
  judgeLacking(): { readonly severity: "damage" | "note"; readonly what: string } | undefined {
    if (this.#lacking === 0) return undefined;
    if (this.#lackingMaxSeqNo < this.#havingMinSeqNo) {
      return {
        severity: "note",
        what: `field ${this.name}: ${this.#lacking} documents are older than it and lack it`,
      };
    }
    return {
      severity: "damage",
      what:
        `field ${this.name}: ${this.#lacking} documents lack it, such as ${this.#lackingFirst} (sequence number ` +
        `${this.#lackingMaxSeqNo}), though document ${this.#havingFirst}, which is older, has it`,
    };
  }
}
