/**
 * A kernel is one WGSL program plus a typed record of what goes in: buffers by name with their access, uniforms by name
 * with their scalar type. The record is held against the linked WGSL when the kernel is first used; the WGSL is the truth.
 */
import { GpuError } from "../error.ts";
import { type ElementType, type ElementTypes, link, type Reflection, reflect, type Spec } from "./wgsl.ts";

export type BufferAccess = "read" | "read_write";
export type UniformType = "u32" | "i32" | "f32";

export type BufferRecord = Readonly<Record<string, BufferAccess>>;
export type UniformRecord = Readonly<Record<string, UniformType>>;

/** A typed kernel; make it with defineKernel at module scope. */
export interface Kernel<B extends BufferRecord = BufferRecord, U extends UniformRecord = UniformRecord> {
  /** Stem of shader, kernel, op, test and bench, for example "pool/max_forward". */
  readonly name: string;
  readonly fragments: readonly string[];
  readonly buffers: B;
  readonly uniforms: U;
}

/** A kernel linked for one specialisation. */
export interface LinkedKernel {
  readonly key: string;
  readonly code: string;
  readonly reflection: Reflection;
  /** Binding index of each storage buffer, in the record's order. */
  readonly bufferBindings: readonly number[];
  /** Bytes of the uniform struct, a multiple of 16; 0 where there is none. */
  readonly uniformBytes: number;
}

/** Kernels that were declared, by name; those of one name differ in their fragments. */
const declared = new Map<string, Map<string, Kernel>>();

/** Every kernel declared so far, by name. */
export function declaredKernels(): Map<string, Kernel[]> {
  return new Map([...declared].map(([name, variants]) => [name, [...variants.values()]]));
}

/** Declares a kernel; nothing is read or compiled before its first use. */
export function defineKernel<const B extends BufferRecord, const U extends UniformRecord>(kernel: {
  name: string;
  fragments: readonly string[];
  buffers: B;
  uniforms: U;
}): Kernel<B, U> {
  let variants = declared.get(kernel.name);
  if (!variants) declared.set(kernel.name, (variants = new Map()));
  variants.set(kernel.fragments.join("+"), kernel);
  return kernel;
}

function mismatch(kernel: Kernel, detail: string): GpuError {
  return new GpuError({ code: "gpu/kernel-mismatch", message: `kernel ${kernel.name}: ${detail}` });
}

/** The cache key of one specialisation. */
export function linkKey(kernel: Kernel, spec: Spec | undefined, elements?: ElementTypes): string {
  return `${kernel.name}|${elements ? JSON.stringify(elements) : ""}|${kernel.fragments.join("+")}|${spec ? JSON.stringify(spec) : ""}`;
}

/** Links a kernel and checks its record against the WGSL. Errors: any difference, by name. */
export function linkKernel(kernel: Kernel, spec?: Spec, elements?: ElementTypes): LinkedKernel {
  const code = link(kernel.fragments, { ...(elements ? { elements } : {}), ...(spec ? { spec } : {}) });
  const reflection = reflect(code);
  const declared = new Map(reflection.bindings.map((binding) => [binding.name, binding]));

  const bufferBindings = Object.entries(kernel.buffers).map(([name, access]) => {
    const found = declared.get(name);
    if (!found || found.access === "uniform") throw mismatch(kernel, `the shader has no storage buffer "${name}"`);
    if (found.access !== access) throw mismatch(kernel, `buffer "${name}" is ${found.access} in the shader, ${access} in the record`);
    return found.index;
  });
  const storage = reflection.bindings.filter((binding) => binding.access !== "uniform");
  for (const { name } of storage) {
    if (!(name in kernel.buffers)) throw mismatch(kernel, `the record lacks the shader's buffer "${name}"`);
  }
  const uniform = reflection.bindings.find((binding) => binding.access === "uniform");
  const names = Object.entries(kernel.uniforms);
  if (uniform && (uniform.index !== 0 || uniform.name !== "params")) {
    throw mismatch(kernel, `the uniform must be "params" at binding 0, found "${uniform.name}" at ${uniform.index}`);
  }
  if (!uniform && names.length > 0) throw mismatch(kernel, "the record has uniforms, the shader has none");
  if (uniform) {
    const expected = names.map(([name, type]) => `${name}: ${type}`).join(", ");
    const actual = reflection.params.map(({ name, type }) => `${name}: ${type}`).join(", ");
    if (expected !== actual) throw mismatch(kernel, `uniforms differ: shader {${actual}}, record {${expected}}`);
  }
  return {
    key: linkKey(kernel, spec, elements),
    code,
    reflection,
    bufferBindings,
    uniformBytes: uniform ? Math.ceil((names.length * 4) / 16) * 16 : 0,
  };
}

const aliasCache = new Map<string, ReadonlyMap<string, string>>();

/**
 * What a kernel's storage aliases stand for, given how the bound buffers store their numbers (in the record's order).
 * Errors: GpuError naming the buffer whose type the shader does not take, or that differs from another of its alias.
 */
export function elementTypesOf(kernel: Kernel, stored: readonly ElementType[]): ElementTypes {
  const key = kernel.fragments.join("+");
  let aliases = aliasCache.get(key);
  if (!aliases) aliasCache.set(key, (aliases = reflect(link(kernel.fragments)).aliases));
  const elements: Record<string, ElementType> = {};
  Object.keys(kernel.buffers).forEach((name, i) => {
    const alias = aliases.get(name);
    const expected = alias === undefined ? "f32" : (elements[alias] ??= stored[i] as ElementType);
    if (stored[i] === expected) return;
    const wanted = alias === undefined ? "words of four bytes" : `${expected} like the other buffers of type ${alias}`;
    throw new GpuError({
      code: "gpu/element-type",
      message: `kernel ${kernel.name}: buffer "${name}" must hold ${wanted}, got ${stored[i]}`,
      fix: "cast the tensor first",
    });
  });
  return elements;
}

/** Packs uniforms in the record's order; every member is four bytes. */
export function packUniforms<U extends UniformRecord>(kernel: Kernel<BufferRecord, U>, values: Readonly<Record<keyof U & string, number>>, target: DataView): void {
  let offset = 0;
  for (const name in kernel.uniforms) {
    const type = kernel.uniforms[name] as UniformType;
    const value = values[name as keyof U & string];
    if (value === undefined || Number.isNaN(value)) throw mismatch(kernel, `uniform "${name}" is ${String(value)}`);
    if (type === "f32") target.setFloat32(offset, value, true);
    else if (type === "i32") target.setInt32(offset, value, true);
    else target.setUint32(offset, value, true);
    offset += 4;
  }
}

/** Workgroups for `count` invocations in one line; the second axis carries what the first cannot (65 535 is the limit). */
export function linearGrid(count: number, workgroup: number): [number, number, number] {
  const groups = Math.max(1, Math.ceil(count / workgroup));
  if (groups <= 65535) return [groups, 1, 1];
  const rows = Math.ceil(groups / 65535);
  return [Math.ceil(groups / rows), rows, 1];
}
