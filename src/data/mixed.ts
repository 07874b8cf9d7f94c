/** Labelled persons paired with unlabelled ones: which samples make which batch, as a pure function of the seed. */
import { Random, STREAM } from "../random.ts";

/** One pair of a batch: indices into the labelled and unlabelled records. */
export interface MixedPair {
  labelled: number;
  unlabelled: number;
  /** Position in the epoch; names the random draws of this pair. */
  index: number;
}

/** Sizes and seed of a mixed set. */
export interface MixedFacts {
  seed: number;
  labelled: number;
  unlabelled: number;
  batchSize: number;
}

/**
 * The pairs of every epoch: unlabelled samples each once in shuffled order (again from the first where there are more labelled
 * ones), each with a labelled one drawn with replacement (MultiAugs mix_coco_coco). An epoch's last batch is filled up from the
 * epoch's beginning, so that every step has one shape.
 */
export class MixedOrder {
  readonly #facts: MixedFacts;
  readonly #length: number;
  #epoch = -1;
  #pairs: MixedPair[] = [];

  constructor(facts: MixedFacts) {
    this.#facts = facts;
    this.#length = Math.max(facts.labelled, facts.unlabelled);
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.#length / this.#facts.batchSize);
  }

  #pairsOf(epoch: number): MixedPair[] {
    if (epoch === this.#epoch) return this.#pairs;
    const { seed, labelled, unlabelled } = this.#facts;
    const order = new Random({ seed, stream: STREAM.shuffle, epoch }).permutation(this.#length);
    const pairing = new Random({ seed, stream: STREAM.pairing, epoch });
    const partners = Array.from({ length: this.#length }, () => pairing.integer(0, labelled));
    this.#epoch = epoch;
    this.#pairs = Array.from(order, (item, index) => ({ labelled: partners[item] as number, unlabelled: item % unlabelled, index }));
    return this.#pairs;
  }

  /** The pairs of one step, always batchSize of them. */
  batch(epoch: number, step: number): MixedPair[] {
    const pairs = this.#pairsOf(epoch);
    const { batchSize } = this.#facts;
    return Array.from({ length: batchSize }, (_, i) => {
      const index = step * batchSize + i;
      return { ...(pairs[index % pairs.length] as MixedPair), index };
    });
  }
}

/** Shuffled batches of labelled samples alone, each sample once an epoch. */
export class LabelledOrder {
  readonly #facts: { seed: number; count: number; batchSize: number };
  #epoch = -1;
  #order: Uint32Array = new Uint32Array();

  constructor(facts: { seed: number; count: number; batchSize: number }) {
    this.#facts = facts;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.#facts.count / this.#facts.batchSize);
  }

  #orderOf(epoch: number): Uint32Array {
    if (epoch === this.#epoch) return this.#order;
    const { seed, count } = this.#facts;
    this.#order = new Random({ seed, stream: STREAM.shuffle, epoch }).permutation(count);
    this.#epoch = epoch;
    return this.#order;
  }

  /** Sample indices of one step, always batchSize of them, with their positions in the epoch. */
  batch(epoch: number, step: number): { sample: number; index: number }[] {
    const { count, batchSize } = this.#facts;
    const order = this.#orderOf(epoch);
    return Array.from({ length: batchSize }, (_, i) => {
      const index = step * batchSize + i;
      return { sample: order[index % count] as number, index };
    });
  }
}
