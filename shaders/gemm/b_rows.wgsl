// B view: a dense [depth, columns] matrix in row-major order from phase.b_base on; weights are stored in another type than
// activations may be.
@group(0) @binding(2) var<storage, read> b: array<ElemB>;

fn b_load(index: u32) -> f32 { return f32(b[index]); }
