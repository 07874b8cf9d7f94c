/** Associative embedding in plain loops, f64. */

/** Pull and push of one image, persons as lists of places in `tags`, and the gradient of pullFactor pull + pushFactor push. */
export function embeddingReference(
  tags: ArrayLike<number>,
  { persons, kind, pullFactor, pushFactor }: { persons: readonly (readonly number[])[]; kind: "exp" | "max"; pullFactor: number; pushFactor: number },
): { pull: number; push: number; gradient: Float64Array } {
  const present = persons.filter((places) => places.length > 0);
  const count = present.length;
  const means = present.map((places) => places.reduce((sum, place) => sum + (tags[place] as number), 0) / places.length);
  const gradient = new Float64Array(tags.length);
  let [pull, push] = [0, 0];
  present.forEach((places, a) => {
    const mean = means[a] as number;
    let slope = 0;
    means.forEach((other, b) => {
      if (a === b) return;
      const d = mean - other;
      push += (kind === "exp" ? Math.exp(-(d ** 2)) : Math.max(0, 1 - Math.abs(d))) / 2 / (count * (count - 1));
      slope += (kind === "exp" ? -2 * d * Math.exp(-(d ** 2)) : Math.abs(d) < 1 ? -Math.sign(d) : 0) / (count * (count - 1));
    });
    for (const place of places) {
      const deviation = (tags[place] as number) - mean;
      pull += deviation ** 2 / places.length / count;
      gradient[place] = (gradient[place] as number) + (pullFactor * 2 * deviation) / places.length / count + (pushFactor * slope) / places.length;
    }
  });
  return { pull, push, gradient };
}
