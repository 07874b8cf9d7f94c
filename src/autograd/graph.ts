/** The graph of backward passes as text and as DOT, for debugging. */
import { Parameter, shapeText, type Tensor } from "../tensor/tensor.ts";
import type { Node } from "./op.ts";
import { observeBackward } from "./tape.ts";

/** One backward pass: what it differentiated, and the ops on the way, first to last. */
export interface BackwardGraph {
  readonly root: Tensor;
  readonly nodes: readonly Node[];
}

/** Runs `work` and returns the graphs of the backward passes in it. */
export function captureGraphs(work: () => void): BackwardGraph[] {
  const graphs: BackwardGraph[] = [];
  observeBackward((root, nodes) => graphs.push({ root, nodes: nodes.toSorted((a, b) => a.sequence - b.sequence) }), work);
  return graphs;
}

/** Numbers of the ops of several graphs, from 1, in the order of their creation. */
function numbered(graphs: readonly BackwardGraph[]): Map<Tensor, { node: Node; number: number }> {
  const nodes = [...new Set(graphs.flatMap((graph) => graph.nodes))].toSorted((a, b) => a.sequence - b.sequence);
  return new Map(nodes.map((node, i) => [node.output, { node, number: i + 1 }]));
}

function isFrozen(tensor: Tensor): boolean {
  return tensor instanceof Parameter && tensor.frozen;
}

function leafText(tensor: Tensor): string {
  const kind = tensor instanceof Parameter ? (isFrozen(tensor) ? " (frozen)" : "") : tensor.requiresGradient ? " (leaf)" : " (constant)";
  return `${tensor.label} ${shapeText(tensor.shape)}${kind}`;
}

/** One line an op: number, name, shape, inputs by number or, for leaves, by name and shape. */
export function graphText(graphs: readonly BackwardGraph[]): string {
  const numbers = numbered(graphs);
  const width = String(numbers.size).length;
  const lines = graphs.flatMap(({ root, nodes }, pass) => [
    ...(pass > 0 ? [""] : []),
    `backward pass ${pass + 1}: ${nodes.length} ops, from ${root.label} ${shapeText(root.shape)}`,
    ...nodes.map(({ name, output, inputs }) => {
      const sources = inputs.map((input) => {
        const source = numbers.get(input);
        return source ? `#${source.number}` : leafText(input);
      });
      const dtype = output.dtype === "f32" ? "" : ` ${output.dtype}`;
      return `  #${String(numbers.get(output)?.number).padEnd(width)}  ${name} ${shapeText(output.shape)}${dtype}${output.recipe ? " (made again)" : ""}  <-  ${sources.join(", ")}`;
    }),
  ]);
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/** The same for Graphviz: `dot -Tsvg graph.dot`. Parameters are boxes, constants are dashed, ops ellipses. */
export function graphDot(graphs: readonly BackwardGraph[]): string {
  const numbers = numbered(graphs);
  const leaves = new Map<Tensor, string>();
  const lines: string[] = [];
  const idOf = (tensor: Tensor): string => {
    const source = numbers.get(tensor);
    if (source) return `op${source.number}`;
    let id = leaves.get(tensor);
    if (!id) {
      leaves.set(tensor, (id = `leaf${leaves.size + 1}`));
      const style = tensor instanceof Parameter ? "box" : "box, style=dashed";
      lines.push(`  ${id} [shape=${style}, label=${quoted(`${tensor.label}\n${shapeText(tensor.shape)}`)}];`);
    }
    return id;
  };
  for (const { node, number } of numbers.values()) {
    lines.push(`  op${number} [label=${quoted(`${node.name}\n${shapeText(node.output.shape)}`)}];`);
    node.inputs.forEach((input, i) => lines.push(`  ${idOf(input)} -> op${number}${node.needs[i] ? "" : " [style=dashed]"};`));
  }
  return `digraph step {\n  rankdir=TB;\n${lines.join("\n")}\n}\n`;
}
